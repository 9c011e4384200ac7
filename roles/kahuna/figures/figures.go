// Package figures tells Prometheus what there is and how much of it is taken, under the names of the
// earlier releases. Every scrape reads one view: what was deleted has no series any more, and nothing is
// kept in between.
package figures

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/cost"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/quota"
)

// Views gives the present state.
type Views interface{ View() model.View }

// Collector makes the series.
type Collector struct {
	views   Views
	scrapes atomic.Uint64
}

// New makes a collector.
func New(views Views) *Collector { return &Collector{views: views} }

// The families. Labels stand in order of name, as Prometheus shows them.
var (
	up      = family("up", "Whether the figures could be read.")
	scrapes = prometheus.NewDesc("kowabunga_total_scrapes", "Times the figures were read.", nil, nil)

	regions         = family("regions", "Regions.", "name")
	zones           = family("zones", "Zones.", "name")
	kaktusVCPUs     = family("kaktus_allocated_vcpus", "Virtual CPUs given to machines of a host.", "name", "zone")
	kaktusMemory    = family("kaktus_allocated_memory_bytes", "Memory given to machines of a host, bytes.", "name", "zone")
	kaktusInstances = family("kaktus_instances", "Machines of a host, nodes of gateways and load balancers included.", "name", "zone")
	kaktusCost      = family("kaktus_cost", "Price of a host a month.", "currency", "name", "zone")
	poolsAllocated  = family("storage_pools_allocated_bytes", "Bytes taken in the storage pools of a region.", "region")
	poolsFree       = family("storage_pools_free_bytes", "Bytes free in the storage pools of a region.", "region")
	poolsCapacity   = family("storage_pools_capacity_bytes", "Capacity of the storage pools of a region, bytes.", "region")
	poolsCost       = family("storage_pools_cost", "Price of the storage pools of a region a month.", "currency", "region")
	networks        = family("virtual_networks", "Virtual networks of a region, public and private.", "region", "type")
	privateSubnets  = family("private_subnets", "Private subnets of a region, allocated to projects and free.", "netmask", "region", "type")
	publicAddresses = family("public_subnets_ips", "Addresses of the public subnets of a region: reserved, allocated and free.", "netmask", "region", "type")

	projects         = family("projects", "Projects.", "name")
	projectInstances = family("project_instances", "Machines of a project, nodes of gateways and load balancers included.", "name")
	projectVCPUs     = family("project_allocated_vcpus", "Virtual CPUs of a project.", "name")
	projectMemory    = family("project_allocated_memory_bytes", "Memory of a project, bytes.", "name")
	projectVolumes   = family("project_volumes", "Volumes of a project.", "name")
	projectStorage   = family("project_allocated_storage_bytes", "Storage of a project, bytes.", "name")
	projectCost      = family("project_estimated_cost", "Price of a project a month, in the currency that most of it is in.", "currency", "name")

	instanceSettings = family("instance_settings", "Machines.", "ip", "name", "os", "project")
	instanceVCPUs    = family("instance_allocated_vcpus", "Virtual CPUs of a machine.", "name", "project")
	instanceMemory   = family("instance_allocated_memory_bytes", "Memory of a machine, bytes.", "name", "project")
	instanceCost     = family("instance_estimated_cost", "Price of a machine's processors and memory a month.", "currency", "name", "project")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.desc
	}
	out <- scrapes
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	v := c.views.View()
	s := sink{out: out}
	s.places(v)
	s.storage(v)
	s.networks(v)
	s.tenants(v)
	s.machines(v)
	s.put(up, 1)
	out <- prometheus.MustNewConstMetric(scrapes, prometheus.CounterValue, float64(c.scrapes.Add(1)))
}

// places are regions, zones and hosts.
func (s *sink) places(v model.View) {
	for r := range model.All[*model.Region](v) {
		s.put(regions, 1, r.Name)
	}
	for z := range model.All[*model.Zone](v) {
		s.put(zones, 1, z.Name)
	}
	for k := range model.All[*model.Kaktus](v) {
		zone := nameOf[*model.Zone](v, k.Zone)
		var taken model.Shape
		n := 0
		for o := range model.By[*model.Instance](v, "kaktus", k.ID) {
			shape := o.Taken()
			taken.VCPUs, taken.Memory, n = taken.VCPUs+shape.VCPUs, taken.Memory+shape.Memory, n+1
		}
		for o := range model.By[*model.Node](v, "kaktus", k.ID) {
			taken.VCPUs, taken.Memory, n = taken.VCPUs+o.Shape.VCPUs, taken.Memory+o.Shape.Memory, n+1
		}
		s.put(kaktusVCPUs, float64(taken.VCPUs), k.Name, zone)
		s.put(kaktusMemory, float64(taken.Memory), k.Name, zone)
		s.put(kaktusInstances, float64(n), k.Name, zone)
		var prices sums
		prices.add(currency(k.CPUCost), k.CPUCost.Price)
		prices.add(currency(k.MemoryCost), k.MemoryCost.Price)
		for _, p := range prices {
			s.put(kaktusCost, p.value, p.key, k.Name, zone)
		}
	}
}

