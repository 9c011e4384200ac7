// Package docs writes the documentation pages: an index, one page for each API from its OpenAPI
// document, and the topics of the user documentation. The pages are made once, need no script to be
// read and load nothing from elsewhere.
package docs

import (
	"html"
	"io/fs"
	"sort"
	"strings"
)

// Policy is the Content-Security-Policy of the pages: nothing but this server's own style sheet and
// script, no inline ones, and no frame around them.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page wraps a body into a document. The title is text, the body HTML.
func page(title, body string) []byte {
	return []byte(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + html.EscapeString(title) + ` - Kowabunga</title>
<link rel="stylesheet" href="/docs/assets/style.css">
<script src="/docs/assets/script.js" defer></script>
</head>
<body>
<header><nav><a href="/docs/">Documentation</a><a href="/docs/api-v1">API v1</a><a href="/docs/api-v2">API v2</a></nav></header>
<main>
` + body + `
</main>
</body>
</html>
`)
}

// topic is one document of the user documentation.
type topic struct {
	name, title, source string
}

func topics(files fs.FS) ([]topic, error) {
	if files == nil {
		return nil, nil
	}
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	var out []topic
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		t := topic{name: strings.TrimSuffix(name, ".md"), source: string(raw)}
		first, _, _ := strings.Cut(t.source, "\n")
		if t.title = strings.TrimSpace(strings.TrimPrefix(first, "#")); t.title == "" {
			t.title = t.name
		}
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].title < out[j].title })
	return out, nil
}

// Document is an OpenAPI document to make a page of.
type Document struct {
	Name  string // of the page, e.g. "api-v1"
	Title string
	Base  string         // path before its paths, e.g. "/api/v1"
	File  string         // where the document itself is served
	Body  map[string]any // the document
}

// Pages makes all pages by name; the index has the empty name.
func Pages(files fs.FS, documents ...Document) (map[string][]byte, error) {
	list, err := topics(files)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	var b strings.Builder
	b.WriteString("<h1>Kowabunga</h1>\n<h2>Interfaces</h2>\n<ul>\n")
	for _, d := range documents {
		b.WriteString(`<li><a href="/docs/` + d.Name + `">` + html.EscapeString(d.Title) + `</a> - <a href="` + d.File + `">OpenAPI document</a></li>` + "\n")
		out[d.Name] = page(d.Title, reference(d))
	}
	b.WriteString("</ul>\n")
	if len(list) > 0 {
		b.WriteString("<h2>Topics</h2>\n<ul>\n")
		for _, t := range list {
			b.WriteString(`<li><a href="/docs/` + html.EscapeString(t.name) + `">` + html.EscapeString(t.title) + "</a></li>\n")
			out[t.name] = page(t.title, Markdown(t.source))
		}
		b.WriteString("</ul>\n")
	}
	out[""] = page("Documentation", b.String())
	return out, nil
}
