// Package metadata is what a machine may learn of itself while it runs: the document behind
// /latest/meta-data, with the field names of the earlier releases, and the secret by which a machine
// proves that it is the one it says it is.
package metadata

import (
	"fmt"
	"math"
	"net/netip"

	"kowabunga/core/model"
)

// Document is what a machine reads of itself. Lists are never null.
type Document struct {
	ID          string     `json:"instance-id"`
	Name        string     `json:"local-hostname"`
	Description string     `json:"description"`
	Kaktus      string     `json:"kaktus"` // name of its host
	VCPUs       int64      `json:"vcpu"`
	Memory      int64      `json:"mem_gb"`      // GiB, rounded down
	LocalIPv4   string     `json:"local-ipv4"`  // empty when it has no IPv4 address
	SubnetCIDR  string     `json:"subnet_cidr"` // the subnet of LocalIPv4
	Template    string     `json:"template"`    // name of the template of its OS disk
	Cost        string     `json:"monthly_cost"`
	Project     string     `json:"project"`
	Domain      string     `json:"domain"` // of the project
	Zone        string     `json:"zone"`
	Region      string     `json:"region"`
	Tags        []string   `json:"tags"`      // of the project
	Metadatas   []Metadata `json:"metadatas"` // of the project
	Peers       []string   `json:"peers"`     // private addresses of the other nodes of its gateway
	Kawaii      *Kawaii    `json:"kawaii,omitempty"`
	Konvey      *Konvey    `json:"konvey,omitempty"`
}

// Metadata is a pair of words that the project hands to its machines.
type Metadata struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Of makes the document of a machine. cost is its price a month, nil where nobody knows it. What the
// machine refers to and is not there is left empty: a guest is better served with the rest.
func Of(v model.View, o *model.Instance, cost *model.Cost) Document {
	d := Document{
		ID: string(o.ID), Name: o.Name, Description: o.Description, VCPUs: o.VCPUs, Memory: o.Memory >> 30,
		Tags: []string{}, Metadatas: []Metadata{}, Peers: []string{},
	}
	if cost != nil && !math.IsNaN(cost.Price) && !math.IsInf(cost.Price, 0) {
		d.Cost = fmt.Sprintf("%f %s", cost.Price, cost.Currency)
	}
	if p, ok := model.Find[*model.Project](v, o.Project); ok {
		d.Project, d.Domain = p.Name, p.Domain
		d.Tags = append(d.Tags, p.Tags...)
		for _, m := range p.Metadatas {
			d.Metadatas = append(d.Metadatas, Metadata(m))
		}
	}
	if host, ok := model.Find[*model.Kaktus](v, o.Kaktus); ok {
		d.Kaktus = host.Name
	}
	if zone, ok := model.Find[*model.Zone](v, o.Zone); ok {
		d.Zone = zone.Name
		if region, ok := model.Find[*model.Region](v, zone.Region); ok {
			d.Region = region.Name
		}
	}
	for _, id := range o.Volumes {
		if disk, ok := model.Find[*model.Volume](v, id); ok && disk.Type == "os" {
			if t, ok := model.Find[*model.Template](v, disk.Template); ok {
				d.Template = t.Name
			}
		}
	}
	if address, subnet := Local(v, o); subnet != nil {
		d.LocalIPv4, d.SubnetCIDR = address.String(), subnet.CIDR
	}
	return d
}

// Local is the address a machine is known by, with its subnet: the first IPv4 address it has on a
// private segment, or else on any. Without one the subnet is nil.
func Local(v model.View, o *model.Instance) (netip.Addr, *model.Subnet) {
	var public netip.Addr
	var publicNet *model.Subnet
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](v, id)
		if !ok {
			continue
		}
		s, ok := model.Find[*model.Subnet](v, a.Subnet)
		if !ok {
			continue
		}
		n, ok := model.Find[*model.VNet](v, s.VNet)
		for _, text := range a.Addresses {
			address, err := netip.ParseAddr(text)
			if err != nil || !address.Is4() {
				continue
			}
			if ok && n.Private {
				return address, s
			}
			if publicNet == nil {
				public, publicNet = address, s
			}
			break
		}
	}
	return public, publicNet
}
