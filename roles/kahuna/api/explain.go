package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// decisive tells whether an operation recorded facts that something was decided by; a power action, for
// one, decides nothing.
func decisive(o *operation.Operation) bool {
	var t trace.Trace
	return len(o.Trace) > 0 && json.Unmarshal(o.Trace, &t) == nil && len(t.Facts) > 0
}

// explain answers why an object is as it is: the latest operation on it that recorded a decision, and
// what is against that decision at present. With ?why_not=HOST it also answers, for a machine, why it is
// not on that host, as things are now.
func (a *API) explain(c *call) error {
	k, ok := catalogue.Named(c.path("kind"))
	if !ok {
		return fault.New(fault.NotFound, "there is no kind of this name")
	}
	q, err := values(c.r)
	if err != nil {
		return err
	}
	ref, err := single(q, "why_not")
	if err != nil {
		return err
	}
	v := a.Views.View()
	object, err := a.resources[k.Name].find(v, c, c.path("id"), nil)
	if err != nil {
		return err
	}
	m := object.Base()
	b := catalogue.AppendString(append(c.buffer[:0], `{"kind":`...), string(k.Name))
	b = catalogue.AppendString(append(b, `,"id":`...), m.ID)
	b = catalogue.AppendString(append(b, `,"name":`...), m.Name)
	decided := a.decided(v, c, m.ID)
	switch {
	case decided != nil:
		b = a.appendOperation(append(b, `,"operation":`...), v, c.who, decided, full)
	case ref == "":
		return fault.New(fault.NotFound, "no decision about this %s is on record; it needed no operation, or its operation is no longer kept", k.Name)
	}
	if ref != "" {
		why, err := a.whyNot(v, c, object, ref)
		if err != nil {
			return err
		}
		b = why.append(append(b, `,"why_not":`...))
	}
	if facts := standing(v, object); len(facts) > 0 {
		b = appendFactList(append(b, `,"now":`...), facts)
	}
	c.buffer = append(b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// decided is the latest operation on an object that recorded a decision and that the caller may see.
func (a *API) decided(v model.View, c *call, id model.ID) (decided *operation.Operation) {
	for o := range model.By[*operation.Operation](v, "target", id) {
		// Ids are in order of time only from one second to the next.
		if (decided == nil || !o.Created.Before(decided.Created)) && decisive(o) && access.Visible(v, c.who, o) {
			decided = o
		}
	}
	return decided
}

// machineOf is the machine that an object is, or that it has; nil for none.
func machineOf(v model.View, o model.Object) *model.Instance {
	switch o := o.(type) {
	case *model.Instance:
		return o
	case *model.Kompute:
		m, _ := model.Find[*model.Instance](v, o.Instance)
		return m
	}
	return nil
}

// standing lists what would be decided otherwise today: a machine that is together with others of a group
// that is to be apart.
func standing(v model.View, o model.Object) []trace.Fact {
	m := machineOf(v, o)
	if m == nil {
		return nil
	}
	group, others := place.Together(v, m)
	if group == nil {
		return nil
	}
	t := trace.Trace{}
	where := "zone"
	if group.Policy == model.ApartByHost {
		where = "host"
	}
	if others == 0 {
		t.Add("kwarantine", group.ID, trace.Allowed, "%s: not too many of its machines in the same %s", group.Name, where)
	} else {
		t.Add("kwarantine", group.ID, trace.Refused, "%s: %d more of its machines in the same %s; it stays until it is placed anew", group.Name, others, where)
	}
	return t.Facts
}

// objection is what is against a host for a machine, or, where nothing is, what is better.
type objection struct {
	host    *model.Kaktus
	here    bool // the machine is there
	verdict trace.Verdict
	value   string
	instead *trace.Fact // of the host that would be chosen now
}

func (o objection) append(b []byte) []byte {
	b = catalogue.AppendString(append(b, `{"host":`...), o.host.ID)
	b = catalogue.AppendString(append(b, `,"name":`...), o.host.Name)
	b = strconv.AppendBool(append(b, `,"here":`...), o.here)
	b = catalogue.AppendString(append(b, `,"verdict":`...), string(o.verdict))
	b = catalogue.AppendString(append(b, `,"value":`...), o.value)
	if o.instead != nil {
		b = catalogue.AppendString(append(b, `,"instead":{"host":`...), o.instead.Subject)
		b = append(catalogue.AppendString(append(b, `,"value":`...), o.instead.Value), '}')
	}
	return append(b, '}')
}

// whyNot decides anew where a machine would go if it had no host yet, and picks what concerns one host.
// Who may not know of hosts gets NotFound.
func (a *API) whyNot(v model.View, c *call, object model.Object, ref string) (objection, error) {
	found, err := a.resources[model.KindKaktus].find(v, c, ref, nil)
	if err != nil {
		return objection{}, err
	}
	r, on, err := placed(v, object)
	if err != nil {
		return objection{}, err
	}
	o := objection{host: found.(*model.Kaktus), verdict: trace.Refused}
	o.here = o.host.ID == on
	if o.host.Zone != r.Zone {
		zone, _ := model.Find[*model.Zone](v, o.host.Zone)
		mine, _ := model.Find[*model.Zone](v, r.Zone)
		o.value = fmt.Sprintf("it is in zone %q, and the machine was asked for in zone %q", zone.Name, mine.Name)
		return o, nil
	}
	tr := &trace.Trace{Detail: true}
	outlook, err := place.Foresee(v, a.Engine.Online, r, tr)
	if err != nil {
		return o, err
	}
	if outlook.Refused != nil {
		o.value = fault.From(outlook.Refused).Public()
	}
	for _, f := range tr.About(o.host.ID) {
		o.verdict, o.value = f.Verdict, f.Value
	}
	if outlook.Host != "" && outlook.Host != o.host.ID {
		o.instead = &tr.About(outlook.Host)[0]
	}
	return o, nil
}

// placed is the request that would place an object again, and the host it is on.
func placed(v model.View, object model.Object) (place.Request, model.ID, error) {
	if n, ok := object.(*model.Node); ok {
		return place.Request{Shape: n.Shape, Zone: n.Zone, Project: n.Project, Self: n.ID}, n.Kaktus, nil
	}
	m := machineOf(v, object)
	if m == nil {
		return place.Request{}, "", bad("why_not", "only machines and nodes have a host; this is a %s", object.Kind())
	}
	r := place.Request{Shape: model.Shape{VCPUs: m.VCPUs, Memory: m.Memory}, Zone: m.Zone, Project: m.Project, Kwarantine: m.Kwarantine, Self: m.ID}
	for _, id := range m.Volumes {
		if disk, ok := model.Find[*model.Volume](v, id); ok {
			r.Pools = append(r.Pools, disk.Pool)
		}
	}
	return r, m.Kaktus, nil
}

// appendFactList writes facts that the caller may see all of.
func appendFactList(b []byte, facts []trace.Fact) []byte {
	text, err := json.Marshal(facts)
	if err != nil || facts == nil {
		text = []byte("[]")
	}
	return append(b, text...)
}
