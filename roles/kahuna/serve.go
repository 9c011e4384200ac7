package kahuna

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"log/slog"
)

func serveCommand() *cobra.Command {
	var c Config
	s := c.set()
	printed := false
	cmd := &cobra.Command{Use: "serve", Short: "Run the control plane", Args: cobra.NoArgs,
		Long: `Serves the API and the agents until SIGTERM. A directory that holds no Kahuna yet is initialised first, so
this one command is enough on a new machine. SIGHUP reads log level, bootstrap account, rights and
certificates anew.`,
		Example: "  kowabunga kahuna serve\n  kowabunga kahuna serve --dir ./try --listen 127.0.0.1:8080 --plain-http",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Dir = s.Early(cmd, "dir")
			if !initialised(&c) {
				if err := s.Load(cmd, "", false); err != nil {
					return err
				}
				if err := initialise(cmd.Context(), &c, s, given(cmd, s)); err != nil {
					return err
				}
			}
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			if printed {
				return s.Print(cmd.OutOrStdout())
			}
			return Run(cmd.Context(), c, func() (Config, error) {
				var next Config
				err := load(cmd, &next, next.set(), true)
				return next, err
			})
		}}
	s.Bind(cmd)
	cmd.Flags().BoolVar(&printed, "print-config", false, "print the effective configuration and where each value is from, and exit")
	return cmd
}

// Run serves until ctx ends. reload, which may be nil, reads the configuration anew on SIGHUP.
func Run(ctx context.Context, cfg Config, reload func() (Config, error)) error {
	level := new(slog.LevelVar)
	log := cfg.Log.Logger(os.Stderr, level)
	s, err := open(cfg, log, level)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	done := make(chan struct{})
	defer close(done)
	go s.attend(hup, done, reload)
	threads()
	return s.Run(ctx, func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("service manager not told", "state", state, "error", err)
		}
	})
}

// attend reloads on SIGHUP and, where a service manager asks for it, says twice per interval that the
// server still works, which is when its store takes a commit's place in the queue.
func (s *Server) attend(hup <-chan os.Signal, done <-chan struct{}, reload func() (Config, error)) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		interval = 0
	}
	beat := make(<-chan time.Time)
	if interval > 0 {
		t := time.NewTicker(interval / 2)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case <-done:
			return
		case <-beat:
			if s.store.Err() == nil {
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
			}
		case <-hup:
			s.reload(reload)
		}
	}
}

func (s *Server) reload(read func() (Config, error)) {
	if read == nil {
		return
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReloading)
	defer func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyReady) }()
	next, err := read()
	if err == nil && s.tls != nil {
		err = s.tls.reload()
	}
	if err != nil {
		s.log.Error("configuration not reloaded, the old one stays", "error", err)
		return
	}
	s.apply(next)
	s.log.Info("configuration reloaded", "log-level", next.Log.Level)
	rest := next
	rest.Log, rest.Bootstrap, rest.Access, rest.StopGrace = s.cfg.Log, s.cfg.Bootstrap, s.cfg.Access, s.cfg.StopGrace
	if !reflect.DeepEqual(rest, s.cfg) {
		s.log.Warn("only log level, bootstrap account, rights, stop-grace and the content of certificates change while the server runs; the rest of the new configuration takes effect at the next start")
	}
}
