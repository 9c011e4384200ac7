package cli_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kowabunga/roles/term"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kowabunga": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		root := tree()
		root.SetArgs(os.Args[1:])
		cmd, err := root.ExecuteContextC(ctx)
		term.Report(os.Stderr, cmd.CommandPath(), err)
		os.Exit(term.ExitCode(err))
	}})
}

// Whole tours of the commands, each against a Kahuna of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			// Sockets have short names (unix(7): 108 bytes), work directories of scripts may not.
			dir, err := os.MkdirTemp("", "kw")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(dir) })
			w := newWorld(env.T().(testing.TB), dir)
			env.Values["world"] = w
			env.Setenv("KAHUNA", dir)
			env.Setenv("KOWABUNGA_CREDENTIALS", filepath.Join(dir, "credentials.json"))
			env.Setenv("URL", w.url)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				var e *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &e) {
					got = e.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("exit code %d, want %d", got, want)
				}
			},
			"writes":   countWrites,
			"topology": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Value("world").(*world).topology() },
			"report":   func(ts *testscript.TestScript, _ bool, args []string) { ts.Value("world").(*world).report(args[0]) },
		},
	})
}

// countWrites begins to count requests that change something; with a number, that many have to have come
// since then.
func countWrites(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value("world").(*world)
	if len(args) == 0 {
		w.writes.Store(0)
		return
	}
	if got := strconv.FormatInt(w.writes.Load(), 10); got != args[0] {
		ts.Fatalf("%s requests changed something, want %s", got, args[0])
	}
}
