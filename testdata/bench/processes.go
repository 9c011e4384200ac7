package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// readyMost is how long a start may take: of a store of a gigabyte, on a machine with other things to do.
const readyMost = 5 * time.Minute

// starts is how often Kahuna is started for the median of its starting time.
const starts = 5

// processes measures the executable, then a Kahuna and a Kaktus that have nothing to do but each other.
func processes(ctx context.Context, program string) ([]figure, error) {
	info, err := os.Stat(program)
	if err != nil {
		return nil, fmt.Errorf("%w; build it with: make build", err)
	}
	b, api, err := initialised(ctx, program, "--plain-http")
	if err != nil {
		return nil, err
	}
	defer b.end()

	figures := []figure{{name: "executable", value: float64(info.Size()) / 1e6, unit: "MB", bound: 45}}
	var took []float64
	var server *process
	for range starts {
		if server != nil {
			server.stop()
		}
		if server, err = b.start("kahuna", "serve", "--dir", b.kahuna()); err != nil {
			return nil, err
		}
		took = append(took, float64(server.ready.Microseconds())/1000)
	}
	slices.Sort(took)
	figures = append(figures, figure{name: fmt.Sprintf("kahuna: start until ready, median of %d", starts), value: took[len(took)/2], unit: "ms"})

	agent, err := b.join(api)
	if err != nil {
		return nil, err
	}
	fmt.Printf("\nidle for %s...\n", idleFor)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(idleFor):
	}
	for _, p := range []struct {
		name  string
		of    *process
		bound float64
	}{{"kahuna", server, 25}, {"kaktus", agent, 12}} {
		anonymous, shared, err := memory(p.of.cmd.Process.Pid)
		if err != nil {
			return nil, fmt.Errorf("memory of %s: %w", p.name, err)
		}
		figures = append(figures, figure{name: p.name + ": anonymous memory, idle", value: anonymous, unit: "MB", bound: p.bound},
			figure{name: p.name + ": proportional set size (PSS), idle", value: shared, unit: "MB"})
	}
	return figures, nil
}

// initialised is a bench with a Kahuna that was not started yet, in a directory of their own, and a client
// that has its master key. It listens with TLS unless more says --plain-http. end removes everything.
func initialised(ctx context.Context, program string, more ...string) (*bench, client, error) {
	dir, err := os.MkdirTemp("", "kowabunga-bench-")
	if err != nil {
		return nil, client{}, err
	}
	b := &bench{ctx: ctx, program: program, dir: dir}
	address, err := freeAddress()
	url := "https://" + address
	if slices.Contains(more, "--plain-http") {
		url = "http://" + address
	}
	if err == nil {
		err = b.run(append([]string{"kahuna", "init", "--dir", b.kahuna(), "--listen", address, "--url", url}, more...)...)
	}
	key := ""
	if err == nil {
		key, err = masterKey(b.kahuna())
	}
	if err != nil {
		b.end()
		return nil, client{}, err
	}
	return b, client{ctx, url, key}, nil
}

// kahuna is the directory of the Kahuna that is measured.
func (b *bench) kahuna() string { return filepath.Join(b.dir, "kahuna") }

type bench struct {
	ctx          context.Context
	program, dir string
	running      []*process
}

// process is a started server; ready is how long it took to say that it is (sd_notify(3)).
type process struct {
	cmd   *exec.Cmd
	ended chan error
	ready time.Duration
	log   *bytes.Buffer
}

func (b *bench) run(args ...string) error {
	if out, err := exec.CommandContext(b.ctx, b.program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kowabunga %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (b *bench) start(args ...string) (*process, error) {
	path := filepath.Join(b.dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	defer socket.Close()
	p := &process{cmd: exec.CommandContext(b.ctx, b.program, args...), ended: make(chan error, 1), log: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	p.cmd.Stderr = p.log
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	b.running = append(b.running, p)
	go func() {
		err := p.cmd.Wait()
		p.ended <- err
		socket.Close()
	}()
	if err := socket.SetReadDeadline(began.Add(readyMost)); err != nil {
		return nil, err
	}
	message := make([]byte, 4096)
	for {
		n, err := socket.Read(message)
		if err != nil {
			p.stop()
			return nil, fmt.Errorf("kowabunga %s did not become ready: %w\n%s", strings.Join(args, " "), err, p.log)
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			p.ready = time.Since(began)
			return p, nil
		}
	}
}

// background starts the program as a process that has no way to say that it is ready.
func (b *bench) background(args ...string) error { return b.spawn(b.program, args...) }

// spawn starts any program.
func (b *bench) spawn(name string, args ...string) error {
	p := &process{cmd: exec.CommandContext(b.ctx, name, args...), ended: make(chan error, 1), log: new(bytes.Buffer)}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	b.running = append(b.running, p)
	go func() { p.ended <- p.cmd.Wait() }()
	return nil
}

// over tells whether the process has ended.
func (p *process) over() bool {
	select {
	case err := <-p.ended:
		p.ended <- err
		return true
	default:
		return false
	}
}

// kill ends the process without giving it a chance to say goodbye.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.ended <- <-p.ended
}

// stop ends the process and waits for it; a second call does nothing.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		p.ended <- <-p.ended
	}
}

func (b *bench) end() {
	for _, p := range slices.Backward(b.running) {
		p.stop()
	}
	_ = os.RemoveAll(b.dir)
}

// join declares an agent, makes this machine one in a directory of its own, and waits until it is
// connected.
func (b *bench) join(api client) (*process, error) {
	var agent struct{ ID, Key string }
	if err := api.do("POST", "/api/v1/agent", `{"name":"bench","type":"Kaktus"}`, &agent); err != nil {
		return nil, err
	}
	if err := api.do("PATCH", "/api/v2/agent/"+agent.ID+"/token", "", &agent); err != nil {
		return nil, err
	}
	secret, dir := filepath.Join(b.dir, "key"), filepath.Join(b.dir, "kaktus")
	if err := os.WriteFile(secret, []byte(agent.Key), 0o600); err != nil {
		return nil, err
	}
	// Emulation: trying a guest on KVM would measure QEMU.
	if err := b.run("kaktus", "join", "--dir", dir, "--url", api.url, "--id", agent.ID, "--key-file", secret, "--accel", "tcg"); err != nil {
		return nil, err
	}
	p, err := b.start("kaktus", "serve", "--dir", dir)
	if err != nil {
		return nil, err
	}
	if _, err := api.await(1, 30*time.Second); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.log)
	}
	return p, nil
}

// needs tells what to install for a tool that is missing.
func needs(tool, pkg string) error {
	if _, err := exec.LookPath(tool); err != nil {
		return fmt.Errorf("%w; install it with: apt-get install %s", err, pkg)
	}
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
