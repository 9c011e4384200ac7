package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/roles/cli/client"
)

// completionTime is how long a person waits for the tab key; after that nothing is offered.
const completionTime = 800 * time.Millisecond

// plain is a word that every shell takes as it stands.
var plain = regexp.MustCompile(`^[\pL\pN._:@+-]+$`)

type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeNames offers the names of a kind's objects as arguments, at most n of them and none twice; 0
// is without bound. Whatever goes wrong, nothing is offered and nothing is said.
func completeNames(k *catalogue.Kind, n int) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if n > 0 && len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, name := range offer(cmd, "/"+k.Plural, nil, func(o object) string { return o.Name }) {
			if strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
				out = append(out, name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag offers names as the value of a flag; in a list, as the item after the last comma.
func completeFlag(k *catalogue.Kind, list bool) completion {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndexByte(typed, ','); list && i >= 0 {
			before, typed = typed[:i+1], typed[i+1:]
		}
		names, directive := completeNames(k, 0)(cmd, nil, typed)
		for i := range names {
			names[i] = before + names[i]
		}
		if list {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return names, directive
	}
}

// completeOperations offers the ids of operations in these states, with what they do.
func completeOperations(states ...string) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		q := url.Values{}
		if len(states) == 1 {
			q.Set("state", states[0])
		}
		var out []string
		for _, line := range offer(cmd, "/operations", q, func(o object) string { return o.ID + "\t" + clean(o.Name) }) {
			if strings.HasPrefix(line, typed) {
				out = append(out, line)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// offer asks the server for objects. Names that a shell would tear apart or run are left out.
func offer(cmd *cobra.Command, path string, q url.Values, of func(object) string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	c, err := connect(ctx, cmd)
	if err != nil {
		return nil
	}
	defer c.api.Close()
	if q == nil {
		q = url.Values{}
	}
	q.Set("limit", "1000")
	a, err := c.api.Do(ctx, client.Request{Path: path, Query: q})
	if err != nil {
		return nil
	}
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(a.Body, &page) != nil {
		return nil
	}
	var out []string
	for _, item := range page.Items {
		var o object
		if json.Unmarshal(item, &o) == nil && (path == "/operations" || plain.MatchString(o.Name)) {
			out = append(out, of(o))
		}
	}
	return out
}
