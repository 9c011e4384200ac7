package config

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Set is the table of one role's configuration keys and, after Load, where each value came from.
// It belongs to one command and is not safe for concurrent use.
type Set struct {
	role   string
	keys   []*Key
	byName map[string]*Key
	hooks  []func() error
	passed map[string]bool // keys of other commands of the role: accepted, not used
	file   string          // the file that was read, empty when there was none
}

// New starts the table of a role, for example "kahuna"; its environment variables start with
// KOWABUNGA_KAHUNA_.
func New(role string) *Set {
	return &Set{role: role, byName: map[string]*Key{}, passed: map[string]bool{}}
}

// Accept names keys which other commands of the same role understand. They may stand in the shared file
// and environment; this command does not look at them.
func (s *Set) Accept(keys ...string) {
	for _, k := range keys {
		s.passed[k] = true
	}
}

// Validate adds a check that runs after all values are set and valid on their own, for rules that
// concern several of them. Return a fault.Bad with the key as its field.
func (s *Set) Validate(check func() error) { s.hooks = append(s.hooks, check) }

// Bind gives the command one flag for each key. Call it once, after the last key was declared. To read
// the configuration again later (SIGHUP), fill a second Set over a second struct and Load it with the
// same command, without Bind: it finds the flags of the first.
func (s *Set) Bind(cmd *cobra.Command) {
	for _, k := range s.keys {
		flag := cmd.Flags().VarPF(k, k.flag, k.short, k.help)
		flag.Hidden = k.hidden
		if k.kind == kindBool {
			flag.NoOptDefVal = "true"
		}
		if len(k.choices) > 0 {
			_ = cmd.RegisterFlagCompletionFunc(k.flag, cobra.FixedCompletions(k.choices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// prefix starts every environment variable of the role.
func (s *Set) prefix() string { return "KOWABUNGA_" + envName(s.role) + "_" }

// variable is the environment variable of a key.
func (s *Set) variable(key string) string { return s.prefix() + envName(key) }

func (s *Set) add(k *Key) *Key {
	if s.byName[k.name] != nil {
		panic("config: key " + k.name + " of " + s.role + " is declared twice")
	}
	k.flag = flagName(k.name)
	s.keys = append(s.keys, k)
	s.byName[k.name] = k
	return k
}

// envName turns a key into its part of a variable: "access.projectAdmins" -> "ACCESS_PROJECTADMINS".
func envName(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// flagName turns a key into its flag: "access.projectAdmins" -> "access-project-admins".
func flagName(key string) string {
	var b strings.Builder
	for _, r := range key {
		switch {
		case r == '.':
			b.WriteByte('-')
		case r >= 'A' && r <= 'Z':
			b.WriteByte('-')
			b.WriteRune(r + 'a' - 'A')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// flagValue shows a flag to viper. All values are texts or lists of texts here, so that one parser per
// kind of key serves flags, environment and file alike.
type flagValue struct{ flag *pflag.Flag }

func (f flagValue) HasChanged() bool    { return f.flag.Changed }
func (f flagValue) Name() string        { return f.flag.Name }
func (f flagValue) ValueString() string { return f.flag.Value.String() }
func (f flagValue) ValueType() string   { return "string" }
