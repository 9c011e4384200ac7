package term

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	mdLink   = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	mdTopic  = regexp.MustCompile(`^([a-z0-9-]+)\.md(#.*)?$`)
	mdStrong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	mdCode   = regexp.MustCompile("`([^`]+)`")
	mdItem   = regexp.MustCompile(`^(\s*)([-*]|\d+\.)\s+(.*)$`)
	mdRule   = regexp.MustCompile(`^\|?[\s:|-]+\|?$`)
)

// Markdown turns a document of the user documentation into text for a terminal: headings, paragraphs
// wrapped to width, lists, tables in columns, code indented and untouched. Links to other topics become
// the command that shows them. It understands what the documentation uses, not all of CommonMark.
func Markdown(source string, width int, color bool) string {
	m := &renderer{width: width, color: color}
	lines := strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		trimmed := strings.TrimSpace(line)
		switch item := mdItem.FindStringSubmatch(line); {
		case strings.HasPrefix(trimmed, "```"):
			m.flush()
			m.open()
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
				m.out.WriteString(strings.TrimRight("    "+lines[i], " ") + "\n")
			}
			m.gap = true
		case trimmed == "":
			m.flush()
			m.gap = true
		case strings.HasPrefix(trimmed, "#"):
			m.flush()
			m.heading(trimmed)
		case strings.HasPrefix(trimmed, "|"):
			m.flush()
			end := i
			for end < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[end]), "|") {
				end++
			}
			m.table(lines[i:end])
			i = end - 1
		case item != nil:
			m.flush()
			m.indent, m.lead = len(item[1])+len(item[2])+1, item[1]+item[2]+" "
			m.words = append(m.words, item[3])
		default:
			m.words = append(m.words, trimmed)
		}
	}
	m.flush()
	return strings.TrimLeft(m.out.String(), "\n")
}

type renderer struct {
	out    strings.Builder
	width  int
	color  bool
	gap    bool     // a blank line separates what follows
	words  []string // the paragraph or list item being gathered
	indent int      // columns of its second and further lines
	lead   string   // what its first line starts with
}

// open writes the blank line that was asked for.
func (m *renderer) open() {
	if m.gap && m.out.Len() > 0 {
		m.out.WriteByte('\n')
	}
	m.gap = false
}

func (m *renderer) heading(line string) {
	text := strings.TrimLeft(line, "# ")
	if strings.HasPrefix(line, "# ") {
		text = strings.ToUpper(text)
	}
	m.gap = true
	m.open()
	text = m.inline(text)
	if m.color {
		text = paint(bold, text)
	}
	m.out.WriteString(text + "\n")
}

// flush writes the gathered paragraph, wrapped at spaces. Escape sequences take no columns.
func (m *renderer) flush() {
	if len(m.words) == 0 {
		return
	}
	m.open()
	column := utf8.RuneCountInString(m.lead)
	m.out.WriteString(m.lead)
	first := true
	for _, word := range strings.Fields(m.inline(strings.Join(m.words, " "))) {
		n := visible(word)
		if !first && column+1+n > m.width {
			m.out.WriteString("\n" + strings.Repeat(" ", m.indent))
			column, first = m.indent, true
		}
		if !first {
			m.out.WriteByte(' ')
			column++
		}
		m.out.WriteString(word)
		column, first = column+n, false
	}
	m.out.WriteByte('\n')
	m.words, m.indent, m.lead = nil, 0, ""
}

func (m *renderer) table(lines []string) {
	m.open()
	t := &Table{}
	for i, line := range lines {
		if i == 1 && mdRule.MatchString(strings.TrimSpace(line)) {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for j, c := range cells {
			cells[j] = plain(strings.TrimSpace(c))
		}
		if i == 0 {
			t.Head = cells
		} else {
			t.Add(cells...)
		}
	}
	_ = t.write(&m.out, m.color)
	m.gap = true
}

// inline renders links, strong text and code inside a line.
func (m *renderer) inline(text string) string {
	text = mdLink.ReplaceAllStringFunc(text, link)
	if !m.color {
		return plain(text)
	}
	text = mdStrong.ReplaceAllStringFunc(text, func(s string) string { return eachWord(strings.Trim(s, "*")) })
	return mdCode.ReplaceAllStringFunc(text, func(s string) string { return eachWord(strings.Trim(s, "`")) })
}

// eachWord paints word by word, so that wrapping cannot cut a painted phrase.
func eachWord(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = paint(bold, w)
	}
	return strings.Join(words, " ")
}

func plain(text string) string {
	text = mdLink.ReplaceAllStringFunc(text, link)
	return mdCode.ReplaceAllString(mdStrong.ReplaceAllString(text, "$1"), "$1")
}

func link(text string) string {
	m := mdLink.FindStringSubmatch(text)
	if t := mdTopic.FindStringSubmatch(m[2]); t != nil {
		return m[1] + " (`kowabunga help " + t[1] + "`)"
	}
	return m[1] + " (" + m[2] + ")"
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func visible(word string) int {
	return utf8.RuneCountInString(escapes.ReplaceAllString(word, ""))
}
