package kaktus

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
	"kowabunga/roles/kaktus/block"
	"kowabunga/roles/kaktus/bridge"
	"kowabunga/roles/kaktus/compute"
	"kowabunga/roles/kaktus/guard"
)

// kaktus is the parts of a running agent.
type kaktus struct {
	cfg     Config
	log     *slog.Logger
	accel   compute.Accel
	store   *block.Store
	bridges *bridge.Keeper
	host    *compute.Host
	agent   *agent.Agent
	guard   *guard.Keeper

	senders senders
	desired desired
	pools   poolReports
}

// Run is the agent, until ctx ends and what runs has ended. Machines are not touched by its end.
func Run(ctx context.Context, cfg Config) error {
	k, err := open(ctx, cfg)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start kaktus")
	}
	defer k.bridges.Close()
	// The parts outlive the agent: calls that drain still need them.
	parts, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	if cfg.Listen != "" {
		stop, err := k.listen()
		if err != nil {
			return err
		}
		defer stop()
	}
	running.Go(func() { k.host.Run(parts) })
	running.Go(func() { k.upkeep(parts) })
	running.Go(func() { k.reload(parts) })
	if cfg.OnReady != nil {
		cfg.OnReady()
	}
	return k.agent.Run(ctx)
}

// open makes the parts. The agent comes first, for it locks the directory against a second process.
func open(ctx context.Context, cfg Config) (*kaktus, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "make the agent's directory")
	}
	k := &kaktus{cfg: cfg, log: cfg.Log}
	var err error
	if k.accel, err = compute.Probe(ctx, cfg.Accel, cfg.Dir, cfg.Log); err != nil {
		return nil, err
	}
	k.agent, err = agent.New(agent.Config{
		URL: strings.Join(cfg.URLs, ","), ID: cfg.ID, Kind: agentproto.Kaktus, KeyFile: cfg.KeyFile, CAFile: cfg.CAFile,
		StateDir: filepath.Join(cfg.Dir, "agent"), Release: cfg.Release, Features: features(k.accel),
		Methods: k.methods(), Lanes: lanes, States: map[string]agent.Applier{agentproto.StateKaktus: k},
		Drain: cfg.Drain, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	return k, k.assemble()
}

func (k *kaktus) assemble() error {
	cfg := k.cfg
	rules, err := cfg.Import.rules()
	if err != nil {
		return err
	}
	k.store, err = block.New(block.Config{
		Pools: cfg.Pools, StateDir: cfg.Dir, Import: rules, Log: k.log,
		Grow: func(ctx context.Context, machine, path string, size int64, offline func() error) error {
			return k.host.GrowDisk(ctx, machine, path, size, offline)
		},
	})
	if err != nil {
		return err
	}
	if k.guard, err = guard.New(cfg.ID); err != nil {
		return err
	}
	doors, err := cfg.doors()
	if err != nil {
		return err
	}
	if k.host, err = compute.New(compute.Config{
		Socket: cfg.Socket, StateDir: cfg.Dir, ConsoleDir: cfg.console(), Accel: k.accel, Firmware: cfg.Firmware, Grace: cfg.Grace, Log: k.log, Doors: doors,
		Guard: func() { k.protect() },
		Disk:  k.store.Locate, Seed: k.store.LocateSeed,
		Report: func(st agentproto.MachineStatus) { k.agent.Event(agentproto.EventMachine, st.Machine, st) },
	}); err != nil {
		return err
	}
	k.bridges, err = bridge.New(bridge.Config{Owner: cfg.ID, Uplinks: cfg.Uplinks, Log: k.log})
	return err
}

func features(accel compute.Accel) []string {
	all := []string{agentproto.FeatureGuestAgent, agentproto.FeatureConsoleLogging}
	if accel.Kind == compute.AccelKVM {
		all = append(all, agentproto.FeatureKVM)
	}
	return all
}

// reload takes over what may change while the agent runs: log level, pools, import rules.
func (k *kaktus) reload(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.cfg.Reload:
		}
		if err := k.reread(); err != nil {
			k.log.Error("the configuration is wrong; the old one stays in force", "error", err)
			continue
		}
		k.log.Info("configuration read again")
	}
}

func (k *kaktus) reread() error {
	if k.cfg.Reread == nil {
		return errors.New("there is none to read")
	}
	fresh, err := k.cfg.Reread()
	if err == nil {
		err = fresh.check()
	}
	if err != nil {
		return err
	}
	rules, err := fresh.Import.rules()
	if err != nil {
		return err
	}
	if err := k.store.Reconfigure(fresh.Pools, rules); err != nil {
		return err
	}
	if k.cfg.Level != nil {
		k.cfg.Level.Set(fresh.LogLevel)
	}
	k.look()
	return nil
}
