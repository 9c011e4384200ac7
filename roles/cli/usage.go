package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kowabunga/roles/term"
)

// groupKey is the annotation of a flag that says under which heading help shows it.
const groupKey = "kowabunga_group"

// requiredKey is the annotation of a flag that a command does not work without.
const requiredKey = "kowabunga_required"

// group puts flags under a heading of the help.
func group(cmd *cobra.Command, title string, flags ...string) {
	for _, name := range flags {
		_ = cmd.Flags().SetAnnotation(name, groupKey, []string{title})
	}
}

// indent is where descriptions of flags begin; longer flags have them on the next line.
const indent = 26

// usage prints how a command is used, its flags under headings: what the object is comes first, how the
// server is reached last.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s [flags]\n", cmd.UseLine())
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	titles := []string{"Place", "Fields", "Flags", "Connection"}
	byTitle := map[string][]*pflag.Flag{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		title := "Flags"
		if t := f.Annotations[groupKey]; len(t) > 0 {
			title = t[0]
		}
		byTitle[title] = append(byTitle[title], f)
	})
	width := term.Width(cmd.OutOrStdout())
	for _, title := range titles {
		if len(byTitle[title]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", title)
		slices.SortStableFunc(byTitle[title], requiredFirst)
		for _, f := range byTitle[title] {
			writeFlag(&b, f, width)
		}
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

func requiredFirst(a, b *pflag.Flag) int {
	rank := func(f *pflag.Flag) int {
		if _, must := f.Annotations[requiredKey]; must {
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}

func writeFlag(b *strings.Builder, f *pflag.Flag, width int) {
	head := "      --" + f.Name
	if f.Shorthand != "" {
		head = "  -" + f.Shorthand + ", --" + f.Name
	}
	value, text := pflag.UnquoteUsage(f)
	if strings.HasPrefix(f.Usage, "`") {
		text = strings.TrimLeft(strings.TrimPrefix(text, value), " :") // the word stands in the head already
	}
	if o, ok := f.Value.(*term.Output); ok {
		value, text = strings.Join(o.Forms(), "|"), "form of the result"
	}
	if value != "" && f.NoOptDefVal == "" {
		head += " " + value
	}
	if _, must := f.Annotations[requiredKey]; must {
		text += " (required)"
	}
	if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
		text += " (default " + d + ")"
	}
	b.WriteString(head)
	at := utf8.RuneCountInString(head)
	if at+2 > indent {
		b.WriteByte('\n')
		at = 0
	}
	b.WriteString(strings.Repeat(" ", indent-at))
	at = indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
}

// lineWidth is where the text of help is broken.
const lineWidth = 100

// wrap breaks long lines between words; lines that are short enough stay as they are.
func wrap(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		at := 0
		for j, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case j == 0:
			case at+1+n > lineWidth:
				b.WriteByte('\n')
				at = 0
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += n
		}
	}
	return b.String()
}
