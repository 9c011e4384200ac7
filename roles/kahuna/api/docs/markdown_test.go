package docs

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"heading and paragraph", "# Title\n\nOne\ntwo.\n", "<h1>Title</h1>\n<p>One two.</p>\n"},
		{"html is text", "a <b>x</b> & \"q\"", "<p>a &lt;b&gt;x&lt;/b&gt; &amp; &#34;q&#34;</p>\n"},
		{"code", "```console\n$ a <b> | **c**\n```\n", "<pre><code>$ a &lt;b&gt; | **c**</code></pre>\n"},
		{"code in a line", "run `a [b](c) **d**` now", "<p>run <code>a [b](c) **d**</code> now</p>\n"},
		{"a lone backquote", "it`s", "<p>it`s</p>\n"},
		{"list", "- a\n  more\n- **b**\n\n1. c", "<ul>\n<li>a more</li>\n<li><strong>b</strong></li>\n</ul>\n<ol>\n<li>c</li>\n</ol>\n"},
		{"table", "| a | b |\n|---|---|\n| 1 | <2> |\n", "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>&lt;2&gt;</td></tr>\n</table>\n"},
		{"topic", "[x](crash.md#kill)", "<p><a href=\"/docs/crash#kill\">x</a></p>\n"},
		{"address", "[x](https://kowabunga.cloud/a?b=1)", "<p><a href=\"https://kowabunga.cloud/a?b=1\">x</a></p>\n"},
		{"no script", "[x](javascript:alert(1)) [y](data:text/html,1) [z](//evil.example)", "<p>[x](javascript:alert(1)) [y](data:text/html,1) [z](//evil.example)</p>\n"},
		{"no break out", `[x](https://a"onclick="b)`, "<p>[x](https://a&#34;onclick=&#34;b)</p>\n"},
		{"hash without a space", "#1 is a number", "<p>#1 is a number</p>\n"},
	} {
		if got := Markdown(c.source); got != c.want {
			t.Errorf("%s:\n%s\ninstead of\n%s", c.name, got, c.want)
		}
	}
}

// FuzzMarkdown: whatever the source says, the result is balanced and has no tags but ours.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"# a\n- b\n  1. c", "`a` **b** [c](d.md)", "|a|\n|-|\n|[x](/docs/y)|", "```\n<script>", "**[a**](b.md)", "[**a](b.md)**", "####### x"} {
		f.Add(s)
	}
	allowed := map[string]bool{"root": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "p": true, "ul": true, "ol": true, "li": true, "pre": true,
		"code": true, "table": true, "tr": true, "th": true, "td": true, "a": true, "strong": true}
	f.Fuzz(func(t *testing.T, source string) {
		source = strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
				return -1 // XML, the judge here, knows no such characters
			}
			return r
		}, source), "")
		d := xml.NewDecoder(strings.NewReader("<root>" + Markdown(source) + "</root>"))
		for {
			token, err := d.Token()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatalf("%v: %q gives %q", err, source, Markdown(source))
			}
			if e, ok := token.(xml.StartElement); ok {
				if !allowed[e.Name.Local] {
					t.Fatalf("<%s> from %q", e.Name.Local, source)
				}
				for _, a := range e.Attr {
					if a.Name.Local != "href" || strings.HasPrefix(a.Value, "//") || !(strings.HasPrefix(a.Value, "/") || strings.HasPrefix(a.Value, "#") || strings.HasPrefix(a.Value, "http")) {
						t.Fatalf("%s=%q from %q", a.Name.Local, a.Value, source)
					}
				}
			}
		}
	})
}
