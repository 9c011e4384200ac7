package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/roles/term"
)

// Command is `kowabunga sandbox`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "A whole cloud on this one machine",
		Long: `A whole cloud on this one machine, of real daemons: Kahuna, Kaktus on this machine's libvirt, a network, a
storage pool, a template, a project and a virtual machine that boots. More: kowabunga help sandbox`,
	}
	cmd.AddCommand(upCommand(), statusCommand(), consoleCommand(), downCommand(), destroyCommand(), packagesCommand(), childCommand())
	return cmd
}

// keys declares what every sandbox command takes, so that a script may give them all the same. Of those
// a command has no use for it only checks the form.
func keys(c *Config) *config.Set {
	s := config.New("sandbox")
	s.Path(&c.Dir, "dir", "", "directory of the sandbox; /var/lib/kowabunga/sandbox for root, else below ~/.local/share").NotInFile()
	s.Bool(&c.Simulate, "simulate", false, "simulated hosts instead of libvirt: needs neither root nor packages")
	s.Address(&c.Listen, "listen", "", "address of the API; a free port of 127.0.0.1, chosen once, when empty")
	s.Bool(&c.Yes, "yes", false, "agree beforehand to what would be asked")
	s.Accept("image")
	return s
}

// bind gives a command the shared keys, showing those of use to it, and returns what reads them.
func bind(cmd *cobra.Command, shown ...string) func() (Config, error) {
	var c Config
	s := keys(&c)
	s.Bind(cmd)
	for _, name := range []string{"simulate", "listen", "yes"} {
		cmd.Flag(name).Hidden = !slices.Contains(shown, name)
	}
	return func() (Config, error) {
		err := s.Load(cmd, "", false)
		if err == nil {
			c.Dir, err = absolute(c.Dir)
		}
		return c, err
	}
}

func absolute(dir string) (string, error) {
	if dir == "" {
		dir = defaultDir()
	}
	dir, err := filepath.Abs(dir)
	return dir, fault.Wrap(err, fault.Invalid, "find the sandbox's directory")
}

func upCommand() *cobra.Command {
	var c Config
	s := keys(&c)
	s.String(&c.Image, "image", "", "URL or file of the machines' image; a small one is built here when empty")
	cmd := &cobra.Command{Use: "up", Short: "Make the sandbox, or what is missing of it, and start it", Args: cobra.NoArgs,
		Long: `Makes the sandbox and starts it. What is there already stays as it is, and whatever was interrupted is
finished, so that it may be repeated at any time.`,
		Example: "  kowabunga sandbox up\n  kowabunga sandbox up --dir ./try --simulate"}
	s.Bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.Load(cmd, "", false); err != nil {
			return err
		}
		var err error
		if c.Dir, err = absolute(c.Dir); err != nil {
			return err
		}
		sum, err := Up(cmd.Context(), c, term.Of(cmd))
		if err != nil {
			return err
		}
		say(cmd, sum)
		return nil
	}
	return cmd
}

// say writes what a person needs, and three commands that work now.
func say(cmd *cobra.Command, sum Summary) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\nThe sandbox is up after %.1f s.\n\n", sum.Took.Seconds())
	fmt.Fprintf(out, "  API          %s\n", sum.URL)
	fmt.Fprintf(out, "  Koala        %s/ in a browser: %s help koala\n", sum.URL, invoked())
	fmt.Fprintf(out, "  credentials  %s (certificate: %s)\n", sum.Credentials, sum.CA)
	fmt.Fprintf(out, "  machine      %s at %s", sum.Machine, sum.Address)
	if !sum.Simulated {
		fmt.Fprintf(out, ", reachable from here: http://%s/status", sum.Address)
	}
	fmt.Fprint(out, "\n\nTry next:\n")
	for _, command := range next(cmd.Root(), sum) {
		fmt.Fprintf(out, "  %s\n", command)
	}
}

