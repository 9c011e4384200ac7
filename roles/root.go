// Package roles is the command tree of the one executable: which subcommand starts which role, and what
// all of them share - signals, exit codes, errors, help and the version.
package roles

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/cli"
	"kowabunga/roles/config"
	"kowabunga/roles/doctor"
	"kowabunga/roles/kahuna"
	"kowabunga/roles/kaktus"
	"kowabunga/roles/sandbox"
	"kowabunga/roles/sim"
	"kowabunga/roles/term"
)

// The linker sets these: -ldflags "-X kowabunga/roles.version=1.2.3 -X kowabunga/roles.commit=… -X
// kowabunga/roles.date=2025-01-31T12:00:00Z".
var version, commit, date string

// Tree is the whole command tree, fresh at every call.
func Tree() *cobra.Command {
	root := &cobra.Command{
		Use:   "kowabunga",
		Short: "Turns servers into a private cloud",
		Long: `Kowabunga turns servers into a private cloud. Kahuna decides, Kaktus runs the machines; all of it is this
one program.

Exit codes: 0 it worked, 1 it failed, 2 the command line was wrong. Of diff: 1 something differs, 3 it failed.`,
	}
	in := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title + ":"})
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	host := kaktus.Command()
	resources := cli.Commands(host) // the host's role and its kind share a name
	in("roles", "Roles", kahuna.Command(), host)
	in("work", "All resources, and who you are", cli.General()...)
	in("resources", "Resources", resources...)
	in("try", "Try it",
		sandbox.Command(),
		sim.Command(),
	)
	in("program", "This program and this machine",
		doctor.Command(),
		versionCommand(),
		completionCommand(),
	)
	helpFor(root, "program")
	finish(root)
	return root
}

// Main runs the command line given by the arguments (without the program's name) and returns the exit
// code. SIGINT and SIGTERM cancel the command's context; a second one ends the program at once.
func Main(args []string) int {
	config.Stamp(version, commit, date)
	return run(treeFor(args), args)
}

// treeFor is the tree that a command line needs. A server lives with it for months, and thousands of
// resource commands beside it are looked at by every collection of garbage: it gets its own branch only.
func treeFor(args []string) *cobra.Command {
	if len(args) < 2 || args[0] != "kahuna" || args[1] != "serve" {
		return Tree()
	}
	root := &cobra.Command{Use: "kowabunga"}
	root.AddCommand(kahuna.Command())
	finish(root)
	return root
}

func run(root *cobra.Command, args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		cancel(&fault.Error{Code: fault.Cancelled, Message: fmt.Sprintf("stopped by signal %q", <-signals)})
		<-signals
		fmt.Fprintln(os.Stderr, "kowabunga: stopped at once by a second signal; what was running resumes at the next start")
		os.Exit(term.ExitFailure)
	}()

	root.SetArgs(args)
	failed, err := root.ExecuteContextC(ctx)
	if err != nil && context.Cause(ctx) != nil && fault.Is(err, fault.Cancelled) {
		err = context.Cause(ctx) // "context canceled" would say nothing
	}
	term.Report(os.Stderr, failed.CommandPath(), err)
	return term.ExitCode(err)
}
