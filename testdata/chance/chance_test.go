package chance

import (
	"flag"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Twice the same is drawn, and the command line has its way.
func TestSettled(t *testing.T) {
	for _, c := range []struct {
		args         []string
		text         string
		seed, checks string
	}{
		{nil, "", "1", "100"},
		{nil, "3", "0", "300"},
		{[]string{"-rapid.seed=7"}, "", "7", "100"},
		{[]string{"-rapid.checks=5"}, "3", "0", "5"},
		{[]string{"-rapid.checks=5"}, "", "1", "5"},
	} {
		flags, seed, checks := flagsOfRapid()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := settle(flags, c.text); err != nil || *seed != c.seed || *checks != c.checks {
			t.Errorf("%v with %q: seed %s and %s checks, %v", c.args, c.text, *seed, *checks, err)
		}
	}
	for _, text := range []string{"0", "-1", "many"} {
		flags, seed, checks := flagsOfRapid()
		if err := settle(flags, text); err == nil || !strings.Contains(err.Error(), Variable) || *seed != "0" || *checks != "100" {
			t.Errorf("%q: seed %s and %s checks, %v", text, *seed, *checks, err)
		}
	}
}

func flagsOfRapid() (flags *flag.FlagSet, seed, checks *string) {
	flags = flag.NewFlagSet("", flag.ContinueOnError)
	return flags, flags.String("rapid.seed", "0", ""), flags.String("rapid.checks", "100", "")
}

// The flags are those that rapid goes by.
func TestTheSameIsDrawn(t *testing.T) {
	if err := settle(flag.CommandLine, ""); err != nil {
		t.Fatal(err)
	}
	draw := func() (out []int) {
		rapid.Check(t, func(t *rapid.T) { out = append(out, rapid.Int().Draw(t, "n")) })
		return out
	}
	if first, second := draw(), draw(); len(first) == 0 || !reflect.DeepEqual(first, second) {
		t.Errorf("%d and %d numbers were drawn, and others", len(first), len(second))
	}
}