// next are three commands to try, of those that this program has.
func next(root *cobra.Command, sum Summary) []string {
	dir := ""
	if sum.Dir != defaultDir() {
		dir = " --dir " + quote(sum.Dir)
	}
	program := invoked()
	first := program + " kahuna status --dir " + quote(place{sum.Dir}.kahuna())
	if found, _, err := root.Find([]string{"kompute", "list"}); err == nil && found.Name() == "list" {
		first = program + " kompute list --credentials " + quote(sum.Credentials)
	}
	return []string{first, program + " sandbox console " + sum.Machine + dir, program + " sandbox status" + dir}
}

// invoked is how this program can be called again from where it was called: by its name alone only if
// that is found.
func invoked() string {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "kowabunga"
	}
	if path, err := exec.LookPath("kowabunga"); err == nil {
		if found, err := os.Stat(path); err == nil && os.SameFile(self, found) {
			return "kowabunga"
		}
	}
	if strings.Contains(os.Args[0], "/") {
		return quote(os.Args[0])
	}
	path, err := os.Executable()
	if err != nil {
		return "kowabunga"
	}
	return quote(path)
}

// quote writes a path as a word of a shell.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func statusCommand() *cobra.Command {
	var form *term.Output
	cmd := &cobra.Command{Use: "status", Short: "Show each part of the sandbox with its state", Args: cobra.NoArgs}
	read := bind(cmd)
	form = term.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read()
		if err != nil {
			return err
		}
		st, err := Look(cmd.Context(), c.Dir)
		if err != nil {
			return err
		}
		t := term.Of(cmd)
		if form.JSON() {
			return t.JSON(st)
		}
		fmt.Fprintf(t.Out, "%s  %s\n\n", st.URL, st.Dir)
		table := &term.Table{Head: []string{"part", "name", "state", "detail"}}
		for _, p := range st.Parts {
			table.Add(p.Part, p.Name, p.State, p.Detail)
		}
		return t.Table(table)
	}
	return cmd
}

func consoleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "console [MACHINE]", Short: "Show what a machine says on its serial console", Args: cobra.MaximumNArgs(1),
		Long: `Shows the last of what a machine said on its serial console and then, until it is stopped, what it says. The
machine is "demo" unless another is named.`}
	read := bind(cmd)
	follow := cmd.Flags().BoolP("follow", "f", true, "go on until stopped")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := read()
		if err != nil {
			return err
		}
		return Console(cmd.Context(), c.Dir, append(args, demo)[0], *follow, cmd.OutOrStdout())
	}
	return cmd
}

func downCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "down", Short: "Stop machines and daemons; everything stays on disk", Args: cobra.NoArgs}
	read := bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read()
		if err != nil {
			return err
		}
		return Down(cmd.Context(), c.Dir, term.Of(cmd))
	}
	return cmd
}

func destroyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "destroy", Short: "Remove the sandbox: no process, bridge, machine or file stays", Args: cobra.NoArgs,
		Long: "Removes the sandbox. On a terminal it asks first, unless --yes is given."}
	read := bind(cmd, "yes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read()
		if err != nil {
			return err
		}
		t := term.Of(cmd)
		if !c.Yes && term.IsTerminal(t.In) {
			agreed, err := t.Confirm("Remove the sandbox in "+c.Dir+" with all its machines and disks?", false, "--yes")
			if err != nil || !agreed {
				return errors.Join(err, context.Cause(cmd.Context()))
			}
		}
		err = Destroy(cmd.Context(), c.Dir, t)
		if fault.Is(err, fault.NotFound) {
			fmt.Fprintf(t.Err, "There is no sandbox in %s.\n", c.Dir)
			return nil
		}
		return err
	}
	return cmd
}

func packagesCommand() *cobra.Command {
	return &cobra.Command{Use: "packages", Short: "List the Debian and Ubuntu packages a sandbox needs, and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := &term.Table{}
			for _, name := range Packages(false) {
				table.Add(name, PackageReason(name))
			}
			return term.Of(cmd).Table(table)
		}}
}

// childCommand becomes the private libvirtd, in a namespace of its own.
func childCommand() *cobra.Command {
	return &cobra.Command{Use: hypervisor.ChildCommand + " DIR", Hidden: true, Args: cobra.ExactArgs(1), DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return hypervisor.Child(args) }}
}