// storage adds up the pools of a region.
func (s *sink) storage(v model.View) {
	for r := range model.All[*model.Region](v) {
		var capacity, free int64
		var prices sums
		n := 0
		for p := range model.By[*model.Pool](v, "region", r.ID) {
			capacity, free, n = capacity+p.Capacity, free+p.Available, n+1
			prices.add(currency(p.Cost), p.Cost.Price)
		}
		if n == 0 {
			continue
		}
		s.put(poolsCapacity, float64(capacity), r.Name)
		s.put(poolsFree, float64(free), r.Name)
		s.put(poolsAllocated, float64(max(0, capacity-free)), r.Name)
		for _, p := range prices {
			s.put(poolsCost, p.value, p.key, r.Name)
		}
	}
}

// networks counts segments, subnets and public addresses by region.
func (s *sink) networks(v model.View) {
	for r := range model.All[*model.Region](v) {
		var private, public int
		var owned, unowned [129]int            // private subnets by length of their prefix
		var reserved, given, left [129]float64 // public addresses, likewise
		var lengths [129]bool
		for n := range model.By[*model.VNet](v, "region", r.ID) {
			if n.Private {
				private++
			} else {
				public++
			}
			for o := range model.By[*model.Subnet](v, "vnet", n.ID) {
				c, ok := count(o)
				switch {
				case !ok:
				case n.Private && o.Project != "":
					owned[c.bits]++
				case n.Private:
					unowned[c.bits]++
				default:
					addresses := 0
					for a := range model.By[*model.Adapter](v, "subnet", o.ID) {
						addresses += len(a.Addresses)
					}
					lengths[c.bits] = true
					reserved[c.bits] += c.reserved
					given[c.bits] += float64(addresses)
					left[c.bits] += max(0, c.size-c.reserved-float64(addresses))
				}
			}
		}
		s.put(networks, float64(private), r.Name, "private")
		s.put(networks, float64(public), r.Name, "public")
		for bits := range lengths {
			mask := strconv.Itoa(bits)
			if owned[bits]+unowned[bits] > 0 {
				s.put(privateSubnets, float64(owned[bits]), mask, r.Name, "allocated")
				s.put(privateSubnets, float64(unowned[bits]), mask, r.Name, "free")
			}
			if lengths[bits] {
				s.put(publicAddresses, reserved[bits], mask, r.Name, "reserved")
				s.put(publicAddresses, given[bits], mask, r.Name, "allocated")
				s.put(publicAddresses, left[bits], mask, r.Name, "free")
			}
		}
	}
}

// tenants are the projects and what they take.
func (s *sink) tenants(v model.View) {
	for p := range model.All[*model.Project](v) {
		used := quota.Usage(v, p.ID)
		volumes := 0
		for range model.By[*model.Volume](v, "project", p.ID) {
			volumes++
		}
		price := cost.Project(v, p.ID)
		s.put(projects, 1, p.Name)
		s.put(projectInstances, float64(used.Instances), p.Name)
		s.put(projectVCPUs, float64(used.VCPUs), p.Name)
		s.put(projectMemory, float64(used.Memory), p.Name)
		s.put(projectVolumes, float64(volumes), p.Name)
		s.put(projectStorage, float64(used.Storage), p.Name)
		s.put(projectCost, price.Price, price.Currency, p.Name)
	}
}

// machines are the instances, those of Komputes included.
func (s *sink) machines(v model.View) {
	for o := range model.All[*model.Instance](v) {
		project, ip := nameOf[*model.Project](v, o.Project), ""
		if address, subnet := metadata.Local(v, o); subnet != nil {
			ip = address.String()
		}
		price := cost.Machine(v, o)
		s.put(instanceSettings, 1, ip, o.Name, o.OS, project)
		s.put(instanceVCPUs, float64(o.VCPUs), o.Name, project)
		s.put(instanceMemory, float64(o.Memory), o.Name, project)
		s.put(instanceCost, price.Price, price.Currency, o.Name, project)
	}
}

func nameOf[O model.Object](v model.View, id model.ID) string {
	if o, ok := model.Find[O](v, id); ok {
		return o.Base().Name
	}
	return ""
}

func currency(c model.Cost) string {
	if c.Currency == "" {
		return cost.Euro
	}
	return c.Currency
}
