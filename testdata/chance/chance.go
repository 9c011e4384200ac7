// Package chance tries properties with drawn input: always the same one, so that a test that was green stays so until
// the code changes, or anew each time and more often, to look for what nobody thought of.
package chance

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Variable is the environment variable that asks for new input: how many times as much of it as usual, at least 1.
// Without it, and without -rapid.seed, the input is that of seed 1. A failure prints the seed that shows it again.
const Variable = "KOWABUNGA_CHANCE"

// usual is how many inputs rapid tries by itself (flag rapid.checks).
const usual = 100

// Check is rapid.Check with the input that Variable asks for.
func Check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	if err := settled(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, property)
}

var settled = sync.OnceValue(func() error { return settle(flag.CommandLine, os.Getenv(Variable)) })

// settle sets the flags of rapid, but for those that were given on the command line.
func settle(flags *flag.FlagSet, text string) error {
	name, value := "rapid.seed", "1"
	if text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%s is %q, and has to be a number from 1 to %d", Variable, text, math.MaxUint16)
		}
		name, value = "rapid.checks", strconv.FormatUint(usual*n, 10)
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return nil
	}
	return flags.Set(name, value)
}
