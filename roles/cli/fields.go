package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// fields is the flags for the writable fields of a kind, and -f for a document that holds them.
type fields struct {
	kind    *catalogue.Kind
	verb    string
	inputs  map[string]*form.Input // by field name
	secrets map[string]*string     // files, by field name
	file    *string
	sets    *[]string // PATH=VALUE
	labels  *[]string // KEY=VALUE, or KEY- to take one away
}

// fieldFlags adds the flags: all writable fields for a creation, those that may change for an update.
func fieldFlags(cmd *cobra.Command, k *catalogue.Kind, creating bool) *fields {
	s := &fields{kind: k, verb: "update", inputs: map[string]*form.Input{}, secrets: map[string]*string{}}
	if creating {
		s.verb = "create"
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if f.ReadOnly || !creating && f.Immutable {
			continue
		}
		name := form.FlagName(f.Name, f.Secret)
		if f.Secret {
			s.secrets[f.Name] = cmd.Flags().String(name, "", "`FILE`: "+f.Doc+"; read from a file (- for standard input)")
			_ = cmd.MarkFlagFilename(name)
		} else {
			s.inputs[f.Name] = inputFlag(cmd, f, creating)
		}
		group(cmd, "Fields", name)
		if creating && needed(f) && f.Name != "name" {
			_ = cmd.Flags().SetAnnotation(name, requiredKey, nil)
		}
	}
	s.file = cmd.Flags().StringP("file", "f", "", "`FILE`: fields in YAML or JSON, named as in the API (- for standard input); flags win over it")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	s.sets = cmd.Flags().StringArray("set", nil, "`PATH=VALUE`: one part of a field, such as quotas.memory=8GiB or rules[0].port=80; [+] adds an item; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("set", s.completePaths)
	word := "`KEY=VALUE`: a label; may be repeated"
	if !creating {
		word = "`KEY=VALUE`: a label, KEY- takes one away; may be repeated"
	}
	s.labels = cmd.Flags().StringArrayP("label", "l", nil, word)
	_ = cmd.RegisterFlagCompletionFunc("label", cobra.NoFileCompletions)
	group(cmd, "Fields", "label", "set")
	return s
}

// completePaths offers the fields whose parts can be set.
func (s *fields) completePaths(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for i := range s.kind.Fields {
		f := &s.kind.Fields[i]
		if s.inputs[f.Name] == nil {
			continue
		}
		if f.Type != catalogue.Object {
			out = append(out, f.Name)
			continue
		}
		for j := range f.Fields {
			out = append(out, f.Name+"."+f.Fields[j].Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// given tells whether anything was said about fields.
func (s *fields) given() bool {
	for _, in := range s.inputs {
		if in.Given {
			return true
		}
	}
	for _, file := range s.secrets {
		if *file != "" {
			return true
		}
	}
	return *s.file != "" || len(*s.sets)+len(*s.labels) > 0
}

// needed tells whether an object cannot be made without the field.
func needed(f *catalogue.Field) bool { return f.Required && !f.Lenient && f.Default == nil }

// inputFlag adds a flag for a field. Defaults of the server are told in help, never sent.
func inputFlag(cmd *cobra.Command, f *catalogue.Field, creating bool) *form.Input {
	in := &form.Input{Field: f}
	doc := f.Doc
	switch {
	case f.Name == "name" && creating:
		doc = "instead of the argument NAME: " + doc
	case f.Bytes:
		doc = strings.TrimPrefix(strings.TrimPrefix(doc, "bytes of "), "bytes; ")
		if doc == "bytes" {
			doc = "how much"
		}
		doc += " (such as 4GiB)"
	}
	if f.Type == catalogue.Array {
		doc = strings.TrimPrefix(doc+"; may be repeated", "; ")
		if !creating {
			doc += "; replaces the list"
		}
	}
	if f.Type == catalogue.Object && !creating {
		doc += "; what is not named stays"
	}
	if creating && f.Default == true {
		doc += fmt.Sprintf(" (default true; --%s=false for not)", form.FlagName(f.Name, false))
	} else if creating && f.Default != nil {
		doc += fmt.Sprintf(" (default %v)", f.Default)
	}
	name := form.FlagName(f.Name, false)
	flag := cmd.Flags().VarPF(in, name, "", doc)
	if f.Type == catalogue.Boolean {
		flag.NoOptDefVal = "true"
	}
	switch {
	case len(f.Enum) > 0:
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(f.Enum, cobra.ShellCompDirectiveNoFileComp))
	case f.Ref != "":
		_ = cmd.RegisterFlagCompletionFunc(name, completeFlag(catalogue.Of(f.Ref), f.Type == catalogue.Array))
	case f.Type == catalogue.Boolean:
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"true", "false"}, cobra.ShellCompDirectiveNoFileComp))
	default:
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return in
}

// gather reads what was given: the document, then the flags over it, and turns names into ids. now is the
// object as it is, nil for a new one.
func (s *fields) gather(c *call, now map[string]json.RawMessage) (*form.Document, error) {
	doc := form.New(s.kind)
	if *s.file != "" {
		raw, err := readDocument(c.t, *s.file)
		if err != nil {
			return nil, err
		}
		if doc, err = form.ReadDocument(s.kind, raw); err != nil {
			return nil, inDocument(*s.file, err)
		}
	}
	for name, in := range s.inputs {
		if in.Given {
			doc.Values[name] = laid(doc.Values[name], in.Value)
		}
	}
	before := map[string]any{}
	for name, raw := range now {
		before[name] = form.Decode(raw)
	}
	for _, set := range *s.sets {
		if err := form.Set(s.kind, doc.Values, before, set); err != nil {
			return nil, term.Usage(err)
		}
	}
	if err := s.label(doc, before[form.Labels]); err != nil {
		return nil, err
	}
	for name, file := range s.secrets {
		if *file == "" {
			continue
		}
		if *file == "-" && *s.file == "-" {
			return nil, term.Usage(fmt.Errorf("standard input cannot be both the document and %s", form.FlagName(name, true)))
		}
		secret, err := config.Secret{File: *file}.Read(c.t.In)
		if err != nil {
			return nil, err
		}
		doc.Values[name] = secret
	}
	return doc, fault.Wrap(doc.Refs(c.names.id), fault.Invalid, s.verb+" "+string(s.kind.Name))
}

// label lays the labels of flags over those that there are.
func (s *fields) label(doc *form.Document, now any) error {
	if len(*s.labels) == 0 {
		return nil
	}
	all := map[string]any{}
	if was, ok := now.(map[string]any); ok {
		maps.Copy(all, was)
	}
	if was, ok := doc.Values[form.Labels].(map[string]any); ok {
		all = maps.Clone(was) // a document has all of them
	}
	for _, one := range *s.labels {
		key, value, ok := strings.Cut(one, "=")
		switch gone, less := strings.CutSuffix(one, "-"); {
		case ok && key != "":
			all[key] = value
		case less && gone != "" && s.verb == "update":
			delete(all, gone)
		default:
			return term.Usage(fmt.Errorf("--label %s is not of the form KEY=VALUE", one))
		}
	}
	doc.Values[form.Labels] = all
	return nil
}

// laid lays a structure over another, at every depth; any other value replaces what was there.
func laid(before, over any) any {
	under, both := before.(map[string]any)
	top, isMap := over.(map[string]any)
	if !both || !isMap {
		return over
	}
	out := maps.Clone(under)
	for name, one := range top {
		out[name] = laid(under[name], one)
	}
	return out
}

func readDocument(t *term.Terminal, file string) ([]byte, error) {
	return readAll(t, file, form.MaxDocument)
}

// inDocument says that it is a document, not a flag, where a value is wrong.
func inDocument(file string, err error) error {
	if file == "-" {
		file = "standard input"
	}
	return term.Hint(fault.Wrap(err, fault.Invalid, "read "+file), "correct the document; the fields are those of `get -o json`")
}
