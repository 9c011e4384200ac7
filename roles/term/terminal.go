package term

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"
)

// Terminal is where a command reads and writes.
type Terminal struct {
	In    io.Reader
	Out   io.Writer // results
	Err   io.Writer // progress, prompts, errors
	Color bool      // colours are wanted on Out
}

// ColorFlag is the persistent flag of the command tree: auto, always or never.
const ColorFlag = "color"

// Of is the terminal of a command, with colours as --color and NO_COLOR say.
func Of(cmd *cobra.Command) *Terminal {
	mode := "auto"
	if f := cmd.Flag(ColorFlag); f != nil {
		mode = f.Value.String()
	}
	out := cmd.OutOrStdout()
	return &Terminal{In: cmd.InOrStdin(), Out: out, Err: cmd.ErrOrStderr(), Color: Colored(mode, out)}
}

// Colored decides about colours on a writer. "always" and "never" are obeyed; otherwise a terminal gets
// them unless NO_COLOR is set to anything (no-color.org) or TERM is dumb.
func Colored(mode string, w io.Writer) bool {
	switch mode {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)
}

// IsTerminal reports whether a reader or writer is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && xterm.IsTerminal(int(f.Fd()))
}

// Width is the number of columns of a terminal, 80 where that is unknown, never more than 100: longer
// lines are hard to read.
func Width(w io.Writer) int {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if n, _, err := xterm.GetSize(int(f.Fd())); err == nil && n >= 20 {
			return min(n, 100)
		}
	}
	return 80
}

// OutputFlag gives a command -o, --output table|json and returns where the choice will stand.
func OutputFlag(cmd *cobra.Command) *Output {
	o := Output("table")
	cmd.Flags().VarP(&o, "output", "o", "form of the result: table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return &o
}

// Output is the form of a result, "table" or "json". It is the value of a flag.
type Output string

// JSON reports whether JSON was asked for.
func (o Output) JSON() bool { return o == "json" }

func (o Output) String() string { return string(o) }

// Type names the value in help texts.
func (o Output) Type() string { return "format" }

// Set accepts table and json only.
func (o *Output) Set(v string) error {
	if v != "table" && v != "json" {
		return errors.New("must be table or json")
	}
	*o = Output(v)
	return nil
}

// JSON writes a value as indented JSON with a final line end. Characters such as & and < stay readable.
func (t *Terminal) JSON(v any) error {
	e := json.NewEncoder(t.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
