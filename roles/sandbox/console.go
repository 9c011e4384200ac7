package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/sim"
)

// loginWithin is how long a machine may take to ask for a login. Emulated on two busy cores the small
// guest takes some ten seconds.
const loginWithin = 3 * time.Minute

// prompt is what a machine that is up says on its serial console.
var prompt = []byte("login:")

// consoles are where each machine's console log ends now. What a machine that does not run wrote before
// is no sign that it is up; that of one that runs is.
func (s *sandbox) consoles() map[string]int64 {
	ends := map[string]int64{}
	machines, err := s.machines()
	if err != nil {
		return ends
	}
	for _, m := range machines {
		if info, err := os.Stat(s.console(m)); err == nil && !m.alive() {
			ends[m.ID] = info.Size()
		}
	}
	return ends
}

// awaitLogin waits until the machine asks for a login. before is where its console log ended before it
// was started.
func (s *sandbox) awaitLogin(ctx context.Context, before map[string]int64) error {
	step := s.show.Step("login")
	if s.decided.Simulate {
		step.Skip("simulated machines have no login")
		return nil
	}
	m, err := s.machine(demo)
	if err != nil {
		return step.Fail(err)
	}
	state, err := s.settled(ctx, m)
	if err != nil {
		return step.Fail(err)
	}
	if state != "Running" {
		step.Skip("%s is %s; start it with: kowabunga kompute start %s", demo, strings.ToLower(state), demo)
		return nil
	}
	step.Say("the machine boots")
	waiting, cancel := context.WithTimeout(ctx, loginWithin)
	defer cancel()
	var tail []byte
	err = follow(waiting, s.console(m), before[m.ID], func(piece []byte) bool {
		tail = append(tail, piece...)
		found := bytes.Contains(tail, prompt)
		tail = tail[max(0, len(tail)-len(prompt)):]
		return !found
	})
	switch {
	case err == nil:
		step.Done("%s asks for a login", demo)
		return nil
	case ctx.Err() == nil && s.cfg.Image != "":
		step.Skip("%s has not asked for a login on its serial console; images that do not use one never do", demo)
		return nil
	case ctx.Err() == nil:
		err = fault.New(fault.Unavailable, "%s did not ask for a login within %v; see: kowabunga sandbox console %s --dir %s", demo, loginWithin, demo, s.dir)
	}
	return step.Fail(err)
}

// settleFor is how long a machine that should run may take to do so once somebody starts it. On its way
// it is off, then paused.
const settleFor = 30 * time.Second

// settled is what a machine does: of one that should run, what it does in the end.
func (s *sandbox) settled(ctx context.Context, m guestMachine) (string, error) {
	for deadline := time.Now().Add(settleFor); ; {
		state, err := s.state(ctx, demo)
		if err != nil || state == "Running" || !m.Run || time.Now().After(deadline) {
			return state, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return state, err
		}
	}
}

// lookEvery is how often a console log is looked at; QEMU appends to it without telling anybody.
const lookEvery = 50 * time.Millisecond

// follow hands on what a file holds from an offset on and what is appended later, until hear says no
// more or ctx ends. A file that is not there yet, or was begun anew, is read from its beginning.
func follow(ctx context.Context, path string, offset int64, hear func([]byte) bool) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := readAt(path, &offset, buffer)
		if err != nil {
			return err
		}
		if n > 0 {
			if !hear(buffer[:n]) {
				return nil
			}
			continue
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

func readAt(path string, offset *int64, buffer []byte) (int, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.Wrap(err, fault.Unavailable, "read the console")
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < *offset {
		*offset = 0
	}
	n, err := f.ReadAt(buffer, *offset)
	*offset += int64(n)
	if err != nil && err != io.EOF {
		return n, fault.Wrap(err, fault.Unavailable, "read the console")
	}
	return n, nil
}

// machine finds a machine by its name.
func (p place) machine(name string) (guestMachine, error) {
	machines, err := p.machines()
	if err != nil {
		return guestMachine{}, err
	}
	var names []string
	for _, m := range machines {
		if m.Name == name || m.ID == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	if names == nil {
		return guestMachine{}, fault.New(fault.NotFound, "this sandbox has no machine %q, nor any other", name)
	}
	return guestMachine{}, fault.New(fault.NotFound, "this sandbox has no machine %q; it has %s", name, strings.Join(names, ", "))
}

// consoleShown is how much of what a console said before is shown, in bytes.
const consoleShown = 16 << 10

// Console writes what a machine says on its serial console: the last of what it said, then, with
// following, what it says until ctx ends.
func Console(ctx context.Context, dir, name string, following bool, out io.Writer) error {
	p := place{dir}
	d, exists, err := p.recall()
	if err != nil {
		return err
	}
	if !exists {
		return noSandbox(dir)
	}
	if d.Simulate {
		return p.simulatedConsole(name, out)
	}
	m, err := p.machine(name)
	if err != nil {
		return err
	}
	path := p.console(m)
	var offset int64
	if info, err := os.Stat(path); err == nil {
		offset = max(0, info.Size()-consoleShown)
	}
	if !following {
		buffer := make([]byte, consoleShown)
		n, err := readAt(path, &offset, buffer)
		if err == nil {
			_, err = out.Write(printable(buffer[:n]))
		}
		return err
	}
	var failed error
	err = follow(ctx, path, offset, func(piece []byte) bool {
		_, failed = out.Write(printable(piece))
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if fault.Is(err, fault.Cancelled) {
		return nil // the person has seen enough
	}
	return err
}

// simulatedConsole writes what a simulated machine has said; it will not say more.
func (p place) simulatedConsole(name string, out io.Writer) error {
	said, err := sim.Consoles(p.simulated())
	if err != nil {
		return err
	}
	text, ok := said[name]
	if !ok {
		return fault.New(fault.NotFound, "this sandbox has no machine %q that ever ran", name)
	}
	_, err = out.Write(append(printable(text), '\n'))
	return err
}

// printable drops what a guest could use to rewrite the reader's screen: escape sequences and all
// control characters but tabs and line ends.
func printable(text []byte) []byte {
	text = escapes.ReplaceAll(slices.Clone(text), nil)
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return -1
	}, text)
}

func noSandbox(dir string) error {
	return fault.New(fault.NotFound, "there is no sandbox in %s; make one with: kowabunga sandbox up --dir %s", dir, dir)
}
