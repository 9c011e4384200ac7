package doctor

import (
	"context"
	"time"
)

// State is the verdict of a check.
type State string

// The verdicts.
const (
	OK   State = "ok"
	Warn State = "warn" // works, with a limit
	Fail State = "fail" // some role will not work
)

// Result is what a check found.
type Result struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Found  string `json:"found"`            // one line: the facts
	Advice string `json:"advice,omitempty"` // what to do; empty when all is well
}

// Check is one question about this machine. Run must not change anything.
type Check struct {
	Name string
	Run  func(context.Context) Result
}

// limit bounds one check; the slowest is an HTTP request to a local socket.
const limit = 5 * time.Second

// Checks are the questions about this machine and, when dir is not empty, about that data directory.
func Checks(dir string) []Check {
	checks := []Check{
		{"architecture", architecture},
		{"kvm", kvm},
		{"qemu", qemu},
		{"libvirt", libvirt},
		{"bridges", bridges},
		{"filter", filter},
		{"memory", memory},
		{"disk", func(ctx context.Context) Result { return disk(ctx, dir) }},
		{"clock", clock},
		{"open files", openFiles},
	}
	if dir != "" {
		checks = append(checks,
			Check{"directory", func(ctx context.Context) Result { return directory(ctx, dir) }},
			Check{"secrets", func(ctx context.Context) Result { return secrets(ctx, dir) }},
			Check{"kahuna", func(ctx context.Context) Result { return running(ctx, dir) }},
		)
	}
	return checks
}

// Examine runs the checks in order.
func Examine(ctx context.Context, checks []Check) []Result {
	results := make([]Result, 0, len(checks))
	for _, c := range checks {
		one, cancel := context.WithTimeout(ctx, limit)
		r := c.Run(one)
		cancel()
		r.Name = c.Name
		results = append(results, r)
	}
	return results
}

func ok(found string) Result           { return Result{State: OK, Found: found} }
func warn(found, advice string) Result { return Result{State: Warn, Found: found, Advice: advice} }
func fail(found, advice string) Result { return Result{State: Fail, Found: found, Advice: advice} }
