package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is rows under headings, printed in columns of equal width. The zero value has no headings.
type Table struct {
	Head   []string
	rows   [][]string
	widths []int // of what was printed before
	begun  bool  // the headings stand
}

// Add appends a row; missing cells are empty.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Table prints a table to the terminal's output. Cells that are a state (ok, fail, running …) are coloured
// where colours are wanted.
func (t *Terminal) Table(table *Table) error { return table.write(t.Out, t.Color) }

// Rows prints the rows added since it was called before, under the same headings; columns become wider
// where they have to, never narrower.
func (t *Terminal) Rows(table *Table) error {
	err := table.write(t.Out, t.Color)
	table.rows, table.begun = nil, true
	return err
}

// write aligns columns by characters, two spaces apart; the last column is never padded, so lines have
// no trailing spaces. A cell becomes one line without control characters.
func (t *Table) write(w io.Writer, color bool) error {
	var lines [][]string
	headed := len(t.Head) > 0 && !t.begun
	if headed {
		head := make([]string, len(t.Head))
		for i, h := range t.Head {
			head[i] = strings.ToUpper(h)
		}
		lines = append(lines, head)
	}
	widths := t.widths
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = strings.Join(strings.Fields(printable(c)), " ")
		}
		lines = append(lines, cells)
	}
	for _, row := range lines {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	t.widths = widths
	var b strings.Builder
	for n, row := range lines {
		last := len(row) - 1
		for last > 0 && row[last] == "" {
			last--
		}
		for i, c := range row[:min(last+1, len(row))] {
			padding := widths[i] - utf8.RuneCountInString(c) + 2
			if color && n == 0 && headed {
				c = paint(bold, c)
			} else if color {
				c = paint(stateColor(c), c)
			}
			b.WriteString(c)
			if i < last {
				b.WriteString(strings.Repeat(" ", padding))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// SGR codes of ECMA-48.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func paint(code, text string) string {
	if code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func stateColor(word string) string {
	switch word {
	case "ok", "running", "connected", "ready", "done":
		return green
	case "warn", "creating", "waiting", "stopped":
		return yellow
	case "fail", "failed", "lost", "error":
		return red
	}
	return ""
}

// Signed is a line behind a sign, coloured where colours are wanted: + comes, - goes, ~ changes.
func (t *Terminal) Signed(sign, line string) string {
	text := sign + " " + line
	if t.Color {
		return paint(map[string]string{"+": green, "-": red, "~": yellow}[sign], text)
	}
	return text
}
