package docs

import (
	"html"
	"regexp"
	"strings"
)

var (
	link   = regexp.MustCompile(`\[([^\]]+)\]\(([^()\s]+)\)`)
	strong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	item   = regexp.MustCompile(`^\s*([-*]|\d+\.)\s+(.*)$`)
	rule   = regexp.MustCompile(`^\|?[\s:|-]+\|?$`)
	target = regexp.MustCompile(`^(#[\w-]*|/[\w./#-]*|https?://[^"'<>]+|([a-z0-9-]+)\.md(#[\w-]*)?)$`)
)

// Markdown turns a document of the user documentation into HTML: headings, paragraphs, lists, tables,
// code, links. Everything else, HTML included, comes out as the text it is. Links go to other topics,
// to paths of this server and to http and https addresses only.
func Markdown(source string) string {
	m := &renderer{}
	lines := strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		found := item.FindStringSubmatch(lines[i])
		switch {
		case strings.HasPrefix(line, "```"):
			m.close()
			var code []string
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
				code = append(code, lines[i])
			}
			m.out.WriteString("<pre><code>" + html.EscapeString(strings.Join(code, "\n")) + "</code></pre>\n")
		case line == "":
			m.close()
		case heading(line) > 0:
			m.close()
			n := heading(line)
			tag := "h" + string(rune('0'+n))
			m.out.WriteString("<" + tag + ">" + inline(strings.TrimSpace(line[n:])) + "</" + tag + ">\n")
		case strings.HasPrefix(line, "|"):
			m.close()
			end := i
			for end < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[end]), "|") {
				end++
			}
			m.table(lines[i:end])
			i = end - 1
		case found != nil:
			m.item(found[1], found[2])
		default:
			m.text = append(m.text, line)
		}
	}
	m.close()
	return m.out.String()
}

// heading is the level of a heading, 0 for other lines.
func heading(line string) int {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	if n > 6 || n == len(line) || n > 0 && line[n] != ' ' {
		return 0
	}
	return n
}

type renderer struct {
	out  strings.Builder
	text []string // of the open paragraph or item
	list string   // tag of the open list
}

func (m *renderer) flush() {
	if len(m.text) == 0 {
		return
	}
	tag := "p"
	if m.list != "" {
		tag = "li"
	}
	m.out.WriteString("<" + tag + ">" + inline(strings.Join(m.text, " ")) + "</" + tag + ">\n")
	m.text = nil
}

func (m *renderer) close() {
	m.flush()
	if m.list != "" {
		m.out.WriteString("</" + m.list + ">\n")
		m.list = ""
	}
}

func (m *renderer) item(mark, text string) {
	tag := "ol"
	if mark == "-" || mark == "*" {
		tag = "ul"
	}
	if m.list != tag {
		m.close()
		m.out.WriteString("<" + tag + ">\n")
		m.list = tag
	}
	m.flush()
	m.text = []string{text}
}

func (m *renderer) table(lines []string) {
	m.out.WriteString("<table>\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if rule.MatchString(line) {
			continue
		}
		tag := "td"
		if i == 0 {
			tag = "th"
		}
		m.out.WriteString("<tr>")
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			m.out.WriteString("<" + tag + ">" + inline(strings.TrimSpace(cell)) + "</" + tag + ">")
		}
		m.out.WriteString("</tr>\n")
	}
	m.out.WriteString("</table>\n")
}

// inline renders what stands inside a line. Code comes first: nothing in it means anything.
func inline(text string) string {
	parts := strings.Split(text, "`")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 1 && i < len(parts)-1:
			b.WriteString("<code>" + html.EscapeString(part) + "</code>")
		case i%2 == 1:
			b.WriteString("`" + prose(part)) // a lone backquote
		default:
			b.WriteString(prose(part))
		}
	}
	return b.String()
}

func prose(text string) string {
	var b strings.Builder
	at := 0
	for _, m := range link.FindAllStringSubmatchIndex(text, -1) {
		to := text[m[4]:m[5]]
		if !target.MatchString(to) || strings.HasPrefix(to, "//") {
			continue
		}
		if topic := target.FindStringSubmatch(to); topic[2] != "" {
			to = "/docs/" + topic[2] + topic[3]
		}
		b.WriteString(emphasis(text[at:m[0]]))
		b.WriteString(`<a href="` + html.EscapeString(to) + `">` + emphasis(text[m[2]:m[3]]) + "</a>")
		at = m[1]
	}
	return b.String() + emphasis(text[at:])
}

func emphasis(text string) string {
	return strong.ReplaceAllString(html.EscapeString(text), "<strong>$1</strong>")
}
