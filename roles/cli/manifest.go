package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

// readManifests reads the documents of files, of the files in folders, or of standard input, in the order
// in which they can be applied.
func readManifests(t *term.Terminal, paths []string) ([]*form.Document, error) {
	var docs []*form.Document
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			raw, err := readAll(t, file, form.MaxDocuments)
			if err != nil {
				return nil, err
			}
			name := file
			if file == "-" {
				name = "standard input"
			}
			more, err := form.ReadDocuments(raw, name)
			if err != nil {
				return nil, term.Hint(err, "correct the document; kowabunga help cli says how they look")
			}
			docs = append(docs, more...)
		}
	}
	if len(docs) == 0 {
		return nil, &fault.Error{Code: fault.Invalid, Op: "read the documents", Message: "there are none in " + strings.Join(paths, ", ")}
	}
	if err := distinct(docs); err != nil {
		return nil, err
	}
	slices.SortStableFunc(docs, func(a, b *form.Document) int { return rank(a.Kind.Name) - rank(b.Kind.Name) })
	return docs, nil
}

// filesOf lists the documents of a folder by name; a file stands for itself.
func filesOf(path string) ([]string, error) {
	const op = "read the documents"
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault.Error{Code: fault.NotFound, Op: op, Message: path + " does not exist"}
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, op)
	case !info.IsDir():
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	var out []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out, nil
}

func readAll(t *term.Terminal, file string, most int64) ([]byte, error) {
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
	raw, err := io.ReadAll(io.LimitReader(in, most+1))
	return raw, fault.Wrap(err, fault.Unavailable, op)
}

// distinct refuses two documents for one object.
func distinct(docs []*form.Document) error {
	seen := map[string]*form.Document{}
	for _, d := range docs {
		key := string(d.Kind.Name) + " " + d.Name()
		if ambiguous(d.Kind) || d.Name() == "" {
			for i := range d.Kind.Parents {
				key += " " + d.Parents[d.Kind.Parents[i].Kind]
			}
		}
		if first := seen[key]; first != nil {
			return &fault.Error{Code: fault.Invalid, Op: "read " + d.At, Field: "name", Message: fmt.Sprintf("%s stands in %s already", title(d), first.At)}
		}
		seen[key] = d
	}
	return nil
}

// title is what a document is about.
func title(d *form.Document) string {
	if d.Name() != "" {
		return string(d.Kind.Name) + " " + d.Name()
	}
	var in []string
	for i := range d.Kind.Parents {
		if ref := d.Parents[d.Kind.Parents[i].Kind]; ref != "" {
			in = append(in, string(d.Kind.Parents[i].Kind)+" "+ref)
		}
	}
	return string(d.Kind.Name) + " of " + strings.Join(in, ", ")
}

// after names what has to be there first though nothing refers to it: a project is given subnets when it
// is created, machines are placed on hosts.
var after = map[model.Kind][]model.Kind{
	model.KindProject:  {model.KindSubnet, model.KindZone},
	model.KindAdapter:  {model.KindProject},
	model.KindVolume:   {model.KindKaktus},
	model.KindInstance: {model.KindKaktus},
	model.KindKompute:  {model.KindKaktus, model.KindSubnet},
	model.KindKawaii:   {model.KindKaktus, model.KindSubnet},
	model.KindKonvey:   {model.KindKaktus},
}

// ranks orders the kinds so that what an object lies in or refers to comes before it.
var ranks = rankKinds()

func rank(kind model.Kind) int { return ranks[kind] }

func rankKinds() map[model.Kind]int {
	out, begun := map[model.Kind]int{}, map[model.Kind]bool{}
	var visit func(k *catalogue.Kind)
	visit = func(k *catalogue.Kind) {
		if k == nil || begun[k.Name] {
			return
		}
		begun[k.Name] = true
		for i := range k.Parents {
			visit(catalogue.Of(k.Parents[i].Kind))
		}
		for _, kind := range after[k.Name] {
			visit(catalogue.Of(kind))
		}
		eachRef(k.Fields, func(kind model.Kind) { visit(catalogue.Of(kind)) })
		for i := range k.Ops {
			for _, q := range k.Ops[i].Query {
				if k.Ops[i].Verb == catalogue.Create && q.Ref != "" {
					visit(catalogue.Of(q.Ref))
				}
			}
		}
		out[k.Name] = len(out)
	}
	for _, k := range catalogue.Kinds {
		visit(k)
	}
	return out
}

// eachRef names the kinds that writable fields refer to, however deep.
func eachRef(fields []catalogue.Field, yield func(model.Kind)) {
	for i := range fields {
		f := &fields[i]
		if f.ReadOnly {
			continue
		}
		if f.Ref != "" {
			yield(f.Ref)
		}
		eachRef(f.Fields, yield)
	}
}

// can tells whether a kind has an operation in API v2.
func can(k *catalogue.Kind, verb catalogue.Verb) bool {
	return slices.ContainsFunc(k.Ops, func(op catalogue.Op) bool { return op.Verb == verb && op.Kind == k.Name })
}
