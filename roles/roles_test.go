package roles

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	assets "kowabunga/embed"
	"kowabunga/roles/term"
)

// waiting makes this test program run a command that waits for its context, for the signal tests.
const waiting = "ROLES_TEST_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(waiting) != "" {
		os.Exit(run(waitTree(), []string{"wait"}))
	}
	testscript.Main(m, map[string]func(){"kowabunga": func() {
		version, commit, date = "9.8.7", "abcdef", "2025-01-31T12:00:00Z"
		os.Exit(Main(os.Args[1:]))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":   status,
			"notusage": notUsage,
			"answers":  answers,
			"signal":   sendSignal,
			"agekey":   ageKey,
		},
	})
}

// status CODE COMMAND… runs a command and wants exactly this exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// answers DIR waits until the Kahuna of a directory answers on its socket.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		if c, err := net.Dial("unix", ts.MkAbs(filepath.Join(args[0], "kahuna.sock"))); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no server answers in %s", args[0])
		}
		<-time.After(10 * time.Millisecond)
	}
}

// sendSignal NAME JOB sends a signal to a background job.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	sig := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[args[0]]
	for _, job := range ts.BackgroundCmds() {
		ts.Check(job.Process.Signal(sig))
	}
}

// ageKey FILE writes a new age identity to a file and sets RECIPIENT to whom it opens things for.
func ageKey(ts *testscript.TestScript, neg bool, args []string) {
	key, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(key.String()+"\n"), 0o600))
	ts.Setenv("RECIPIENT", key.Recipient().String())
}

// notUsage runs a command whose verdict depends on the machine: it may succeed or fail, but must have
// understood its command line.
func notUsage(ts *testscript.TestScript, neg bool, args []string) {
	if got := exitCode(ts.Exec(args[0], args[1:]...)); got > term.ExitFailure {
		ts.Fatalf("exit code %d", got)
	}
}

func exitCode(err error) int {
	var e *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.ExitCode()
	}
	return -1
}

func waitTree() *cobra.Command {
	root := &cobra.Command{Use: "kowabunga"}
	root.AddCommand(&cobra.Command{Use: "wait", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Println("waiting")
		<-cmd.Context().Done()
		fmt.Println("stopping")
		if os.Getenv(waiting) == "stubborn" {
			select {} // as if the shutdown hung
		}
		return cmd.Context().Err()
	}})
	finish(root)
	return root
}

// The first signal lets a command end in order and the second ends it whatever it does.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   string
		signal syscall.Signal
		second bool
		says   string
	}{
		{"TERM", "polite", syscall.SIGTERM, false, `stopped by signal "terminated"`},
		{"INT", "polite", syscall.SIGINT, false, `stopped by signal "interrupt"`},
		{"twice", "stubborn", syscall.SIGTERM, true, "stopped at once by a second signal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), waiting+"="+c.mode)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stuck := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
			defer stuck.Stop()
			lines := bufio.NewScanner(out)
			for _, want := range []string{"waiting", "stopping"} {
				if !lines.Scan() || lines.Text() != want {
					t.Fatalf("printed %q, want %q", lines.Text(), want)
				}
				if want == "waiting" || c.second {
					_ = cmd.Process.Signal(c.signal)
				}
			}
			if code := exitCode(cmd.Wait()); code != term.ExitFailure {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(stderr.String(), c.says) || strings.Contains(stderr.String(), "context canceled") {
				t.Errorf("said %q, want %q", stderr.String(), c.says)
			}
		})
	}
}

var (
	docLink    = regexp.MustCompile(`\]\(([a-z0-9-]+)\.md\)`)
	docConsole = regexp.MustCompile("(?s)```console(?: host \\(not run\\))?\n(.*?)```")
	docCommand = regexp.MustCompile(`(?m)^\$ (?:.* -- )?kowabunga (.*)$`)
)

// The documentation holds together: titles, links between topics, and examples of commands and flags that
// exist, those included that testdata/docs cannot run.
func TestDocumentation(t *testing.T) {
	if len(topics()) < 9 {
		t.Errorf("topics are %v", topics())
	}
	for _, topic := range topics() {
		raw, err := fs.ReadFile(assets.Docs(), topic+".md")
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		if !strings.HasPrefix(text, "# ") {
			t.Errorf("%s has no title", topic)
		}
		for _, link := range docLink.FindAllStringSubmatch(text, -1) {
			if _, err := fs.Stat(assets.Docs(), link[1]+".md"); err != nil {
				t.Errorf("%s points to %s, which does not exist", topic, link[1])
			}
		}
		for _, block := range docConsole.FindAllStringSubmatch(text, -1) {
			for _, command := range docCommand.FindAllStringSubmatch(block[1], -1) {
				checkExample(t, topic, shellWords(command[1]))
			}
		}
		if shown := term.Markdown(text, 80, false); strings.Contains(shown, "**") || strings.Contains(shown, "](") {
			t.Errorf("%s is not rendered completely", topic)
		}
	}
}

// shellWords takes a command line apart as a shell does, up to what is the shell's own: pipes,
// redirections, further commands.
func shellWords(line string) []string {
	var out []string
	var word strings.Builder
	quote, begun, escaped := rune(0), false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, begun = r, true
		case quote == 0 && strings.ContainsRune("&|<>;", r):
			return out
		case quote == 0 && r == ' ':
			if begun || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
		}
	}
	if begun || word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}

func checkExample(t *testing.T, topic string, args []string) {
	t.Helper()
	root := Tree()
	cmd, rest, err := root.Find(args)
	if err != nil {
		t.Errorf("%s: %v: %v", topic, args, err)
		return
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v: %v", topic, args, err)
		return
	}
	if cmd.Flag("help").Changed {
		return
	}
	if words := cmd.Flags().Args(); len(words) > 0 && cmd.HasSubCommands() && !strings.Contains(cmd.Use, " ") {
		t.Errorf("%s: %v: %s has no command %q", topic, args, cmd.CommandPath(), words[0])
	} else if err := cmd.ValidateArgs(words); err != nil {
		t.Errorf("%s: %v: %v", topic, args, err)
	}
}
