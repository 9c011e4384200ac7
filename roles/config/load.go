package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"kowabunga/core/fault"
	"kowabunga/roles/term"
)

const loading = "read the configuration"

// Early is the value of one key before the file is known: flag, else environment, else default. It is
// meant for the directory or file name that says where the file lies.
func (s *Set) Early(cmd *cobra.Command, key string) string {
	k := s.byName[key]
	if f := lookup(cmd, k); f != nil && f.Changed {
		return f.Value.String()
	}
	if v := os.Getenv(s.variable(key)); v != "" {
		return v
	}
	return k.deflt
}

// Load fills the struct. file is the YAML file to read, "" for none; when it does not exist that is an
// error only if required. cmd carries the flags and may be nil where there are none. An empty environment
// variable counts as unset.
//
// Everything wrong is collected into one fault. It is a usage error (exit code 2) when a flag was wrong.
func (s *Set) Load(cmd *cobra.Command, file string, required bool) error {
	found, err := s.readFile(file, required)
	if err != nil {
		return err
	}
	problems := append(found.problems, s.strayVariables()...)
	merged := s.merge(cmd, found)
	for _, k := range s.keys {
		k.source = s.origin(cmd, k, found)
		raw := merged.GetString(k.name)
		if wrong := k.accept(raw, s.baseOf(k)); wrong != nil {
			problems = append(problems, problem{
				key:  k.name,
				text: fmt.Sprintf("%s%v (%s)", quoted(raw), wrong, describe(k.source)),
				flag: strings.HasPrefix(k.source, "flag "),
			})
		}
	}
	if len(problems) > 0 {
		return report(problems)
	}
	for _, check := range s.hooks {
		if err := check(); err != nil {
			return s.locate(err)
		}
	}
	return nil
}

// merge hands all sources to viper, which applies the precedence.
func (s *Set) merge(cmd *cobra.Command, found fileValues) *viper.Viper {
	merged := viper.New()
	_ = merged.MergeConfigMap(found.tree) // fails for no map of texts
	for _, k := range s.keys {
		merged.SetDefault(k.name, k.deflt)
		_ = merged.BindEnv(k.name, s.variable(k.name))
		if f := lookup(cmd, k); f != nil {
			_ = merged.BindFlagValue(k.name, flagValue{f})
		}
	}
	return merged
}

// origin tells which source viper took the value from.
func (s *Set) origin(cmd *cobra.Command, k *Key, found fileValues) string {
	if f := lookup(cmd, k); f != nil && f.Changed {
		return "flag --" + k.flag
	}
	if os.Getenv(s.variable(k.name)) != "" {
		return s.variable(k.name)
	}
	if line, ok := found.lines[k.name]; ok {
		return fmt.Sprintf("%s line %d", s.file, line)
	}
	return "default"
}

// baseOf is the folder that a relative path is taken from: that of the file when the file named it.
func (s *Set) baseOf(k *Key) string {
	if (k.kind == kindPath || k.kind == kindSecret) && s.file != "" && strings.HasPrefix(k.source, s.file+" line ") {
		return filepath.Dir(s.file)
	}
	return ""
}

// accept applies the rules of the key to a text and stores the value.
func (k *Key) accept(raw, base string) error {
	if raw == "" {
		if k.required {
			return fmt.Errorf("must be given")
		}
		if k.kind == kindBool || k.number != nil {
			return fmt.Errorf("must not be empty")
		}
	}
	if base != "" && raw != "" && raw != "-" && !filepath.IsAbs(raw) {
		raw = filepath.Join(base, raw)
	}
	if err := k.assign(raw); err != nil {
		return err
	}
	if k.bounded && (k.number() < k.min || k.number() > k.max) {
		return fmt.Errorf("must lie between %s and %s", k.unit(k.min), k.unit(k.max))
	}
	for _, check := range k.checks {
		if err := check(k.show()); err != nil {
			return err
		}
	}
	return nil
}

// strayVariables finds variables with the role's prefix that no key stands for.
func (s *Set) strayVariables() []problem {
	known := map[string]bool{}
	var names []string
	for _, k := range s.keys {
		known[s.variable(k.name)] = true
		names = append(names, s.variable(k.name))
	}
	for name := range s.passed {
		known[s.variable(name)] = true
	}
	var problems []problem
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, s.prefix()) && !known[name] {
			problems = append(problems, problem{text: fmt.Sprintf("unknown environment variable %s%s", name, didYouMean(name, names))})
		}
	}
	slices.SortFunc(problems, func(a, b problem) int { return strings.Compare(a.text, b.text) })
	return problems
}

// locate adds to the fault of a Validate hook where the value of its field came from.
func (s *Set) locate(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		if k := s.byName[f.Field]; k != nil {
			placed := *f
			placed.Message = fmt.Sprintf("%s (%s)", f.Public(), describe(k.source))
			err = &placed
		}
	}
	return fault.Wrap(err, fault.Invalid, loading)
}

// problem is one thing wrong with the configuration.
type problem struct {
	key, text string
	flag      bool // a flag was wrong
}

func report(problems []problem) error {
	f := &fault.Error{Code: fault.Invalid, Op: loading, Field: problems[0].key, Message: problems[0].text}
	usage := problems[0].flag
	if len(problems) > 1 {
		f.Field = ""
		var b strings.Builder
		fmt.Fprintf(&b, "%d things are wrong", len(problems))
		for _, p := range problems {
			b.WriteString("\n  ")
			if p.key != "" {
				b.WriteString(p.key + ": ")
			}
			b.WriteString(p.text)
			usage = usage || p.flag
		}
		f.Message = b.String()
	}
	if usage {
		return term.Usage(f)
	}
	return f
}

var credentials = regexp.MustCompile(`//[^/@\s]*@`)

// quoted shows a wrong value, without credentials that stood in a URL.
func quoted(raw string) string {
	if raw == "" {
		return ""
	}
	return fmt.Sprintf("%q ", credentials.ReplaceAllString(raw, "//…@"))
}

func describe(source string) string {
	switch {
	case source == "default":
		return "the default"
	case strings.HasPrefix(source, "KOWABUNGA_"):
		return "from the environment, " + source
	}
	return "from " + source
}

func lookup(cmd *cobra.Command, k *Key) *pflag.Flag {
	if cmd == nil {
		return nil
	}
	return cmd.Flags().Lookup(k.flag)
}
