package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/sandbox/guest"
	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/roles/term"
)

// Config is what a sandbox is told.
type Config struct {
	Dir      string // absolute; everything lives there
	Simulate bool   // simulated hosts: neither root nor packages
	Listen   string // of Kahuna; a free port of 127.0.0.1 when empty
	Image    string // URL or file of the machines' image; built here when empty
	Yes      bool   // agree beforehand to what would be asked
}

// Summary is what a person needs once a sandbox is up.
type Summary struct {
	Dir, URL, Credentials, CA string
	Machine, Address          string // name and address of the machine that was made
	Simulated                 bool
	Took                      time.Duration
}

// sandbox is one at work.
type sandbox struct {
	place
	cfg     Config
	decided decided
	term    *term.Terminal
	show    *term.Progress
	api     *client

	ids struct{ region, zone, vnet, agent, pool, template, project string }
}

// Up makes the sandbox, or what is missing of it, and starts what does not run.
func Up(ctx context.Context, cfg Config, t *term.Terminal) (Summary, error) {
	s := &sandbox{place: place{cfg.Dir}, cfg: cfg, term: t}
	if err := s.check(); err != nil {
		return Summary{}, err
	}
	var missing []string
	simulate, err := s.simulates()
	if err != nil {
		return Summary{}, err
	}
	if !simulate {
		if missing, err = missingPackages(ctx, Packages(cfg.Image != "")); err != nil {
			return Summary{}, err
		}
		if len(missing) > 0 {
			// Asked before any bar is drawn and before anything is made.
			if err := askPackages(t, missing, cfg.Yes); err != nil {
				return Summary{}, err
			}
		}
	}
	if err := s.claim(); err != nil {
		return Summary{}, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Summary{}, err
	}
	defer unlock()
	s.show = term.NewProgress(t.Err)
	defer s.show.Close()
	if len(missing) > 0 {
		step := s.show.Step("packages")
		if err := installPackages(ctx, missing, step.Say); err != nil {
			return Summary{}, term.Hint(step.Fail(err), installCommand(missing))
		}
		step.Done("installed %s", strings.Join(missing, " "))
	}
	if err := s.decide(); err != nil {
		return Summary{}, err
	}
	return s.up(ctx)
}

// simulates tells whether the sandbox is, or is going to be, a simulated one.
func (s *sandbox) simulates() (bool, error) {
	d, exists, err := s.recall()
	if err != nil || !exists {
		return s.cfg.Simulate, err
	}
	return d.Simulate, nil
}

// check refuses what cannot work before anything is touched.
func (s *sandbox) check() error {
	dir := s.cfg.Dir
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || strings.ContainsAny(dir, ",\"\\\n") {
		return fault.Bad("dir", "%q has to be a clean absolute path without commas and quotes", dir)
	}
	d, exists, err := s.recall()
	switch {
	case err != nil:
		return err
	case exists && s.cfg.Simulate && !d.Simulate:
		return fault.New(fault.Conflict, "the sandbox in %s is one of real machines; name another directory for a simulated one", dir)
	case exists && s.cfg.Listen != "" && s.cfg.Listen != d.Listen:
		return fault.New(fault.Conflict, "the sandbox in %s listens on %s, which its agents know; another address needs another sandbox", dir, d.Listen)
	}
	if simulate := exists && d.Simulate || !exists && s.cfg.Simulate; !simulate && os.Geteuid() != 0 {
		return term.Hint(fault.New(fault.Denied, "virtual machines and bridges need root"), "sudo kowabunga sandbox up", "kowabunga sandbox up --simulate   (needs neither root nor packages)")
	}
	return nil
}

// decide reads what the first Up decided, or decides it and writes it down.
func (s *sandbox) decide() error {
	d, exists, err := s.recall()
	if err != nil || exists {
		s.decided = d
		return err
	}
	d = decided{Simulate: s.cfg.Simulate, Listen: s.cfg.Listen}
	if d.Listen == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "find a free port")
		}
		d.Listen = l.Addr().String()
		if err := l.Close(); err != nil {
			return fault.Wrap(err, fault.Unavailable, "find a free port")
		}
	}
	bridge, network := networkOf(s.number())
	if !d.Simulate {
		if socket, ok := hypervisor.SystemSocket(); ok {
			d.Libvirt = socket
		}
		if bridge, network, err = chooseNetwork(s.number()); err != nil {
			return err
		}
	}
	d.Bridge, d.Network = bridge, network.String()
	s.decided = d
	return fault.Wrap(keepJSON(s.mark(), d), fault.Unavailable, "write the sandbox down")
}

