package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"kowabunga/roles/term"
)

// call runs `sim` with arguments and returns what it prints and its exit code.
func call(args ...string) (string, int) {
	root := &cobra.Command{Use: "sim", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	var out, log bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&log)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	var s *term.Status
	if err != nil && !errors.As(err, &s) {
		return err.Error(), term.ExitCode(err)
	}
	return out.String(), term.ExitCode(err)
}

func TestARunThatBreaksARuleIsToldAndCanBeRepeated(t *testing.T) {
	out, code := call("run", "--seeds", "12", "--minutes", "2", "--flaw", "M18", "-o", "json")
	var told struct {
		Violations []struct {
			Seed   uint64
			Rule   string
			Detail string
			Replay string
		}
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told.Violations) == 0 || code != 1 {
		t.Fatalf("%v, exit code %d: %s", err, code, out)
	}
	v := told.Violations[0]
	again, code := call(strings.Fields(strings.TrimPrefix(v.Replay, "kowabunga sim "))...)
	if code != 1 || !strings.Contains(again, "BROKEN  "+v.Rule+": "+v.Detail) {
		t.Errorf("%s: exit code %d, without %q", v.Replay, code, v.Rule)
	}
	if out, code := call("run", "--seeds", "2", "--minutes", "1"); code != 0 || !strings.Contains(out, "2 runs of 1 minutes") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestAScenarioOfTheProgramIsShown(t *testing.T) {
	if out, code := call("scenario"); code != 0 || !strings.Contains(out, "a1 ") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := call("scenario", "a1"); code != 0 || !strings.Contains(out, "is killed") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := call("scenario", "a1", "--flaw", "M4"); code != 1 || !strings.Contains(out, "BROKEN") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, bad := range [][]string{{"scenario", "none"}, {"run", "--flaw", "M36"}, {"run", "--minutes", "0"}, {"run", "--seeds", "0"}} {
		if out, code := call(bad...); code == 0 || code == 1 && bad[0] == "run" {
			t.Errorf("%v: exit code %d: %s", bad, code, out)
		}
	}
}

func FuzzScenario(f *testing.F) {
	f.Add([]byte("about\ncatches M1\n-- script --\nwait 1s\n-- log --\n"))
	f.Add([]byte("agents 10\n-- script --\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseScenario("x", data)
		if err == nil && (s.Script == "" || s.Agents < 0 || s.Agents > 9) {
			t.Errorf("%+v", s)
		}
	})
}
