package kahuna

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/count"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/roles/term"
	"kowabunga/store"
	"kowabunga/store/seal"
)

func forksCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "forks", Short: "Show what a Kahuna had written that the other one never got", Args: cobra.NoArgs,
		Long: `A Kahuna that comes back after the other one took over gives up the records that the other one does not have, and keeps
them in a fork file. In sync mode nobody was told that these were done; after a promotion or in async mode some may have
been. No server needs to run, and nothing is changed: what is still wanted of them is done again by hand.`,
		Example: "  kowabunga kahuna forks list\n  kowabunga kahuna forks show 20300131T120000.000Z-after-10482.fork"}
	cmd.AddCommand(forksListCommand(), forksShowCommand())
	return cmd
}

// ForkFile is a fork in a list.
type ForkFile struct {
	File      string    `json:"file"`
	Made      time.Time `json:"made"`
	After     uint64    `json:"after"`   // index of the last record that both nodes have
	Records   int       `json:"records"` // in the file
	Published uint64    `json:"published"`
	Problem   string    `json:"problem,omitempty"` // why it cannot be read
}

func (c *Config) forks() string { return filepath.Join(c.data(), pair.ForkDir) }

func forksListCommand() *cobra.Command {
	return localCommand(&cobra.Command{Use: "list", Short: "List the fork files of this Kahuna", Args: cobra.NoArgs, Example: "  kowabunga kahuna forks list\n  kowabunga kahuna forks list -o json",
		Long: "Lists the fork files in DIR/data/forks: when each was made, which record is the last that both Kahunas have, and how many follow it that only this one had."},
		func(cmd *cobra.Command, c *Config, form *term.Output, _ []string) error {
			entries, err := os.ReadDir(c.forks())
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fault.Wrap(err, fault.Unavailable, "list the forks")
			}
			all := []ForkFile{}
			for _, e := range entries {
				if !strings.HasSuffix(e.Name(), ".fork") {
					continue
				}
				one := ForkFile{File: e.Name()}
				if f, err := store.ReadFork(filepath.Join(c.forks(), e.Name())); err != nil {
					one.Problem = err.Error()
				} else {
					one.Made, one.After, one.Records, one.Published = f.Made, f.After.Index, len(f.Records), f.Published
				}
				all = append(all, one)
			}
			t := term.Of(cmd)
			if form.JSON() {
				return t.JSON(all)
			}
			if len(all) == 0 {
				fmt.Fprintln(t.Err, "no forks")
				return nil
			}
			table := &term.Table{Head: []string{"FILE", "MADE", "AFTER", "RECORDS"}}
			for _, f := range all {
				if f.Problem != "" {
					table.Add(f.File, "", "", f.Problem)
					continue
				}
				table.Add(f.File, f.Made.Format(time.RFC3339), fmt.Sprint(f.After), fmt.Sprint(f.Records))
			}
			return t.Table(table)
		})
}

// ForkRecord is a record of a fork.
type ForkRecord struct {
	Index   uint64       `json:"index"`
	Time    time.Time    `json:"time"`
	Actor   string       `json:"actor"`
	Request string       `json:"request,omitempty"`
	From    string       `json:"from,omitempty"`
	What    string       `json:"what"`
	Changes []ForkChange `json:"changes"`
}

// ForkChange is what such a record did to an object. Secrets are masked.
type ForkChange struct {
	Action string      `json:"action"` // "create", "update", "delete"
	Kind   model.Kind  `json:"kind"`
	ID     model.ID    `json:"id"`
	Name   string      `json:"name,omitempty"`
	Fields []ForkField `json:"fields"`
}

// ForkField is a field of it before and after.
type ForkField struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

func forksShowCommand() *cobra.Command {
	return localCommand(&cobra.Command{Use: "show FILE", Short: "Show the records of a fork file: who, when, what, before and after", Args: cobra.ExactArgs(1),
		Long: `Shows each record of a fork file as the audit would: when, who and from where, what was asked for, and each field before and
after. Secrets are never shown. FILE is a name that forks list shows, or a path.`,
		Example: "  kowabunga kahuna forks show 20300131T120000.000Z-after-10482.fork\n  kowabunga kahuna forks show -o json ./copied.fork"},
		func(cmd *cobra.Command, c *Config, form *term.Output, args []string) error {
			path := args[0]
			if filepath.Base(path) == path {
				path = filepath.Join(c.forks(), path)
			}
			fork, err := store.ReadFork(path)
			if err != nil {
				return err
			}
			key, err := readKey(c.sealingKey())
			if err != nil {
				return err
			}
			records, err := readable(fork, seal.New(seal.Key(key)))
			if err != nil {
				return err
			}
			t := term.Of(cmd)
			if form.JSON() {
				return t.JSON(records)
			}
			fmt.Fprintf(t.Out, "%s after record %d, the last one that both have\n", count.Of(len(records), "record"), fork.After.Index)
			for _, r := range records {
				r.show(t)
			}
			return nil
		})
}

// readable decodes the records of a fork.
func readable(fork *store.Fork, sealer *seal.Sealer) ([]ForkRecord, error) {
	known := map[model.Kind]*model.Table{}
	for _, t := range tables() {
		known[t.Kind] = &t
	}
	out := []ForkRecord{}
	for _, r := range fork.Records {
		one := ForkRecord{Index: r.Index, Time: r.Time, Actor: r.Cause.Actor, Request: r.Cause.Request, From: r.Cause.From, What: r.Cause.What, Changes: []ForkChange{}}
		for _, change := range r.Changes {
			c := ForkChange{Action: change.Op.String(), Kind: change.Kind, ID: change.ID, Fields: []ForkField{}}
			objects := [2]model.Object{}
			for i, v := range []seal.Value{change.Before, change.After} {
				if t := known[change.Kind]; t != nil && len(v) > 0 {
					o, err := sealer.Decode(t, v)
					if err != nil {
						return nil, fault.Wrap(err, fault.Malformed, fmt.Sprintf("read record %d", r.Index))
					}
					objects[i], c.Name = o, o.Base().Name
				}
			}
			if objects != [2]model.Object{} {
				for _, d := range catalogue.Differences(change.Kind, objects[0], objects[1]) {
					c.Fields = append(c.Fields, ForkField{d.Field, d.Before, d.After})
				}
			}
			one.Changes = append(one.Changes, c)
		}
		out = append(out, one)
	}
	return out, nil
}

// show prints a record: who, then what.
func (r *ForkRecord) show(t *term.Terminal) {
	head := fmt.Sprintf("%s  %d  %s", r.Time.Format(time.RFC3339), r.Index, r.Actor)
	for _, more := range []struct{ before, text string }{{" from ", r.From}, {"  ", r.What}, {"  request ", r.Request}} {
		if more.text != "" {
			head += more.before + more.text
		}
	}
	fmt.Fprintln(t.Out, onOneLine(head))
	for _, c := range r.Changes {
		name := c.Name
		if name == "" {
			name = string(c.ID)
		}
		sign := map[string]string{"create": "+", "update": "~", "delete": "-"}[c.Action]
		fmt.Fprintln(t.Out, "  "+t.Signed(sign, onOneLine(fmt.Sprintf("%s %s", c.Kind, name))))
		if c.Action == "delete" {
			continue
		}
		for _, f := range c.Fields {
			text := fmt.Sprintf("%s: %s", f.Field, f.After)
			if c.Action == "update" {
				text = fmt.Sprintf("%s: %s -> %s", f.Field, f.Before, f.After)
			}
			fmt.Fprintln(t.Out, "      "+onOneLine(text))
		}
	}
}

// onOneLine leaves out what would do something to a terminal.
func onOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
