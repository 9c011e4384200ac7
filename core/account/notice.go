package account

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/cost"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Notified are the members of a project who want mail about it, each once however many of its teams he
// is in, in order of id.
func Notified(v model.View, p *model.Project) []*model.User {
	var out []*model.User
	for _, team := range p.Teams {
		t, ok := model.Find[*model.Team](v, team)
		if !ok {
			continue
		}
		for _, id := range t.Users {
			u, ok := model.Find[*model.User](v, id)
			if ok && u.Notifications && !u.Disabled && !slices.ContainsFunc(out, func(o *model.User) bool { return o.ID == id }) {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b *model.User) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// TellProject writes to the members of a new project what it may use and which networks are its own.
func TellProject(d model.Draft, c Cause, p *model.Project) error {
	limit := func(n int64, text string) string {
		if n == 0 {
			return "unlimited"
		}
		return text
	}
	var networks []map[string]any
	for s := range model.By[*model.Subnet](d, "project", p.ID) {
		networks = append(networks, map[string]any{"Name": s.Name, "CIDR": s.CIDR, "Gateway": s.Gateway, "DNS": s.DNS})
	}
	for _, u := range Notified(d, p) {
		_, err := Post(d, c, Project, to(u), map[string]any{"Project": p.Name, "Domain": p.Domain,
			"VCPUs": limit(p.Quotas.VCPUs, number(p.Quotas.VCPUs)), "Memory": limit(p.Quotas.Memory, trace.Size(p.Quotas.Memory)),
			"Storage": limit(p.Quotas.Storage, trace.Size(p.Quotas.Storage)), "Instances": limit(p.Quotas.Instances, number(p.Quotas.Instances)),
			"Networks": networks}, time.Time{})
		if err != nil {
			return err
		}
	}
	return nil
}

// TellInstance writes to the members of its project how to reach a new machine. The letters wait for the
// operation that makes it: whoever begins that ends with Ready or Remove for each of them.
//
// rootPassword is empty unless it was drawn for this very machine: one that the project sets is known to
// who set it, opens its other machines as well, and does not travel by mail. Nor does any to an address
// that nobody proved to read.
func TellInstance(d model.Draft, c Cause, operation model.ID, o *model.Instance, rootPassword string) ([]model.Object, error) {
	p, ok := model.Find[*model.Project](d, o.Project)
	if !ok {
		return nil, nil
	}
	data := map[string]any{"Instance": o.Name, "Project": p.Name, "OS": o.OS, "VCPUs": number(o.VCPUs), "Memory": trace.Size(o.Memory), "Account": p.BootstrapUser, "Zone": "", "Cost": price(cost.Machine(d, o))}
	if z, ok := model.Find[*model.Zone](d, o.Zone); ok {
		data["Zone"] = z.Name
	}
	disks, public, private := []string{}, []string{}, []string{}
	for _, id := range o.Volumes {
		if v, ok := model.Find[*model.Volume](d, id); ok {
			disks = append(disks, trace.Size(v.Size))
		}
	}
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](d, id)
		if !ok {
			continue
		}
		s, _ := model.Find[*model.Subnet](d, a.Subnet)
		if n, ok := networkOf(d, s); ok && !n.Private {
			public = append(public, a.Addresses...)
		} else {
			private = append(private, a.Addresses...)
		}
	}
	data["Disks"], data["Public"], data["Private"] = disks, public, private
	var out []model.Object
	for _, u := range Notified(d, p) {
		data["RootPassword"] = ""
		if u.Confirmed {
			data["RootPassword"] = rootPassword
		}
		l, err := Post(d, c, Instance, to(u), data, time.Time{})
		if err != nil {
			return nil, err
		}
		l = model.Edit(l)
		l.Phase, l.Operation = model.Creating, operation
		if err := d.Put(l); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// price is what a month costs, without the disks; empty for what costs nothing.
func price(c model.Cost) string {
	if c.Price == 0 {
		return ""
	}
	return strconv.FormatFloat(c.Price, 'f', 2, 64) + " " + c.Currency
}

func networkOf(v model.View, s *model.Subnet) (*model.VNet, bool) {
	if s == nil {
		return nil, false
	}
	return model.Find[*model.VNet](v, s.VNet)
}
