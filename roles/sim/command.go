package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/wire"
	"kowabunga/roles/config"
	"kowabunga/roles/sim/world"
	"kowabunga/roles/term"
)

// Command is `kowabunga sim`.
func Command() *cobra.Command {
	parent := &cobra.Command{Use: "sim", Short: "Simulated agents, to try Kahuna without hosts, and simulated pairs of Kahunas"}
	parent.AddCommand(agentsCommand())
	parent.AddCommand(world.Commands()...)
	return parent
}

func agentsCommand() *cobra.Command {
	var shared Config
	var ctl, memory, capacity, obeyed string
	var fail []string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "agents --url URL KIND:ID:KEYFILE...",
		Short: "Connect simulated agents to a Kahuna",
		Long: `Connects one simulated agent for each KIND:ID:KEYFILE, prints "connected N" once all N are, and runs until
it is stopped. KEYFILE holds the agent's key and is for its owner alone to read. The agents keep everything
in memory, or with --keep in a directory.

With --ctl, GET /state shows what the agents hold, by kind of agent, and GET /calls what they were asked.`,
		Example: `  kowabunga sim agents --url https://127.0.0.1:8443 --ca ca.pem Kaktus:0123456789abcdef01234567:agent.key`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			agents, err := parseAgents(args, fail, memory, capacity, shared, cmd.InOrStdin())
			if err != nil {
				return term.Usage(err)
			}
			if obeyed != "" {
				journal, err := OpenJournal(obeyed)
				if err != nil {
					return err
				}
				defer journal.Close()
				for i := range agents {
					agents[i].Obeyed = journal
				}
			}
			level := slog.LevelError
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return Run(cmd.Context(), agents, ctl, cmd.OutOrStdout(), log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&shared.URL, "url", "", "Kahuna's address: https://HOST[:PORT], several separated by commas; plain http only to this machine")
	flags.StringVar(&shared.CAFile, "ca", "", "certificates to trust, PEM; the system's when not given")
	flags.StringVar(&ctl, "ctl", "", "address for /state and /calls, such as 127.0.0.1:9999")
	flags.Int64Var(&shared.Threads, "threads", 32, "processor threads of each host")
	flags.StringVar(&memory, "memory", "128GiB", "memory of each host")
	flags.StringVar(&capacity, "pool-capacity", "4TiB", "size of each storage pool")
	flags.DurationVar(&shared.Latency, "latency", 0, "how long every change takes")
	flags.StringArrayVar(&fail, "fail", nil, "METHOD:N, make the first N calls of a method fail at each agent; may be given again")
	flags.StringVar(&shared.Keep, "keep", "", "directory for what the hosts hold, which then survives a restart")
	flags.StringVar(&obeyed, "obeyed", "", "file to which every command and desired state is added before it is carried out, as JSON lines")
	flags.BoolVar(&verbose, "verbose", false, "log what the agents do")
	_ = cmd.MarkFlagRequired("url")
	return cmd
}

// parseAgents reads KIND:ID:KEYFILE arguments, the files they name, and METHOD:N failures.
func parseAgents(args, fail []string, memory, capacity string, shared Config, stdin io.Reader) ([]Config, error) {
	for _, size := range []struct {
		flag, text string
		to         *int64
	}{{"memory", memory, &shared.Memory}, {"pool-capacity", capacity, &shared.PoolCapacity}} {
		n, err := config.ParseSize(size.text)
		if err != nil {
			return nil, fault.Bad(size.flag, "%v", err)
		}
		*size.to = int64(n)
	}
	shared.Fail = map[string]int{}
	for _, f := range fail {
		method, count, ok := strings.Cut(f, ":")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || n < 0 {
			return nil, fault.Bad("fail", "%q is not METHOD:N", f)
		}
		shared.Fail[method] = n
	}
	var agents []Config
	for i, arg := range args {
		parts := strings.SplitN(arg, ":", 3)
		if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
			return nil, fault.Bad(fmt.Sprintf("argument %d", i+1), "not KIND:ID:KEYFILE")
		}
		c := shared
		c.Kind, c.ID = agentproto.Kind(parts[0]), parts[1]
		if c.Keep != "" {
			if filepath.Base(c.ID) != c.ID {
				return nil, fault.Bad(fmt.Sprintf("argument %d", i+1), "%q is no id", c.ID)
			}
			c.StateDir = filepath.Join(c.Keep, c.ID)
		}
		if c.Kind != agentproto.Kaktus && c.Kind != agentproto.Kiwi {
			return nil, fault.Bad(fmt.Sprintf("argument %d", i+1), "kind %q is neither %s nor %s", parts[0], agentproto.Kaktus, agentproto.Kiwi)
		}
		var err error
		if c.Key, err = (config.Secret{File: parts[2]}).Read(stdin); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, fmt.Sprintf("argument %d", i+1))
		}
		agents = append(agents, c)
	}
	return agents, nil
}

