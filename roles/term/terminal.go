package term

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"
)

// Terminal is where a command reads and writes.
type Terminal struct {
	In    io.Reader
	Out   io.Writer // results
	Err   io.Writer // progress, prompts, errors
	Color bool      // colours are wanted on Out
	mode  string    // what --color says
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
	return &Terminal{In: cmd.InOrStdin(), Out: out, Err: cmd.ErrOrStderr(), Color: Colored(mode, out), mode: mode}
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

// Progress reports work on Err, with colours as --color says.
func (t *Terminal) Progress() *Progress {
	p := NewProgress(t.Err)
	p.color = Colored(t.mode, t.Err)
	return p
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

// OutputFlag gives a command -o, --output with these forms, table and json when none are named, and
// returns where the choice will stand. The first one is the default.
func OutputFlag(cmd *cobra.Command, forms ...string) *Output {
	if len(forms) == 0 {
		forms = []string{"table", "json"}
	}
	o := &Output{form: forms[0], forms: forms}
	cmd.Flags().VarP(o, "output", "o", "form of the result: "+o.choices())
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// Output is the form of a result. It is the value of a flag.
type Output struct {
	form  string
	forms []string
}

// JSON reports whether JSON was asked for.
func (o *Output) JSON() bool { return o.form == "json" }

// Is reports whether this form was asked for.
func (o *Output) Is(form string) bool { return o.form == form }

// Forms are the forms to choose from.
func (o *Output) Forms() []string { return o.forms }

func (o *Output) String() string { return o.form }

// Type names the value in help texts.
func (o *Output) Type() string { return "format" }

// Set accepts the forms that the command has.
func (o *Output) Set(v string) error {
	if !slices.Contains(o.forms, v) {
		return errors.New("must be " + o.choices())
	}
	o.form = v
	return nil
}

func (o *Output) choices() string {
	last := len(o.forms) - 1
	return strings.Join(o.forms[:last], ", ") + " or " + o.forms[last]
}

// JSON writes a value as indented JSON with a final line end. Characters such as & and < stay readable.
func (t *Terminal) JSON(v any) error {
	e := json.NewEncoder(t.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
