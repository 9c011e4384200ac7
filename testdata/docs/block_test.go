package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// block is one fenced block with commands.
type block struct {
	line  int    // of the fence, from 1
	kind  string // "", "fails" or "host"
	steps []step
}

// step is a command and what the documentation says it prints; nil for nothing said.
type step struct {
	line    int
	command string
	prints  []string
}

// blocks reads the fenced blocks of a topic. Commands may only stand in blocks that say what they are.
func blocks(text string) ([]block, error) {
	var out []block
	var open *block
	inside, fence := false, ""
	for i, line := range strings.Split(text, "\n") {
		info, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && inside:
			if open != nil {
				out = append(out, *open)
			}
			inside, open = false, nil
		case isFence:
			inside, fence = true, info
			words := strings.Fields(info)
			switch {
			case info == "":
			case info == "console", info == "console fails", info == "console host (not run)":
				open = &block{line: i + 1, kind: strings.Join(words[1:min(2, len(words))], "")}
			default:
				return nil, fmt.Errorf("line %d: a block of the kind %q is not known", i+1, info)
			}
		case inside && open == nil && strings.HasPrefix(line, "$ "):
			return nil, fmt.Errorf("line %d: a command in a block marked %q", i+1, fence)
		case inside && open != nil:
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				open.steps = append(open.steps, step{line: i + 1, command: command})
				continue
			}
			if len(open.steps) == 0 {
				return nil, fmt.Errorf("line %d: output before any command", i+1)
			}
			last := &open.steps[len(open.steps)-1]
			last.prints = append(last.prints, line)
		}
	}
	if inside {
		return nil, fmt.Errorf("the last block does not end")
	}
	return out, nil
}

var variable = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\bkw[a-z]_[A-Za-z0-9]+`), "KEY"},
	{regexp.MustCompile(`\b(?:cli-)?[0-9a-f]{12,}(?:-\d+)?\b`), "ID"},
	{regexp.MustCompile(`\b(amd64|arm64)\b`), "ARCH"},
	{regexp.MustCompile(`\d+(?:[.,]\d+)*`), "N"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// normal takes out of a line what differs from one run to the next.
func normal(line string) string {
	for _, v := range variable {
		line = v.form.ReplaceAllString(line, v.with)
	}
	return strings.TrimRight(line, " ")
}

var patience = regexp.MustCompile(`^N:N:N \+Ns `)

// same compares what was said with what was printed, line by line.
func same(want, got []string) bool {
	switch {
	case len(want) == 0 && len(got) == 0:
		return true
	case len(want) > 0 && strings.TrimSpace(want[0]) == "…":
		return same(want[1:], got) || len(got) > 0 && same(want, got[1:])
	case len(got) == 0:
		return false
	case len(want) > 0 && like(want[0], got[0]) && same(want[1:], got[1:]):
		return true
	}
	return patience.MatchString(normal(got[0])) && same(want, got[1:])
}

// like compares two lines; "…" in the wanted one stands for anything.
func like(want, got string) bool {
	parts := strings.Split(normal(want), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(normal(got))
}

// lines splits output, without empty lines at its end.
func lines(text string) []string {
	text = strings.TrimRight(text, "\n ")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func TestSame(t *testing.T) {
	for name, c := range map[string]struct {
		want, got string
		same      bool
	}{
		"numbers":            {"region eu 6b004e3b6b004e3b6b004e3b 10.1.2.3", "region  eu  6b004e3b6b004e3b6b004e00 10.9.9.99", true},
		"another word":       {"machine running", "machine stopped", false},
		"an id for a word":   {"machine demo", "machine 6b004e3b6b004e3b6b004e3b", false},
		"a line more":        {"one", "one\ntwo", false},
		"a line less":        {"one\ntwo", "one", false},
		"any lines":          {"one\n…\nfour", "one\ntwo\nthree\nfour", true},
		"any lines, no end":  {"one\n…\nfour", "one\ntwo\nthree", false},
		"inside a line":      {`{"a":…,"z":1}`, `{"a":[true],"b":2,"z":9}`, true},
		"not a pattern":      {"a.c (x)", "abc (x)", false},
		"impatient":          {"done", "10:00:00 +2.0s import 10 %\ndone", true},
		"progress that ends": {"10:00:00 +0.1s import done", "10:00:00 +0.1s import failed", false},
		"keys":               {"key kwa_aB3", "key kwa_zzzzzzz", true},
	} {
		if got := same(lines(c.want), lines(c.got)); got != c.same {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBlocks(t *testing.T) {
	got, err := blocks("# T\n\n```console\n$ a\nx\n$ b\n```\n\n```\nplain\n```\n\n```console host (not run)\n$ c\n```\n")
	want := fmt.Sprint([]block{{3, "", []step{{4, "a", []string{"x"}}, {6, "b", nil}}}, {13, "host", []step{{14, "c", nil}}}})
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("read %v, %v", got, err)
	}
	for _, wrong := range []string{"```\n$ a\n```", "```console\nx\n```", "```consol\n$ a\n```", "```console host\n$ a\n```", "```console\n$ a"} {
		if got, err := blocks(wrong); err == nil {
			t.Errorf("%q was read as %v", wrong, got)
		}
	}
}