// Run connects the agents, writes "connected N" to out once all are, and serves the control address
// until ctx ends. SIGHUP, which reloads daemons, changes nothing here and does not end the program.
func Run(ctx context.Context, configs []Config, ctl string, out io.Writer, log *slog.Logger) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	var connected atomic.Int64
	all := make(chan struct{})
	agents := make([]*Kaktus, 0, len(configs))
	for _, c := range configs {
		var once sync.Once
		c.Log = log
		c.OnConnect = func(agentproto.Welcome) {
			once.Do(func() {
				if connected.Add(1) == int64(len(configs)) {
					close(all)
				}
			})
		}
		k, err := NewKaktus(c)
		if err != nil {
			return err
		}
		agents = append(agents, k)
	}
	stopControl, err := serveControl(ctl, agents)
	if err != nil {
		return err
	}
	defer stopControl()
	var running sync.WaitGroup
	for _, k := range agents {
		running.Go(func() {
			if err := k.Run(ctx); err != nil {
				log.Error("a simulated agent ended", "agent", k.cfg.ID, "error", err)
			}
		})
	}
	select {
	case <-all:
		fmt.Fprintf(out, "connected %d\n", len(agents))
	case <-ctx.Done():
	}
	running.Wait()
	return nil
}

// serveControl answers /state and /calls; with an empty address it does nothing.
func serveControl(address string, agents []*Kaktus) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: "listen on the control address", Field: "ctl", Message: "cannot listen on " + address, Err: err}
	}
	server := &http.Server{Handler: Control(agents), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close below
	}()
	return func() {
		server.Close()
		<-done
	}, nil
}

// Held is what one agent holds, in /state.
type Held struct {
	Agent     string                 `json:"agent"`
	Connected bool                   `json:"connected"`
	Obeyed    agentproto.Epoch       `json:"obeyed"`
	Desired   agentproto.KaktusState `json:"desired"`
	Kiwi      *wire.KiwiState        `json:"kiwi,omitempty"`     // of a Kiwi
	Services  *wire.ServicesState    `json:"services,omitempty"` // of a Kaktus; keys are masked
	Inventory agentproto.Inventory   `json:"inventory"`
}

// Control is the handler of the control address: GET /state answers {KIND: [Held...]}, GET /calls
// [CallRecord...], agents in the order of the command line.
func Control(agents []*Kaktus) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		state := map[agentproto.Kind][]Held{}
		for _, k := range agents {
			k.mu.Lock()
			desired := k.state
			k.mu.Unlock()
			kiwi, _ := k.Kiwi()
			services, _ := k.Services()
			state[k.cfg.Kind] = append(state[k.cfg.Kind], Held{Kiwi: kiwi, Services: services, Agent: k.cfg.ID, Connected: k.Connected(), Obeyed: k.Obeyed(), Desired: desired, Inventory: k.Inventory()})
		}
		writeJSON(w, state)
	})
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		calls := []CallRecord{}
		for _, k := range agents {
			calls = append(calls, k.Calls()...)
		}
		writeJSON(w, calls)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the reader is gone if this fails
}
