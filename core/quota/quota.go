// Package quota counts what a project uses and says whether it may use more.
//
// Nothing is kept: usage is the sum over the project's machines, the nodes of its services, its disks and
// its shares, found by index in the same view the decision is made on, so it cannot drift and a refused
// request leaves nothing to give back.
// Whatever is being created or deleted counts as long as its object exists.
package quota

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Usage is what the project takes. A node of a Kawaii or Konvey counts as an instance of its shape, a
// Kylo as the bytes its files take, as last reported. Machines whose shape is being changed count with
// the larger one. Sums that would leave the range of int64 stay at its end.
func Usage(v model.View, project model.ID) model.Resources {
	var used model.Resources
	for machine := range model.By[*model.Instance](v, "project", project) {
		taken := machine.Taken()
		used.VCPUs = plus(used.VCPUs, taken.VCPUs)
		used.Memory = plus(used.Memory, taken.Memory)
		used.Instances++
	}
	for node := range model.By[*model.Node](v, "project", project) {
		used.VCPUs = plus(used.VCPUs, node.Shape.VCPUs)
		used.Memory = plus(used.Memory, node.Shape.Memory)
		used.Instances++
	}
	for volume := range model.By[*model.Volume](v, "project", project) {
		used.Storage = plus(used.Storage, volume.Size)
	}
	for share := range model.By[*model.Kylo](v, "project", project) {
		used.Storage = plus(used.Storage, share.Size)
	}
	return used
}

// Growth is what changing from old to new asks for in addition, never below zero: giving something back
// needs no quota.
func Growth(old, new model.Resources) model.Resources {
	grow := func(old, new int64) int64 {
		if new <= old {
			return 0
		}
		if d := new - old; d > 0 {
			return d
		}
		return math.MaxInt64 // the difference of far apart values of unlike sign
	}
	return model.Resources{
		VCPUs: grow(old.VCPUs, new.VCPUs), Memory: grow(old.Memory, new.Memory),
		Storage: grow(old.Storage, new.Storage), Instances: grow(old.Instances, new.Instances),
	}
}

// Check says whether the project may use delta more than it does in this view. Only what delta asks for
// is looked at: a project over its quota, because the quota was lowered, may still shrink and may still
// grow in other dimensions. Faults: Exhausted, naming every quota that is too small; NotFound for an
// unknown project.
func Check(v model.View, project model.ID, delta model.Resources, tr *trace.Trace) error {
	p, ok := model.Find[*model.Project](v, project)
	if !ok {
		return fault.New(fault.NotFound, "there is no project %s", project)
	}
	used := Usage(v, project)
	var short []string
	for _, d := range dimensions {
		limit, have, asked := *d.of(&p.Quotas), *d.of(&used), *d.of(&delta)
		if asked <= 0 {
			continue
		}
		if limit <= 0 {
			tr.Add("quota of "+d.name, project, trace.Allowed, "unlimited, %s used, %s asked", d.text(have), d.text(asked))
			continue
		}
		// limit - have cannot overflow: limit is positive and have is not negative.
		if asked <= limit-have {
			tr.Add("quota of "+d.name, project, trace.Allowed, "%s of %s used, %s asked", d.text(have), d.text(limit), d.text(asked))
			continue
		}
		tr.Add("quota of "+d.name, project, trace.Refused, "%s of %s used, %s asked", d.text(have), d.text(limit), d.text(asked))
		short = append(short, fmt.Sprintf("its quota of %s is %s, %s are used and %s more were asked for",
			d.name, d.text(limit), d.text(have), d.text(asked)))
	}
	if len(short) > 0 {
		return fault.New(fault.Exhausted, "project %q may not grow: %s; free something or ask for a larger quota",
			p.Name, strings.Join(short, "; "))
	}
	return nil
}

// dimensions are the quotas in the order they are checked and told.
var dimensions = []struct {
	name string
	of   func(*model.Resources) *int64
	text func(int64) string
}{
	{"instances", func(r *model.Resources) *int64 { return &r.Instances }, count},
	{"virtual CPUs", func(r *model.Resources) *int64 { return &r.VCPUs }, count},
	{"memory", func(r *model.Resources) *int64 { return &r.Memory }, trace.Size},
	{"storage", func(r *model.Resources) *int64 { return &r.Storage }, trace.Size},
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// plus adds two amounts that are not negative and stays at the end of the range.
func plus(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
