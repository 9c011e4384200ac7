package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// selection is the flags that say which objects of a list are wanted, and in what order.
type selection struct {
	name, sort     *string
	filters, label *[]string
	limit          *uint
	asOf           *asOf
}

func selectionFlags(cmd *cobra.Command, k *catalogue.Kind) *selection {
	f := cmd.Flags()
	s := &selection{
		name:    f.String("name", "", "`NAME`: only those with this name"),
		filters: f.StringArray("filter", nil, "`TEST`: only those that pass: FIELD=VALUE, !=, >=, <= or ~ (a part of it); may be repeated"),
		label:   f.StringSliceP("label", "l", nil, "`TEST`: only those with the label: KEY=VALUE, KEY!=VALUE, KEY or !KEY; may be repeated"),
		sort:    f.String("sort", "", "`FIELD,…`: order by these fields, downwards with a dash before it: --sort project,-created"),
		limit:   f.Uint("limit", 0, "`N`: at most N of them"),
		asOf:    asOfFlag(cmd),
	}
	fields := make([]string, 0, len(k.Fields)+2)
	for i := range k.Fields {
		if t := k.Fields[i].Type; t != catalogue.Array && t != catalogue.Object {
			fields = append(fields, k.Fields[i].Name)
		}
	}
	fields = append(fields, "created", "updated")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(fields, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("filter", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		tests := make([]string, 0, len(fields))
		for _, name := range fields {
			tests = append(tests, name+"=")
		}
		return tests, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	return s
}

// addTo puts what was asked for into a query; the server judges it.
func (s *selection) addTo(q url.Values) error {
	if *s.name != "" {
		q.Set("name", *s.name)
	}
	if *s.sort != "" {
		q.Set("sort", *s.sort)
	}
	if *s.limit > 0 {
		q.Set("limit", strconv.FormatUint(uint64(*s.limit), 10))
	}
	for _, test := range *s.filters {
		q.Add("filter", test)
	}
	for _, test := range *s.label {
		q.Add("label", test)
	}
	return s.asOf.addTo(q)
}

// asOf is the flag that looks at the past.
type asOf struct{ text *string }

func asOfFlag(cmd *cobra.Command) *asOf {
	text := cmd.Flags().String("as-of", "", "`WHEN`: how it was then: a time (RFC 3339), how long ago (2h, 7d) or an index of the events")
	_ = cmd.RegisterFlagCompletionFunc("as-of", cobra.NoFileCompletions)
	return &asOf{text}
}

func (a *asOf) addTo(q url.Values) error {
	if *a.text == "" {
		return nil
	}
	when, err := moment(*a.text, time.Now())
	if err == nil {
		q.Set("as_of", when)
	}
	return err
}

// moment reads an index, a time or how long ago.
func moment(text string, now time.Time) (string, error) {
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return text, nil
	}
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return text, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)).UTC().Format(time.RFC3339Nano), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UTC().Format(time.RFC3339Nano), nil
	}
	return "", term.Usage(fmt.Errorf("%q is no index, no time such as 2030-01-31T12:00:00Z and no duration such as 2h30m or 7d", text))
}

func listCommand(k *catalogue.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List " + k.Plural,
		Long:    "List the " + k.Plural + " you may see.",
		Example: "  kowabunga " + string(k.Name) + " list\n  kowabunga " + string(k.Name) + " list --label env=prod --sort -created -o wide\n" +
			"  kowabunga " + string(k.Name) + " list -o json | jq -r '.[].name'",
		Args: cobra.NoArgs,
	}
	if len(k.Parents) > 0 {
		parent := k.Parents[0].Kind
		cmd.Example += fmt.Sprintf("\n  kowabunga %s list --%s %s --watch", k.Name, parent, nameOf(parent))
	}
	p := placeFlags(cmd, k, "only those in it, by name or id", false)
	s := selectionFlags(cmd, k)
	watch := watchFlag(cmd)
	return leaf(cmd, k, asObjects, func(c *call, _ []string) error {
		q := p.query()
		if err := s.addTo(q); err != nil {
			return err
		}
		read := func() ([]json.RawMessage, error) { return c.api.Items(c.ctx, "list "+k.Plural, "/"+k.Plural, q) }
		if *watch {
			return c.watch(k, read)
		}
		items, err := read()
		if err != nil {
			return err
		}
		return c.objects(k, items)
	})
}

func getCommand(k *catalogue.Kind) *cobra.Command {
	name := nameOf(k.Name)
	cmd := &cobra.Command{
		Use:               "get NAME",
		Aliases:           []string{"show"},
		Short:             "Show one " + string(k.Name),
		Long:              "Show one " + k.Title + " with all its fields.",
		Example:           fmt.Sprintf("  kowabunga %s get %s\n  kowabunga %s get %s -o yaml\n  kowabunga %s get %s --as-of 24h", k.Name, name, k.Name, name, k.Name, name),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	p := narrowing(cmd, k)
	past := asOfFlag(cmd)
	watch := watchFlag(cmd)
	return leaf(cmd, k, asObjects, func(c *call, args []string) error {
		op := "get " + string(k.Name) + " " + args[0]
		path, err := c.one(op, k, p, args[0])
		if err != nil {
			return err
		}
		q := url.Values{}
		if err := past.addTo(q); err != nil {
			return err
		}
		read := func() (*client.Answer, error) { return c.api.Do(c.ctx, client.Request{Op: op, Path: path, Query: q}) }
		if *watch {
			return c.watch(k, func() ([]json.RawMessage, error) {
				a, err := read()
				if fault.Is(err, fault.NotFound) {
					return nil, nil // it may come, or has gone
				}
				if err != nil {
					return nil, err
				}
				return []json.RawMessage{a.Body}, nil
			})
		}
		a, err := read()
		switch {
		case err != nil:
			return err
		case c.data():
			return c.print(json.RawMessage(a.Body))
		case c.is("name"):
			return c.objects(k, []json.RawMessage{a.Body})
		}
		return c.sheet(k, a)
	})
}

// narrowing adds place flags to a command on one object, where a name alone may not be enough.
func narrowing(cmd *cobra.Command, k *catalogue.Kind) *place {
	if !ambiguous(k) {
		return nil
	}
	return placeFlags(cmd, k, "where it lies, when the name alone is not enough", false)
}

// near offers the name that somebody may have meant.
func (c *call) near(k *catalogue.Kind, name string) string {
	items, err := c.api.Items(c.ctx, "look for "+name, "/"+k.Plural, url.Values{"limit": {"1000"}})
	if err != nil {
		return ""
	}
	var known []string
	for _, item := range items {
		var o object
		if json.Unmarshal(item, &o) == nil {
			known = append(known, o.Name)
		}
	}
	return config.Nearest(name, known)
}
