package docs

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

type object = map[string]any

// methods in the order people think of them.
var methods = []string{"get", "post", "put", "patch", "delete"}

type entry struct {
	path, method string
	operation    object
}

// reference is the page of an OpenAPI document: operations by tag, then schemas.
func reference(d Document) string {
	byTag := map[string][]entry{}
	paths := at(d.Body, "paths")
	for _, p := range keys(paths) {
		for _, m := range methods {
			if o := at(at(paths, p), m); len(o) > 0 {
				tag := words(o["tags"])[0]
				byTag[tag] = append(byTag[tag], entry{p, m, o})
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<h1>%s</h1>\n<p>%s</p>\n", html.EscapeString(d.Title), html.EscapeString(text(at(d.Body, "info")["description"])))
	fmt.Fprintf(&b, `<p><a href="%s">OpenAPI document</a></p>`+"\n", d.File)
	b.WriteString(`<label hidden>Filter operations <input id="filter" type="search"></label>` + "\n")
	for _, t := range list(d.Body["tags"]) {
		tag := t.(object)
		name := text(tag["name"])
		if len(byTag[name]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "<section data-group>\n<h2 id=\"%s\">%s</h2>\n<p class=\"soft\">%s</p>\n", html.EscapeString(name), html.EscapeString(name), html.EscapeString(text(tag["description"])))
		for _, e := range byTag[name] {
			b.WriteString(operation(d, e))
		}
		b.WriteString("</section>\n")
	}
	schemas := at(at(d.Body, "components"), "schemas")
	b.WriteString("<h2>Schemas</h2>\n")
	for _, name := range keys(schemas) {
		b.WriteString(schema(name, at(schemas, name)))
	}
	return b.String()
}

func operation(d Document, e entry) string {
	var b strings.Builder
	id, verb := text(e.operation["operationId"]), strings.ToUpper(e.method)
	summary := text(e.operation["summary"])
	class := ""
	if e.operation["deprecated"] == true {
		class = ` class="gone"`
	}
	fmt.Fprintf(&b, `<details id="%s" data-words="%s"%s><summary><span class="verb">%s</span> <code>%s</code> <span class="what">%s</span></summary>`+"\n",
		html.EscapeString(id), html.EscapeString(strings.ToLower(id+" "+verb+" "+e.path+" "+summary)), class, verb, html.EscapeString(d.Base+e.path), html.EscapeString(summary))
	if params := list(e.operation["parameters"]); len(params) > 0 {
		b.WriteString("<table><tr><th>parameter</th><th>in</th><th>type</th><th>meaning</th></tr>\n")
		for _, p := range params {
			p := p.(object)
			name := text(p["name"])
			if p["required"] == true {
				name += " *"
			}
			fmt.Fprintf(&b, "<tr><td><code>%s</code></td><td>%s</td><td>%s</td><td>%s</td></tr>\n", html.EscapeString(name), html.EscapeString(text(p["in"])), kind(at(p, "schema")), html.EscapeString(text(p["description"])))
		}
		b.WriteString("</table>\n")
	}
	if body := content(at(e.operation, "requestBody")); body != nil {
		fmt.Fprintf(&b, "<p>Body: %s</p>\n", kind(body))
	}
	b.WriteString("<table><tr><th>answer</th><th>body</th><th></th></tr>\n")
	responses := at(e.operation, "responses")
	for _, status := range keys(responses) {
		r := at(responses, status)
		body := "none"
		if s := content(r); s != nil {
			body = kind(s)
		}
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", html.EscapeString(status), body, html.EscapeString(text(r["description"])))
	}
	b.WriteString("</table>\n")
	if class == "" {
		b.WriteString(`<pre class="curl">` + html.EscapeString(curl(d, e)) + "</pre>\n")
	}
	b.WriteString("</details>\n")
	return b.String()
}

// curl is a line to try an operation with. $KOWABUNGA is the server's address, $KEY_FILE a file that
// holds the header with the key: a key among the arguments would stand in the process list.
func curl(d Document, e entry) string {
	path := strings.NewReplacer("{", "$", "}", "").Replace(d.Base + e.path)
	var b strings.Builder
	b.WriteString("curl -sS")
	if s, public := e.operation["security"].([]any); !public || len(s) > 0 {
		b.WriteString(` -H @"$KEY_FILE"`)
	}
	if e.method != "get" {
		b.WriteString(" -X " + strings.ToUpper(e.method))
	}
	if schema := content(at(e.operation, "requestBody")); schema != nil {
		b.WriteString(" -H 'Content-Type: application/json' -d '" + example(d.Body, schema, 0) + "'")
	}
	if _, events := at(at(at(e.operation, "responses"), "200"), "content")["text/event-stream"]; events {
		b.WriteString(" -N")
	}
	return b.String() + ` "$KOWABUNGA` + path + `"`
}

// example is a value of a schema with what is required in it.
func example(doc, schema object, depth int) string {
	if name, ok := refName(schema); ok {
		schema = at(at(at(doc, "components"), "schemas"), name)
	}
	switch text(schema["type"]) {
	case "object":
		var members []string
		properties := at(schema, "properties")
		for _, name := range words(schema["required"]) {
			if depth < 4 && at(properties, name)["readOnly"] != true {
				members = append(members, fmt.Sprintf("%q:%s", name, example(doc, at(properties, name), depth+1)))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	case "array":
		return "[]"
	case "integer", "number":
		return "1"
	case "boolean":
		return "false"
	}
	if enum := words(schema["enum"]); len(enum) > 0 {
		return fmt.Sprintf("%q", enum[0])
	}
	return `"..."`
}

func schema(name string, s object) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<details id="schema-%s"><summary><code>%s</code> <span class="what">%s</span></summary>`+"\n", html.EscapeString(name), html.EscapeString(name), html.EscapeString(text(s["description"])))
	b.WriteString("<table><tr><th>field</th><th>type</th><th>meaning</th></tr>\n")
	required := words(s["required"])
	properties := at(s, "properties")
	for _, field := range keys(properties) {
		p := at(properties, field)
		label, notes := field, []string{}
		if slices.Contains(required, field) {
			label += " *"
		}
		if doc := text(p["description"]); doc != "" {
			notes = append(notes, doc)
		}
		if enum := words(p["enum"]); len(enum) > 0 {
			notes = append(notes, "one of "+strings.Join(enum, ", "))
		}
		if value, ok := p["default"]; ok {
			notes = append(notes, fmt.Sprintf("default %v", value))
		}
		if p["readOnly"] == true {
			notes = append(notes, "set by the server")
		}
		fmt.Fprintf(&b, "<tr><td><code>%s</code></td><td>%s</td><td>%s</td></tr>\n", html.EscapeString(label), kind(p), html.EscapeString(strings.Join(notes, "; ")))
	}
	b.WriteString("</table>\n</details>\n")
	return b.String()
}

// kind names a schema's type in HTML.
func kind(s object) string {
	if name, ok := refName(s); ok {
		return `<a href="#schema-` + html.EscapeString(name) + `">` + html.EscapeString(name) + "</a>"
	}
	if text(s["type"]) == "array" {
		return "list of " + kind(at(s, "items"))
	}
	out := html.EscapeString(text(s["type"]))
	if format := text(s["format"]); format != "" {
		out += " (" + html.EscapeString(format) + ")"
	}
	return out
}

func refName(s object) (string, bool) {
	return strings.CutPrefix(text(s["$ref"]), "#/components/schemas/")
}

// content is the schema of a body, nil for none.
func content(o object) object {
	bodies := at(o, "content")
	for _, contentType := range keys(bodies) {
		return at(at(bodies, contentType), "schema")
	}
	return nil
}

func at(o object, key string) object { inner, _ := o[key].(object); return inner }
func text(v any) string              { s, _ := v.(string); return s }
func list(v any) []any               { l, _ := v.([]any); return l }

func words(v any) []string {
	var out []string
	for _, s := range list(v) {
		out = append(out, text(s))
	}
	return out
}

func keys(o object) []string {
	out := make([]string, 0, len(o))
	for k := range o {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
