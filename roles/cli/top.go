package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// loads is what API v2 answers about hosts, projects and pools.
type loads struct {
	Hosts []struct {
		Name           string `json:"name"`
		Zone           string `json:"zone"` // id
		Online         bool   `json:"online"`
		Threads        int64  `json:"threads"`
		Memory         int64  `json:"memory"`
		VCPUsPromised  int64  `json:"vcpus_promised"`
		VCPUsTotal     int64  `json:"vcpus_total"`
		MemoryPromised int64  `json:"memory_promised"`
		MemoryTotal    int64  `json:"memory_total"`
		Instances      int64  `json:"instances"`
	} `json:"hosts"`
	Projects []struct {
		Name   string         `json:"name"`
		Usage  map[string]any `json:"usage"`
		Quotas map[string]any `json:"quotas"`
		Cost   struct {
			Price    float64 `json:"price"`
			Currency string  `json:"currency"`
		} `json:"cost"`
	} `json:"projects"`
	Pools []struct {
		Name      string `json:"name"`
		Capacity  int64  `json:"capacity"`
		Available int64  `json:"available"`
	} `json:"pools"`
}

var topics = []string{"hosts", "projects", "pools"}

func topCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top [hosts|projects|pools]",
		Short: "Show how full hosts, projects and pools are",
		Long: "Show how full hosts, projects and pools are: what is promised of what there is, what projects use of their quotas and what that costs. " +
			"Shares of hosts count with their overcommitment. With --watch it is shown again and again.",
		Example:   "  kowabunga top\n  kowabunga top hosts --watch\n  kowabunga top projects -o json",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: topics,
	}
	watch := cmd.Flags().BoolP("watch", "w", false, "show it again and again, until you interrupt it")
	every := cmd.Flags().Duration("every", 2*time.Second, "`TIME`: with --watch: how often")
	_ = cmd.RegisterFlagCompletionFunc("every", cobra.NoFileCompletions)
	return leaf(cmd, nil, asData, func(c *call, args []string) error {
		wanted := topics
		if len(args) > 0 {
			wanted = args
		}
		for {
			a, err := c.api.Do(c.ctx, client.Request{Op: "read how full it is", Path: "/top"})
			if *watch && c.ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if *watch && !c.data() {
				c.again()
			}
			if err := c.top(a, wanted); err != nil || !*watch {
				return err
			}
			if client.Pause(c.ctx, max(*every, 100*time.Millisecond)) != nil {
				return nil
			}
		}
	})
}

// again begins another picture: on a terminal in place of the one before.
func (c *call) again() {
	if term.IsTerminal(c.t.Out) {
		fmt.Fprint(c.t.Out, "\x1b[H\x1b[2J") // ECMA-48: cursor to the first line, erase the page
	}
	fmt.Fprintf(c.t.Out, "%s\n\n", local(time.Now()))
}

func (c *call) top(a *client.Answer, wanted []string) error {
	if c.data() {
		var all map[string]json.RawMessage
		if err := a.Decode("read how full it is", &all); err != nil {
			return err
		}
		if len(wanted) == 1 {
			return c.print(all[wanted[0]])
		}
		return c.print(json.RawMessage(a.Body))
	}
	var l loads
	if err := a.Decode("read how full it is", &l); err != nil {
		return err
	}
	first := true
	for _, topic := range wanted {
		table := c.topic(&l, topic)
		if table == nil {
			return fault.New(fault.Internal, "there is no table of %s", topic)
		}
		if table.Len() == 0 && len(wanted) > 1 {
			continue
		}
		if !first {
			fmt.Fprintln(c.t.Out)
		}
		first = false
		if table.Len() == 0 {
			if _, err := fmt.Fprintf(c.t.Err, "no %s\n", topic); err != nil {
				return err
			}
			continue
		}
		if err := c.t.Table(table); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) topic(l *loads, topic string) *term.Table {
	switch topic {
	case "hosts":
		t := &term.Table{Head: []string{"host", "zone", "state", "machines", "vcpus", "", "memory", ""}}
		for _, h := range l.Hosts {
			state := "connected"
			if !h.Online {
				state = "lost"
			}
			t.Add(h.Name, c.names.name("zone", h.Zone), state, fmt.Sprint(h.Instances),
				fmt.Sprintf("%d of %d", h.VCPUsPromised, h.VCPUsTotal), share(h.VCPUsPromised, h.VCPUsTotal),
				fmt.Sprintf("%s of %s", config.Size(h.MemoryPromised), config.Size(h.MemoryTotal)), share(h.MemoryPromised, h.MemoryTotal))
		}
		return t
	case "projects":
		t := &term.Table{Head: append([]string{"project"}, append(resourceNames, "cost a month")...)}
		for _, p := range l.Projects {
			row := []string{p.Name}
			for _, name := range resourceNames {
				used, _ := p.Usage[name].(float64)
				text := amount(name, used)
				if limit, _ := p.Quotas[name].(float64); limit > 0 {
					text += " of " + amount(name, limit)
				}
				row = append(row, text)
			}
			t.Add(append(row, fmt.Sprintf("%.2f %s", p.Cost.Price, p.Cost.Currency))...)
		}
		return t
	case "pools":
		t := &term.Table{Head: []string{"pool", "used", ""}}
		for _, p := range l.Pools {
			if p.Capacity <= 0 {
				t.Add(p.Name, "not reported yet")
				continue
			}
			used := p.Capacity - p.Available
			t.Add(p.Name, fmt.Sprintf("%s of %s", term.Bytes(used), term.Bytes(p.Capacity)), share(used, p.Capacity))
		}
		return t
	}
	return nil
}

// share is a part of a whole in percent.
func share(part, whole int64) string {
	if whole <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}
