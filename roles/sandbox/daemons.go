package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kahuna"
	"kowabunga/roles/kahuna/localca"
)

// How long the daemons may take to get ready. A Kaktus first tries whether KVM works, for 15 s at most.
const (
	kahunaWithin = 60 * time.Second
	hostWithin   = 90 * time.Second
)

func (p place) kahunaDaemon() daemon {
	return daemon{name: "kahuna", args: []string{"kahuna", "serve", "--dir", p.kahuna()}, log: p.path("log", "kahuna.log")}
}

func (p place) kaktusDaemon() daemon {
	return daemon{name: "kaktus", args: []string{"kaktus", "serve", "--dir", p.kaktus()}, log: p.path("log", "kaktus.log")}
}

// simDaemon is the simulated host, whose key is in its file.
func (s *sandbox) simDaemon(agent string) daemon {
	return daemon{name: "sim", log: s.path("log", "sim.log"), args: []string{"sim", "agents", "--url", s.url(), "--ca", s.ca(),
		"--keep", s.simulated(), "--threads", "8", string(agentproto.Kaktus) + ":" + agent + ":" + s.agentKey()}}
}

// simPids are the simulated hosts of this sandbox.
func (p place) simPids() []int {
	return processes(func(args []string) bool {
		return len(args) > 7 && args[1] == "sim" && args[2] == "agents" && args[7] == "--keep" && len(args) > 8 && args[8] == p.simulated()
	})
}

// run runs one of this program's own commands to its end.
func run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0], cmd.Dir, cmd.Env = "kowabunga", "/", environment()
	cmd.WaitDelay = 5 * time.Second
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, fault.From(context.Cause(ctx))
	}
	text := strings.TrimPrefix(strings.TrimSpace(said.String()), "kowabunga: ")
	first, _, _ := strings.Cut(text, "\n")
	return nil, &fault.Error{Code: fault.Unavailable, Op: strings.Join(args[:2], " "), Message: first, Err: err}
}

// startKahuna makes Kahuna if there is none, starts it, and writes what its clients need.
func (s *sandbox) startKahuna(ctx context.Context) error {
	step := s.show.Step("kahuna")
	if _, err := os.Stat(s.path("kahuna", "kahuna.yaml")); errors.Is(err, os.ErrNotExist) {
		if _, err := run(ctx, "kahuna", "init", "--dir", s.kahuna(), "--listen", s.decided.Listen, "--url", s.url(), "--mail", "file:"+s.path("mail")); err != nil {
			return step.Fail(err)
		}
	}
	key, err := os.ReadFile(s.path("kahuna", "secrets", "master-key"))
	if err != nil {
		return step.Fail(fault.Wrap(err, fault.Unavailable, "read the master key"))
	}
	cred := credentials{URL: s.url(), APIKey: strings.TrimSpace(string(key))}
	started, err := s.kahunaDaemon().await(ctx, kahunaWithin, func(ctx context.Context) error {
		// The local CA is made by the first start.
		api, err := newClient(cred, s.path("kahuna", "tls", localca.CertFile))
		if err != nil {
			return err
		}
		s.api = api
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return api.call(ctx, http.MethodGet, "/api/v2/whoami", nil, nil)
	})
	if err != nil {
		return step.Fail(err)
	}
	ca, err := os.ReadFile(s.path("kahuna", "tls", localca.CertFile))
	if err == nil {
		err = keep(s.ca(), ca, 0o644)
	}
	if err == nil {
		err = keepJSON(s.credentials(), cred)
	}
	if err != nil {
		return step.Fail(fault.Wrap(err, fault.Unavailable, "write the credentials"))
	}
	if started {
		step.Done("serves %s", s.url())
	} else {
		step.Skip("serves %s", s.url())
	}
	return nil
}

// startHost joins and starts the host's agent, real or simulated, and waits until Kahuna knows it.
func (s *sandbox) startHost(ctx context.Context) error {
	name := "kaktus"
	if s.decided.Simulate {
		name = "sim"
	}
	step := s.show.Step(name)
	host, err := s.hostDaemon(ctx)
	if err != nil {
		return step.Fail(err)
	}
	step.Say("a host first tries whether KVM works")
	started, err := host.await(ctx, hostWithin, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		st, err := s.kahunaStatus(ctx)
		if err != nil {
			return err
		}
		for _, a := range st.Agents {
			if a.ID == s.ids.agent && a.Online {
				return nil
			}
		}
		return fault.New(fault.Unavailable, "the agent is not connected")
	})
	switch {
	case err != nil:
		return step.Fail(err)
	case started:
		step.Done("connected")
	default:
		step.Skip("connected")
	}
	return nil
}

// kahunaStatus asks the server through its local socket.
func (p place) kahunaStatus(ctx context.Context) (kahuna.Status, error) {
	var st kahuna.Status
	out, err := run(ctx, "kahuna", "status", "--dir", p.kahuna(), "-o", "json")
	if err != nil {
		return st, err
	}
	return st, fault.Wrap(json.Unmarshal(out, &st), fault.Internal, "read Kahuna's status")
}

// hostDaemon is the agent, joined. The key is written down before it is used; without the file the next
// attempt gets a new key, which ends the old one.
func (s *sandbox) hostDaemon(ctx context.Context) (daemon, error) {
	issue := func() (string, error) {
		var issued struct {
			Key string `json:"key"`
		}
		err := s.api.call(ctx, http.MethodPatch, "/api/v2/agent/"+s.ids.agent+"/token", nil, &issued)
		if err == nil && issued.Key == "" {
			err = fault.New(fault.Internal, "Kahuna answered without a key")
		}
		return issued.Key, err
	}
	if s.decided.Simulate {
		_, err := kept(s.agentKey(), issue)
		return s.simDaemon(s.ids.agent), err
	}
	if _, err := os.Stat(s.path("kaktus", "kaktus.yaml")); err == nil {
		return s.kaktusDaemon(), nil
	}
	if _, err := kept(s.agentKey(), issue); err != nil {
		return daemon{}, err
	}
	if err := os.MkdirAll(s.pool(), 0o711); err != nil {
		return daemon{}, fault.Wrap(err, fault.Unavailable, "make the pool's directory")
	}
	_, err := run(ctx, "kaktus", "join", "--dir", s.kaktus(), "--url", s.url(), "--id", s.ids.agent, "--key-file", s.agentKey(), "--ca-file", s.ca(),
		"--libvirt-socket", s.socket(), "--firmware", "bios", // as its image needs it
		"--pools", poolName+".path="+s.pool(), "--import-dirs", s.images())
	return s.kaktusDaemon(), err
}
