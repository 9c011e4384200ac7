package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
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
	return s
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

// gather reads what was given: the document, then the flags over it, and turns names into ids.
func (s *fields) gather(c *call) (*form.Document, error) {
	doc := &form.Document{Values: map[string]any{}, Parents: map[model.Kind]string{}}
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
	return doc, fault.Wrap(s.resolve(c, doc.Values), fault.Invalid, s.verb+" "+string(s.kind.Name))
}

// laid lays a structure over another; any other value replaces what was there.
func laid(before, over any) any {
	under, both := before.(map[string]any)
	top, isMap := over.(map[string]any)
	if !both || !isMap {
		return over
	}
	out := maps.Clone(under)
	maps.Copy(out, top)
	return out
}

// resolve turns the names in references into ids.
func (s *fields) resolve(c *call, values map[string]any) error {
	for i := range s.kind.Fields {
		f := &s.kind.Fields[i]
		if f.Ref == "" {
			continue
		}
		switch v := values[f.Name].(type) {
		case string:
			id, err := c.names.id(f.Ref, v, f.Name)
			if err != nil {
				return err
			}
			values[f.Name] = id
		case []any:
			for j := range v {
				ref, _ := v[j].(string)
				id, err := c.names.id(f.Ref, ref, fmt.Sprintf("%s[%d]", f.Name, j))
				if err != nil {
					return err
				}
				v[j] = id
			}
		}
	}
	return nil
}

// body writes the values as JSON in the order of the catalogue.
func (s *fields) body(values map[string]any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range s.kind.Fields {
		name := s.kind.Fields[i].Name
		v, ok := values[name]
		if !ok {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", name)
		if err := e.Encode(v); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "write "+name)
		}
		b.Truncate(b.Len() - 1) // the encoder's line end
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func readDocument(t *term.Terminal, file string) ([]byte, error) {
	const op = "read the document"
	in := t.In
	if file != "-" {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &fault.Error{Code: fault.NotFound, Op: op, Message: file + " does not exist"}
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, op)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, form.MaxDocument+1))
	return raw, fault.Wrap(err, fault.Unavailable, op)
}

// inDocument says that it is a document, not a flag, where a value is wrong.
func inDocument(file string, err error) error {
	if file == "-" {
		file = "standard input"
	}
	return term.Hint(fault.Wrap(err, fault.Invalid, "read "+file), "correct the document; the fields are those of `get -o json`")
}
