package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
	"kowabunga/roles/kahuna/operate"
)

// detail is how much of an operation is written.
type detail int

const (
	brief detail = iota // without the trace
	full
)

// appendOperation writes an operation. Arguments and results of steps stay inside: they hold what only
// agents need. Of the trace the caller sees the facts about what he may know of.
func (a *API) appendOperation(b []byte, v model.View, who access.Identity, o *operation.Operation, d detail) []byte {
	b = catalogue.AppendString(append(b, `{"id":`...), o.ID)
	b = append(b, `,"kind":"operation"`...)
	b = catalogue.AppendString(append(b, `,"name":`...), o.Name)
	b = catalogue.AppendString(append(b, `,"what":`...), o.What)
	b = catalogue.AppendString(append(b, `,"state":`...), string(o.State))
	b = catalogue.AppendString(append(b, `,"target":{"kind":`...), string(o.Target.Kind))
	b = catalogue.AppendString(append(b, `,"id":`...), o.Target.ID)
	b = append(catalogue.AppendString(append(b, `,"name":`...), o.Target.Name), '}')
	if o.Project != "" {
		b = catalogue.AppendString(append(b, `,"project_id":`...), o.Project)
	}
	b = catalogue.AppendString(append(b, `,"actor":`...), o.Actor)
	if o.Request != "" {
		b = catalogue.AppendString(append(b, `,"request":`...), o.Request)
	}
	b = appendTime(append(b, `,"created":`...), o.Created)
	b = appendTime(append(b, `,"updated":`...), o.Updated)
	if !o.Finished.IsZero() {
		b = appendTime(append(b, `,"finished":`...), o.Finished)
	}
	b = strconv.AppendBool(append(b, `,"cancel":`...), o.Cancel)
	b = append(b, `,"steps":[`...)
	for i := range o.Steps {
		s := &o.Steps[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = catalogue.AppendString(append(b, `{"name":`...), s.Name)
		state := string(s.State)
		if s.State == operation.Pending {
			state = "pending"
		}
		b = catalogue.AppendString(append(b, `,"state":`...), state)
		b = append(strconv.AppendInt(append(b, `,"attempt":`...), int64(s.Attempt), 10), '}')
	}
	b = append(b, ']')
	if p, ok := a.Engine.Progress(o.ID); ok && !o.State.Final() {
		b = strconv.AppendInt(append(b, `,"progress":{"done":`...), p.Done, 10)
		b = strconv.AppendInt(append(b, `,"total":`...), p.Total, 10)
		b = catalogue.AppendString(append(b, `,"unit":`...), p.Unit)
		b = append(catalogue.AppendString(append(b, `,"note":`...), p.Note), '}')
	}
	if f := o.Fault; f != nil {
		b = catalogue.AppendString(append(b, `,"fault":{"code":`...), string(f.Code))
		if f.Field != "" {
			b = catalogue.AppendString(append(b, `,"field":`...), f.Field)
		}
		b = append(catalogue.AppendString(append(b, `,"message":`...), f.Public()), '}')
	}
	if d == full {
		b = appendTrace(append(b, `,"trace":`...), v, who, o)
	}
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), "2006-01-02T15:04:05.000Z"), '"')
}

// appendTrace writes the decision behind an operation.
func appendTrace(b []byte, v model.View, who access.Identity, o *operation.Operation) []byte {
	var t trace.Trace
	if len(o.Trace) > 0 && json.Unmarshal(o.Trace, &t) != nil {
		t.Facts = nil
	}
	return appendFacts(b, v, who, t.Facts)
}

// appendFacts writes {"facts":[...],"hidden":n}: the facts behind a decision that concern the caller,
// and how many concern things he may not know of.
func appendFacts(b []byte, v model.View, who access.Identity, all []trace.Fact) []byte {
	hidden := 0
	shown := make([]trace.Fact, 0, len(all))
	for _, f := range all {
		if concealed(v, who, f.Subject) {
			hidden++
			continue
		}
		shown = append(shown, f)
	}
	facts, err := json.Marshal(shown)
	if err != nil {
		facts = []byte("[]")
	}
	b = append(append(b, `{"facts":`...), facts...)
	return append(strconv.AppendInt(append(b, `,"hidden":`...), int64(hidden), 10), '}')
}

