package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

const manifests = "A document is YAML or JSON with `kind:`, `name:`, where it lies by name (`project: web`, `zone: eu-a`), and the fields of the API; sizes may have units and " +
	"references may be names. Several stand in one file behind lines of three dashes, in any order. What a document does not name stays as it is."

// applying is the flags of apply and diff.
type applying struct {
	files     *[]string
	keepGoing *bool
	plan      *bool
	prune     *pruning
}

func filesFlag(cmd *cobra.Command) *[]string {
	files := cmd.Flags().StringArrayP("file", "f", nil, "`FILE`: documents; a folder stands for the .yaml, .yml and .json files in it, - for standard input; may be repeated")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	_ = cmd.Flags().SetAnnotation("file", requiredKey, nil)
	return files
}

func applyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make objects what documents say",
		Long: "Make objects what documents say: what is missing is created, what differs is changed, what is so already is left alone, so that it can be repeated. " + manifests +
			"\n\nObjects that are in no document are left alone, unless --prune says which of them shall go.",
		Example: "  kowabunga apply -f web.yaml\n  kowabunga apply -f web/ --plan\n  kowabunga apply -f web/ --prune --project web\n  kowabunga apply -f - < web.yaml",
		Args:    cobra.NoArgs,
	}
	in := &applying{
		files:     filesFlag(cmd),
		plan:      cmd.Flags().Bool("plan", false, "show what would be done, and do nothing"),
		keepGoing: cmd.Flags().Bool("keep-going", false, "go on with the other documents when one fails"),
		prune:     pruneFlags(cmd),
	}
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		docs, err := in.read(c)
		if err != nil {
			return err
		}
		if *in.plan {
			_, err := in.preview(c, docs)
			return err
		}
		return in.apply(c, docs)
	})
}

func diffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Show how documents differ from what there is",
		Long: "Show how documents differ from what there is, which is what apply would do. " + manifests +
			"\n\nExit codes: 0 nothing differs, 1 something does, 2 the command line was wrong, 3 it failed.",
		Example: "  kowabunga diff -f web.yaml\n  kowabunga diff -f web/ --prune --project web",
		Args:    cobra.NoArgs,
	}
	in := &applying{files: filesFlag(cmd), prune: pruneFlags(cmd)}
	cmd = leaf(cmd, nil, asData, func(c *call, _ []string) error {
		docs, err := in.read(c)
		if err != nil {
			return err
		}
		differs, err := in.preview(c, docs)
		if err == nil && differs {
			return &term.Status{Code: term.ExitFailure}
		}
		return err
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		var outcome *term.Status
		var mistake *term.UsageError
		if err == nil || errors.As(err, &outcome) || errors.As(err, &mistake) {
			return err
		}
		return &term.Status{Code: term.ExitTrouble, Err: err}
	}
	return cmd
}

func (in *applying) read(c *call) ([]*form.Document, error) {
	if len(*in.files) == 0 {
		return nil, term.Usage(errors.New("name the documents with -f FILE (- for standard input)"))
	}
	if err := in.prune.check(); err != nil {
		return nil, err
	}
	return readManifests(c.t, *in.files)
}

// outcome is what became of a document, for programs.
type outcome struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	ID     string   `json:"id,omitempty"`
	Result string   `json:"result"`
	Fields []string `json:"fields,omitempty"` // that differed
	Reason string   `json:"reason,omitempty"` // of a failure
}

func (e *entry) outcome() outcome {
	o := outcome{Kind: string(e.doc.Kind.Name), Name: e.doc.Name(), ID: e.id, Result: e.result}
	if e.result == changed {
		o.Fields = e.paths()
	}
	return o
}

func (e *entry) paths() []string {
	var out []string
	for _, change := range e.changes {
		out = append(out, change.Path)
	}
	return out
}

