package roles

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// finish gives every command of the tree the same manners: errors are returned to Main and printed there
// once, mistakes in the command line end with exit code 2, and a command that only gathers others refuses
// unknown ones with the nearest known name.
func finish(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	color := colorMode("auto")
	root.PersistentFlags().Var(&color, term.ColorFlag, "colours on a terminal: auto, always or never")
	_ = root.RegisterFlagCompletionFunc(term.ColorFlag, cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(flagError)
	root.Version = config.Program().Version
	root.SetVersionTemplate("kowabunga {{.Version}}\n")
	each(root, func(c *cobra.Command) {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args, c.RunE = cobra.ArbitraryArgs, gatherer
		}
		if check := c.Args; c.Runnable() {
			c.Args = func(cmd *cobra.Command, args []string) error { return commandLine(cmd, args, check) }
		}
	})
}

// commandLine checks arguments and required flags, before cobra does the latter with another exit code.
func commandLine(cmd *cobra.Command, args []string, check cobra.PositionalArgs) error {
	if check == nil {
		check = cobra.NoArgs
	}
	if err := check(cmd, args); err != nil {
		if len(args) > 0 && cmd.HasAvailableSubCommands() {
			return unknown(cmd, args[0])
		}
		return term.Usage(err)
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return term.Usage(err)
	}
	return term.Usage(cmd.ValidateFlagGroups())
}

// gatherer is what a command does that only has subcommands: alone it shows its help.
func gatherer(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknown(cmd, args[0])
}

// flagError adds the nearest known flag to an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := config.Nearest(missing.GetSpecifiedName(), names); near != "" && missing.GetSpecifiedShortnames() == "" {
			err = fmt.Errorf("%w; did you mean \"--%s\"?", err, near)
		}
	}
	return term.Usage(err)
}

func unknown(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	err := fmt.Errorf("unknown command %q for %q", word, cmd.CommandPath())
	if near := config.Nearest(word, names); near != "" {
		return term.Hint(term.Usage(fmt.Errorf("%w; did you mean %q?", err, near)), cmd.CommandPath()+" "+near+" --help")
	}
	return term.Usage(err)
}

func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		each(sub, f)
	}
}

// colorMode is the value of --color.
type colorMode string

func (m *colorMode) String() string { return string(*m) }
func (m *colorMode) Type() string   { return "when" }

func (m *colorMode) Set(v string) error {
	switch v = strings.ToLower(v); v {
	case "auto", "always", "never":
		*m = colorMode(v)
		return nil
	}
	return fmt.Errorf("must be auto, always or never")
}
