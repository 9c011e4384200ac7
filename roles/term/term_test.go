package term

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs\n--- got\n%s--- want\n%s", name, got, want)
	}
}

// clock is a time that only moves when told to, with the timers that become due on the way.
type clock struct {
	at     time.Time
	timers []*timer
}

type timer struct {
	due time.Time
	f   func()
}

func (c *clock) now() time.Time { return c.at }

func (c *clock) after(d time.Duration, f func()) func() bool {
	t := &timer{c.at.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool { t.f = nil; return true }
}

func (c *clock) advance(d time.Duration) {
	end := c.at.Add(d)
	for i := 0; i < len(c.timers); i++ {
		if t := c.timers[i]; t.f != nil && !t.due.After(end) {
			c.at = t.due
			f := t.f
			t.f = nil
			f()
		}
	}
	c.at = end
}

// A pipeline's log tells what happened, when, and how long it took; a step longer than two seconds is
// announced while it runs and a short one is not.
func TestProgressWithoutTerminal(t *testing.T) {
	c := &clock{at: time.Date(2025, 3, 1, 12, 3, 2, 0, time.UTC)}
	var out bytes.Buffer
	p := newProgress(&out, c.now, c.after)

	s := p.Step("pool")
	c.advance(1200 * time.Millisecond)
	s.Done("created")
	s.Done("twice")

	s = p.Step("template")
	s.Update(8<<20, 32<<20)
	c.advance(13 * time.Second)
	s.Update(32<<20, 32<<20)
	s.Say("checking the sum")
	c.advance(10 * time.Second)
	s.Done("imported %s", Bytes(32<<20))

	s = p.Step("region")
	s.Skip("exists")
	s = p.Step("machine")
	err := s.Fail(fault.Wrap(fault.New(fault.Exhausted, "no host has 2 GiB left"), fault.Internal, "create machine"))
	if !fault.Is(err, fault.Exhausted) {
		t.Errorf("Fail returned %v", err)
	}
	p.Step("gateway")
	c.advance(500 * time.Millisecond)
	p.Close()
	p.Step("late").Done("must not appear")
	golden(t, "progress.txt", out.String())
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := Table{Head: []string{"check", "state", "detail"}}
	table.Add("kvm", "ok", "works")
	table.Add("libvirt socket", "fail", "none\nfound \x1b[2Jhere")
	table.Add("größe", "warn", "")
	if err := table.write(&out, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", out.String())

	out.Reset()
	_ = table.write(&out, true)
	if !strings.Contains(out.String(), "\x1b[32mok\x1b[0m     works") {
		t.Errorf("colours must not disturb the columns: %q", out.String())
	}
}

func TestMarkdown(t *testing.T) {
	source, err := os.ReadFile("testdata/markdown.md")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "markdown.txt", Markdown(string(source), 60, false))
	for line := range strings.Lines(Markdown(string(source), 60, true)) {
		if strings.Count(line, "\x1b[1m") != strings.Count(line, "\x1b[0m") {
			t.Errorf("a colour runs over the end of a line: %q", line)
		}
	}
}

func TestReport(t *testing.T) {
	plain := fault.Wrap(fault.Bad("cidr", "10.0.0.0/8 overlaps 10.1.0.0/16"), fault.Internal, "create subnet")
	cases := map[string]struct {
		err  error
		code int
		want string
	}{
		"field":       {plain, 1, "kowabunga: create subnet: cidr: 10.0.0.0/8 overlaps 10.1.0.0/16\n"},
		"usage":       {Usage(errors.New("unknown flag: --x")), 2, "kowabunga: unknown flag: --x\nnext step: kowabunga kahuna --help\n"},
		"hint":        {Hint(plain, "kowabunga list subnet"), 1, "kowabunga: create subnet: cidr: 10.0.0.0/8 overlaps 10.1.0.0/16\nnext step: kowabunga list subnet\n"},
		"unavailable": {fault.New(fault.Unavailable, "kahuna does not answer"), 1, "kowabunga: kahuna does not answer\nnext step: kowabunga doctor\n"},
		"hostile":     {errors.New("remote said \x1b]0;owned\x07"), 1, "kowabunga: remote said ]0;owned\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			Report(&out, "kowabunga kahuna", c.err)
			if out.String() != c.want {
				t.Errorf("printed %q, want %q", out.String(), c.want)
			}
			if got := ExitCode(c.err); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
		})
	}
	if ExitCode(nil) != 0 || Usage(nil) != nil || Hint(nil, "x") != nil {
		t.Error("no error must stay no error")
	}
}

