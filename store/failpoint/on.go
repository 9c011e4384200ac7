//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"kowabunga/core/fault"
)

// Enabled tells whether this executable was built with the tag "failpoint".
const Enabled = true

// Point is a place where a test may make the process fail.
type Point struct{ name string }

var (
	mu     sync.Mutex
	names  = map[string]bool{}
	passed = map[string]int{}
	plan   = mustParse(os.Getenv("KOWABUNGA_FAILPOINT"))
	log    = mustOpen(os.Getenv("KOWABUNGA_FAILPOINT_LOG"))
)

// Register makes a point and remembers its name. Call it from package variables only.
func Register(name string) Point {
	mu.Lock()
	defer mu.Unlock()
	names[name] = true
	return Point{name}
}

// Names lists the registered points in order. Points reached only through the function Hit are not
// known before they are passed.
func Names() []string {
	mu.Lock()
	defer mu.Unlock()
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Hit passes through the point and does what the environment asks for. The error is a fault of code
// Internal.
func (p Point) Hit() error { return Hit(p.name) }

// Hit passes through the point of this name.
func Hit(name string) error {
	mu.Lock()
	passed[name]++
	n := passed[name]
	i := slices.IndexFunc(plan, func(r rule) bool { return r.name == name && r.nth == n })
	var wake chan os.Signal
	if i >= 0 && plan[i].action == "pause" {
		// Before the log tells about it: who reads the log may send the signal at once.
		wake = make(chan os.Signal, 1)
		signal.Notify(wake, syscall.SIGCONT)
		defer signal.Stop(wake)
	}
	if log != nil {
		// One write with O_APPEND: lines of several processes do not mix, and a SIGKILL right after
		// loses nothing.
		_, _ = log.WriteString(name + "\n")
	}
	mu.Unlock()
	if i < 0 {
		return nil
	}
	switch plan[i].action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal ends all threads before this could return
	case "exit":
		os.Exit(3)
	case "panic":
		panic("failpoint " + name)
	case "pause":
		<-wake
		return nil
	}
	return fault.New(fault.Internal, "failpoint %s", name)
}

func mustParse(text string) []rule {
	rules, err := parse(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "KOWABUNGA_FAILPOINT:", err)
		os.Exit(2)
	}
	return rules
}

func mustOpen(path string) *os.File {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "KOWABUNGA_FAILPOINT_LOG:", err)
		os.Exit(2)
	}
	return f
}