// preview shows what would be done, and tells whether that is anything.
func (in *applying) preview(c *call, docs []*form.Document) (differs bool, err error) {
	r := newReconciler(c, true, docs)
	var entries []*entry
	for _, doc := range docs {
		e, err := r.look(doc)
		if err != nil {
			return false, at(doc, err)
		}
		entries = append(entries, e)
		differs = differs || e.result != unchanged
	}
	victims, err := in.prune.victims(c, entries)
	if err != nil {
		return false, err
	}
	differs = differs || len(victims) > 0
	if c.data() {
		out := []outcome{}
		for _, e := range entries {
			out = append(out, e.outcome())
		}
		for _, v := range victims {
			out = append(out, v.outcome())
		}
		return differs, c.print(out)
	}
	for _, e := range entries {
		if err := r.show(e); err != nil {
			return false, err
		}
	}
	for _, v := range victims {
		if err := c.mark("-", v.String()); err != nil {
			return false, err
		}
	}
	if !differs {
		fmt.Fprintln(c.t.Err, "nothing differs")
	}
	return differs, nil
}

// apply makes one object after the other what its document says, then prunes. All documents are looked at
// before the first change, so that a mistake in one of them changes nothing. After a failure nothing more is
// begun, unless it shall keep going; nothing is pruned then.
func (in *applying) apply(c *call, docs []*form.Document) error {
	if !*in.keepGoing {
		ahead := newReconciler(c, true, docs)
		for _, doc := range docs {
			if _, err := ahead.look(doc); err != nil {
				return at(doc, err)
			}
		}
	}
	r := newReconciler(c, false, docs)
	var entries []*entry
	var failures []error
	var out []outcome
	report := func(o outcome, line string) error {
		out = append(out, o)
		if c.data() {
			return nil
		}
		return c.say("%s", line)
	}
	for i, doc := range docs {
		e, err := r.look(doc)
		if err == nil {
			err = r.apply(e)
		}
		if err != nil {
			failures = append(failures, at(doc, err))
			out = append(out, outcome{Kind: string(doc.Kind.Name), Name: doc.Name(), Result: "failed", Reason: err.Error()})
			if !*in.keepGoing || c.ctx.Err() != nil {
				if left := len(docs) - i - 1; left > 0 {
					fmt.Fprintf(c.t.Err, "kowabunga: %d more were not tried; what was done stays, and apply can be repeated\n", left)
				}
				break
			}
			continue
		}
		entries = append(entries, e)
		line := fmt.Sprintf("%s: %s", e.result, e.label())
		if e.result == changed {
			line += " (" + strings.Join(e.paths(), ", ") + ")"
		}
		if err := report(e.outcome(), line); err != nil {
			return err
		}
	}
	if len(failures) == 0 {
		victims, err := in.prune.victims(c, entries)
		if err != nil {
			return err
		}
		failures = in.prune.remove(c, victims, report)
	}
	if c.data() {
		if err := c.print(out); err != nil {
			return err
		}
	}
	if len(failures) == 1 {
		return failures[0]
	}
	return errors.Join(failures...)
}

// at says which document it is about.
func at(doc *form.Document, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.NotFound && f.Field == "" {
		return fault.Wrap(err, fault.NotFound, "apply "+doc.At)
	}
	next := "correct " + doc.At
	if f != nil && f.Field != "" {
		next = "correct " + f.Field + " in " + doc.At
	}
	var hinted *term.Hinted
	if errors.As(err, &hinted) {
		next = strings.Join(append(hinted.Next, next), "; ")
	}
	return term.Hint(fault.Wrap(err, fault.Internal, "apply "+title(doc)), next)
}

// kindsOf are the kinds of documents, in the order of the catalogue.
func kindsOf(entries []*entry) []*catalogue.Kind {
	used := map[model.Kind]bool{}
	for _, e := range entries {
		used[e.doc.Kind.Name] = true
	}
	var out []*catalogue.Kind
	for _, k := range catalogue.Kinds {
		if used[k.Name] {
			out = append(out, k)
		}
	}
	return out
}