func TestConfirm(t *testing.T) {
	for _, c := range []struct {
		typed string
		def   bool
		want  bool
		fails bool
	}{
		{"y\n", false, true, false}, {"no\n", true, false, false}, {"\n", true, true, false}, {"\n", false, false, false},
		{"what\nYES\n", false, true, false}, {"", true, false, true}, {"a\nb\nc\ny\n", false, false, true},
	} {
		got, err := confirm(strings.NewReader(c.typed), &bytes.Buffer{}, "Go on?", c.def)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q with default %v: %v, %v", c.typed, c.def, got, err)
		}
	}
	term := &Terminal{In: strings.NewReader("y\n"), Err: &bytes.Buffer{}}
	if ok, err := term.Confirm("Destroy it?", true, "--yes"); ok || err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a terminal nobody may agree: %v, %v", ok, err)
	}
	if _, err := term.Secret("password", "--password-file"); err == nil || !strings.Contains(err.Error(), "--password-file") {
		t.Errorf("a secret must not come through a pipe unasked: %v", err)
	}
}

func TestColored(t *testing.T) {
	var buffer bytes.Buffer
	if Colored("auto", &buffer) || Colored("never", &buffer) || !Colored("always", &buffer) {
		t.Error("a buffer has colours only when that was asked for")
	}
	cmd := &cobra.Command{}
	cmd.PersistentFlags().String(ColorFlag, "always", "")
	cmd.SetOut(&buffer)
	if !Of(cmd).Color {
		t.Error("--color=always is not obeyed")
	}
}

// An outcome that is no failure has an exit code and no words.
func TestStatus(t *testing.T) {
	var out bytes.Buffer
	Report(&out, "kowabunga diff", &Status{Code: 1})
	if out.Len() > 0 || ExitCode(&Status{Code: 1}) != 1 {
		t.Errorf("%q, %d", out.String(), ExitCode(&Status{Code: 1}))
	}
	failed := &Status{Code: 3, Err: Usage(errors.New("no such file"))}
	Report(&out, "kowabunga diff", failed)
	if out.String() != "kowabunga: no such file\nnext step: kowabunga diff --help\n" || ExitCode(failed) != 3 {
		t.Errorf("%q, %d", out.String(), ExitCode(failed))
	}
}

func TestOutputFlag(t *testing.T) {
	cmd := &cobra.Command{}
	o := OutputFlag(cmd)
	if err := cmd.ParseFlags([]string{"-o", "json"}); err != nil || !o.JSON() {
		t.Errorf("-o json: %v, %v", o, err)
	}
	if err := cmd.ParseFlags([]string{"-o", "xml"}); err == nil {
		t.Error("-o xml was accepted")
	}
	three := OutputFlag(&cobra.Command{}, "table", "yaml", "name")
	if err := three.Set("json"); err == nil || err.Error() != "must be table, yaml or name" || !three.Is("table") {
		t.Errorf("%v, %v", err, three)
	}
	var out bytes.Buffer
	_ = (&Terminal{Out: &out}).JSON(map[string]string{"a": "x<&>y"})
	if out.String() != "{\n  \"a\": \"x<&>y\"\n}\n" {
		t.Errorf("JSON is %q", out.String())
	}
}
