package api

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Bounds of the work behind one page of the audit. A page may come back with fewer items than asked for,
// or none, and a cursor to go on with.
const (
	auditAtOnce = 256    // records read at a time
	auditMost   = 20_000 // records looked at, unless a test says otherwise
)

// auditParameters are what the audit is narrowed by.
var auditParameters = []string{"kind", "id", "object", "actor", "project", "since", "until", "from_index", "limit", "cursor"}

// inquiry is what the audit is asked for.
type inquiry struct {
	kind          model.Kind
	id            model.ID
	object, actor string
	project       model.ID
	since         time.Time
	first, last   uint64 // journal indexes, both included
	limit         int
}

func (a *API) inquiry(c *call, v model.View, q url.Values) (x inquiry, err error) {
	text := map[string]string{}
	for _, name := range auditParameters {
		if text[name], err = single(q, name); err != nil {
			return x, err
		}
	}
	if x.limit, err = readLimit(q); err != nil {
		return x, err
	}
	x.last, x.object, x.actor, x.id = v.Index(), text["object"], text["actor"], model.ID(text["id"])
	if name := text["kind"]; name != "" {
		if k, ok := catalogue.Named(name); ok {
			x.kind = k.Name
		} else if x.kind = model.Kind(name); name != "operation" && name != "session" && x.kind != model.KindPair {
			return x, bad("kind", "there is no kind of this name")
		}
	}
	if x.id != "" && !x.id.Valid() {
		return x, bad("id", "must be an id: 24 lower-case hexadecimal digits; object takes a name")
	}
	if ref := text["project"]; ref != "" {
		// A project that is gone is known by its id only.
		if x.project = model.ID(ref); !x.project.Valid() {
			o, err := a.resources[model.KindProject].find(v, c, ref, nil)
			if err != nil {
				return x, err
			}
			x.project = o.Base().ID
		}
	}
	if text["from_index"] != "" {
		if x.first, err = strconv.ParseUint(text["from_index"], 10, 64); err != nil {
			return x, bad("from_index", "must be a journal index")
		}
	}
	if text["since"] != "" {
		if x.since, err = readTime("since", text["since"]); err != nil {
			return x, err
		}
	}
	if text["until"] != "" {
		until, err := readTime("until", text["until"])
		if err != nil {
			return x, err
		}
		switch at, err := a.Past.IndexAt(until); {
		case fault.Is(err, fault.NotFound):
			x.last = 0 // before everything that is kept
		case err != nil:
			return x, err
		default:
			x.last = min(x.last, at)
		}
	}
	if text["cursor"] != "" {
		at, err := strconv.ParseUint(text["cursor"], 10, 64)
		if err != nil {
			return x, bad("cursor", "must be what \"next\" of the page before said")
		}
		x.last = min(x.last, at)
	}
	return x, nil
}

// audit answers who changed what, when and from where, the newest first: {"items":[...],"next":"cursor"}.
// The caller sees the changes of what he may know of, also of what is gone since.
func (a *API) audit(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	v := a.Views.View()
	x, err := a.inquiry(c, v, q)
	if err != nil {
		return err
	}
	b := append(c.buffer[:0], `{"items":[`...)
	found, looked, next := 0, 0, uint64(0)
	at, done := x.last, false
	for !done && at > 0 && at >= x.first {
		records, err := a.Past.Back(at, auditAtOnce)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		for i := range records {
			r := &records[i]
			if r.Index < x.first || r.Time.Before(x.since) {
				done = true
				break
			}
			if found == x.limit || looked == a.auditMost {
				next, done = r.Index, true
				break
			}
			looked++
			before := len(b)
			if found > 0 {
				b = append(b, ',')
			}
			entry, ok := a.appendEntry(b, v, c.who, &x, r)
			if b = entry; !ok {
				b = b[:before]
				continue
			}
			found++
		}
		at = records[len(records)-1].Index - 1
		if err := c.r.Context().Err(); err != nil {
			return err
		}
	}
	b = append(b, ']')
	if next > 0 {
		b = append(strconv.AppendUint(append(b, `,"next":"`...), next, 10), '"')
	}
	c.buffer = append(b, '}')
	c.json(200, c.buffer)
	return nil
}

// appendEntry writes a record; false when nothing in it is asked for or for the caller.
func (a *API) appendEntry(b []byte, v model.View, who access.Identity, x *inquiry, r *PastRecord) ([]byte, bool) {
	if x.actor != "" && x.actor != r.Actor && x.actor != r.ActorID {
		return b, false
	}
	b = strconv.AppendUint(append(b, `{"index":`...), r.Index, 10)
	b = appendTime(append(b, `,"time":`...), r.Time)
	for _, f := range [][2]string{{"actor", r.Actor}, {"actor_id", r.ActorID}, {"request", r.Request}, {"from", r.From}, {"what", r.What}} {
		b = append(append(append(b, `,"`...), f[0]...), `":`...)
		b = catalogue.AppendString(b, f[1])
	}
	b = append(b, `,"changes":[`...)
	some := false
	for i := range r.Changes {
		start := len(b)
		if some {
			b = append(b, ',')
		}
		entry, ok := a.appendPast(b, v, who, x, &r.Changes[i])
		if b = entry; !ok {
			b = b[:start]
			continue
		}
		some = true
	}
	return append(b, ']', '}'), some
}

func (a *API) appendPast(b []byte, v model.View, who access.Identity, x *inquiry, c *PastChange) ([]byte, bool) {
	if x.kind != "" && x.kind != c.Kind || x.id != "" && x.id != c.ID {
		return b, false
	}
	before, after, err := c.Decode()
	if err != nil {
		return b, false // of a release that kept this kind in another form
	}
	o := after
	if o == nil {
		o = before
	}
	seen := slices.ContainsFunc([]model.Object{before, after}, func(o model.Object) bool { return o != nil && access.Visible(v, who, o) })
	if o == nil || !seen || x.object != "" && !named(x.object, before, after) || x.project != "" && !ofProject(v, x.project, before, after) {
		return b, false
	}
	fields := catalogue.Differences(c.Kind, before, after)
	action := "update"
	switch {
	case before == nil:
		action = "create"
	case after == nil:
		action = "delete"
	}
	// That work began says what asked for it; that it ended is worth a line of its own.
	if len(fields) == 0 && action == "update" || catalogue.Of(c.Kind) == nil && c.Kind != model.KindSession && c.Kind != model.KindPair && action != "update" {
		return b, false
	}
	return appendChanged(b, v, who, action, c.Kind, c.ID, o.Base().Name, fields), true
}

func named(name string, objects ...model.Object) bool {
	return slices.ContainsFunc(objects, func(o model.Object) bool { return o != nil && o.Base().Name == name })
}

func ofProject(v model.View, project model.ID, objects ...model.Object) bool {
	return slices.ContainsFunc(objects, func(o model.Object) bool { return o != nil && access.ProjectOf(v, o) == project })
}