// concealed tells whether a fact is about an object the caller may not know of. What no longer exists is
// shown to superAdmins only.
func concealed(v model.View, who access.Identity, subject model.ID) bool {
	if subject == "" || who.SuperAdmin() {
		return false
	}
	for _, k := range catalogue.Kinds {
		if o, ok := v.Get(k.Name, subject); ok {
			return !access.Visible(v, who, o)
		}
	}
	return true
}

// downwards is the order of operations that begins with the newest one.
const downwards = "-id"

// listOperations answers a page of operations in order of id, which is order of time, or with sort=-id in the
// contrary order; state, target (an id) and project (an id or a name) narrow it.
func (a *API) listOperations(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	p, err := readPage(q)
	if err != nil {
		return err
	}
	want := map[string]string{}
	for _, name := range []string{"state", "target", "project", "sort"} {
		if want[name], err = single(q, name); err != nil {
			return err
		}
	}
	down := want["sort"] == downwards
	switch {
	case want["sort"] != "" && want["sort"] != "id" && !down:
		return bad("sort", "must be id or %s", downwards)
	case p.after.ID != "" && (p.after.Sort == downwards) != down:
		return bad("cursor", "belongs to a list in another order; begin without a cursor")
	}
	s, err := a.sight(c, q)
	if err != nil {
		return err
	}
	v := s.state
	if ref := want["project"]; ref != "" && !model.ID(ref).Valid() {
		o, err := a.resources[model.KindProject].lookup(s, c, ref, nil)
		if err != nil {
			return err
		}
		want["project"] = string(o.Base().ID)
	}
	objects := v.All(operation.Kind)
	for _, index := range []string{"target", "project", "state"} {
		if want[index] != "" {
			objects = v.By(operation.Kind, index, want[index])
			break
		}
	}
	if down {
		all := slices.Collect(objects)
		slices.Reverse(all)
		objects = slices.Values(all)
	}
	scope := access.NewScope(s.now, c.who)
	items := newItems(c, p)
	for object := range objects {
		o := object.(*operation.Operation)
		if !down && o.ID <= p.after.ID || down && p.after.ID != "" && o.ID >= p.after.ID || want["state"] != "" && string(o.State) != want["state"] ||
			want["target"] != "" && string(o.Target.ID) != want["target"] ||
			want["project"] != "" && string(o.Project) != want["project"] || !scope.Visible(o) {
			continue
		}
		if !items.room(o.ID) {
			if down {
				items.next.Sort = downwards
			}
			break
		}
		items.b = a.appendOperation(items.b, v, c.who, o, brief)
	}
	return items.end(c)
}

func (a *API) operation(v model.View, c *call) (*operation.Operation, error) {
	o, err := a.visible(v, c, operation.Kind, model.ID(c.path("id")))
	if err != nil {
		return nil, err
	}
	return o.(*operation.Operation), nil
}

// readOperation answers one operation with its trace; ?wait=true waits for its end.
func (a *API) readOperation(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	s, err := a.sight(c, q)
	if err != nil {
		return err
	}
	o, ok := model.Find[*operation.Operation](s.state, model.ID(c.path("id")))
	if !ok || !access.Visible(s.now, c.who, o) {
		return fault.New(fault.NotFound, "there is no operation of this id")
	}
	wait, err := flag(q, "wait")
	if err != nil {
		return err
	}
	if wait && !o.State.Final() && !s.past {
		if o, err = a.Engine.Wait(c.r.Context(), o.ID); err != nil {
			return err
		}
		s = present(a.Views.View())
	}
	c.buffer = a.appendOperation(c.buffer[:0], s.state, c.who, o, full)
	c.json(http.StatusOK, c.buffer)
	return nil
}

// cancelOperation asks for an operation to be called off and answers it as it stands.
func (a *API) cancelOperation(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	plan, err := flag(q, "plan")
	if err != nil {
		return err
	}
	o, err := a.operation(a.Views.View(), c)
	if err != nil {
		return err
	}
	by := operate.By{Who: c.who, Request: c.id, From: address(c.r)}
	if plan {
		p, after, err := a.Engine.PlanCancel(by, o.ID)
		if err != nil {
			return err
		}
		return a.planned(c, p, after)
	}
	if err := a.Engine.Cancel(c.r.Context(), by, o.ID); err != nil {
		return err
	}
	v := a.Views.View()
	if now, ok := model.Find[*operation.Operation](v, o.ID); ok {
		o = now
	}
	c.buffer = a.appendOperation(c.buffer[:0], v, c.who, o, brief)
	c.json(http.StatusAccepted, c.buffer)
	return nil
}