func (s *sandbox) up(ctx context.Context) (Summary, error) {
	sum := Summary{Dir: s.dir, URL: s.url(), Credentials: s.credentials(), CA: s.ca(), Simulated: s.decided.Simulate, Machine: demo}
	before := s.consoles()
	source := simulatedSource
	// Three things need nothing of each other.
	err := together(
		func() (err error) {
			if !s.decided.Simulate {
				source, err = s.source(ctx)
			}
			return err
		},
		func() error { return s.startLibvirt(ctx) },
		func() error {
			if err := s.startKahuna(ctx); err != nil {
				return err
			}
			return s.declareHost(ctx)
		},
	)
	if err != nil {
		return sum, err
	}
	if err := s.startHost(ctx); err != nil {
		return sum, err
	}
	subnets, err := s.declareNetwork(ctx)
	if err != nil {
		return sum, err
	}
	if err := s.declareStorage(ctx, source); err != nil {
		return sum, err
	}
	if err := s.takeAddresses(ctx, subnets); err != nil {
		return sum, err
	}
	if err := s.declareProject(ctx); err != nil {
		return sum, err
	}
	if sum.Address, err = s.makeMachine(ctx); err != nil {
		return sum, err
	}
	if err := s.wake(ctx); err != nil {
		return sum, err
	}
	if err := s.awaitLogin(ctx, before); err != nil {
		return sum, err
	}
	sum.Took = s.show.Elapsed()
	return sum, nil
}

// together runs functions side by side and joins their errors, each once.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, f := range all {
		wait.Go(func() { errs[i] = f() })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Cancelled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// source is the URL to import the machines' image from: the one built here, a file copied below the
// directory that Kaktus may import from, or what was given.
func (s *sandbox) source(ctx context.Context) (string, error) {
	step := s.show.Step("image")
	if strings.HasPrefix(s.cfg.Image, "http://") || strings.HasPrefix(s.cfg.Image, "https://") {
		step.Skip("%s", s.cfg.Image)
		return s.cfg.Image, nil
	}
	if s.cfg.Image != "" {
		path, err := s.adopt(s.cfg.Image)
		if err != nil {
			return "", step.Fail(err)
		}
		step.Done("copied %s", s.cfg.Image)
		return "file://" + path, nil
	}
	built := false
	image, err := guest.Recipe{Dir: s.images(), Progress: func(what string, done, total int64) {
		built = true
		step.Say("%s", what)
		if what == "download" {
			step.Update(done, total)
		}
	}}.Build(ctx)
	if err != nil {
		return "", step.Fail(err)
	}
	if built {
		step.Done("built, kernel %s, %s", image.Kernel, term.Bytes(image.Size))
	} else {
		step.Skip("built before, kernel %s, %s", image.Kernel, term.Bytes(image.Size))
	}
	return "file://" + image.Path + "#sha256=" + image.SHA256, nil
}

func (s *sandbox) startLibvirt(ctx context.Context) error {
	if s.decided.Simulate {
		return nil
	}
	step := s.show.Step("libvirt")
	if s.decided.Libvirt != "" {
		step.Skip("the system's, %s", s.decided.Libvirt)
		return nil
	}
	daemon := hypervisor.Daemon{Dir: s.libvirt()}
	was := daemon.Status().Running
	step.Say("a first start asks QEMU for all it can do")
	if err := daemon.Up(ctx); err != nil {
		return step.Fail(err)
	}
	if now := daemon.Status(); was {
		step.Skip("runs, version %s", now.Version)
	} else {
		step.Done("a private one started, version %s", now.Version)
	}
	return nil
}

// socket is where the libvirt listens that this sandbox uses.
func (s *sandbox) socket() string {
	if s.decided.Libvirt != "" {
		return s.decided.Libvirt
	}
	return hypervisor.Daemon{Dir: s.libvirt()}.Socket()
}

func (s *sandbox) takeAddresses(ctx context.Context, subnets []lan) error {
	if s.decided.Simulate {
		return nil
	}
	step := s.show.Step("gateways")
	added, err := takeGateways(ctx, s.decided.Bridge, subnets)
	if err != nil {
		return step.Fail(err)
	}
	text := fmt.Sprintf("this machine is the router of %s on bridge %s", s.decided.Network, s.decided.Bridge)
	if added == 0 {
		step.Skip("%s", text)
	} else {
		step.Done("%s", text)
	}
	return nil
}

// url is how clients and agents of this machine reach Kahuna.
func (s *sandbox) url() string {
	host, port, err := net.SplitHostPort(s.decided.Listen)
	if err != nil {
		return "https://" + s.decided.Listen
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}
