package api

import (
	"iter"
	"net/http"
	"net/url"
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// listing is what a list of objects is asked for.
type listing struct {
	page
	name    string
	within  map[model.Kind]model.ID
	filters []catalogue.Filter
	labels  []catalogue.Selector
	order   order
	sort    string
}

// listParameters are what every list takes besides the parents of its kind.
var listParameters = []string{"limit", "cursor", "sort", "filter", "label", "name", "secrets", "as_of", "as-of"}

// maxConditions bounds the filters and labels of one list.
const maxConditions = 32

func (r *resource) listing(c *call, s sight, q url.Values) (l listing, err error) {
	if l.page, err = readPage(q); err != nil {
		return l, err
	}
	if l.name, err = single(q, "name"); err != nil {
		return l, err
	}
	if l.within, err = r.parents(s, c, q); err != nil {
		return l, err
	}
	if n := len(q["filter"]) + len(q["label"]); n > maxConditions {
		return l, bad("filter", "%d conditions are too many; a list takes at most %d", n, maxConditions)
	}
	for _, text := range q["filter"] {
		f, err := r.kind.Filter(text, func(kind model.Kind, ref string) (model.ID, error) {
			o, err := r.api.resources[kind].lookup(s, c, ref, l.within)
			if err != nil {
				return "", err
			}
			return o.Base().ID, nil
		})
		if err != nil {
			return l, err
		}
		l.filters = append(l.filters, f)
	}
	for _, text := range q["label"] {
		selector, err := catalogue.ParseSelector(text)
		if err != nil {
			return l, err
		}
		l.labels = append(l.labels, selector)
	}
	if l.sort, err = single(q, "sort"); err != nil {
		return l, err
	}
	if l.sort == "id" {
		l.sort = "" // the order lists have anyway
	}
	if l.order, err = r.kind.Order(l.sort); err != nil {
		return l, err
	}
	if l.after.ID != "" && (l.after.Sort != l.sort || len(l.after.Keys) != len(l.order)) {
		return l, bad("cursor", "belongs to a list in another order; begin without a cursor")
	}
	return l, nil
}

// fits tells whether an object fulfils all conditions.
func (r *resource) fits(l *listing, v model.View, o model.Object) bool {
	m := o.Base()
	if l.name != "" && m.Name != l.name || !r.inside(o, l.within) {
		return false
	}
	for i := range l.labels {
		if !l.labels[i].Match(m.Labels) {
			return false
		}
	}
	for i := range l.filters {
		if !l.filters[i].Match(v, o) {
			return false
		}
	}
	return true
}

// source yields the objects among which the listed ones are, by the narrowest index there is.
func (r *resource) source(l *listing, v model.View) iter.Seq[model.Object] {
	if l.name != "" && r.named {
		o, ok := v.One(r.kind.Name, "name", l.name)
		return func(yield func(model.Object) bool) {
			if ok {
				yield(o)
			}
		}
	}
	for _, n := range r.narrowing {
		if id := l.within[n.kind]; id != "" && n.index != "" {
			return v.By(r.kind.Name, n.index, string(id))
		}
	}
	return v.All(r.kind.Name)
}

// list answers a page of whole objects, in order of id unless sorted: {"items":[...],"next":"cursor"}.
// The last page has no next.
func (r *resource) list(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	s, err := r.api.sight(c, q)
	if err != nil {
		return err
	}
	l, err := r.listing(c, s, q)
	if err != nil {
		return err
	}
	seen := r.viewer(c, s)
	items := newItems(c, l.page)
	if len(l.order) == 0 {
		for o := range r.source(&l, s.state) {
			if o.Base().ID <= l.after.ID {
				continue
			}
			shown := seen(o)
			if shown == nil || !r.fits(&l, s.state, shown) {
				continue
			}
			if !items.room(shown.Base().ID) {
				break
			}
			items.b = r.append(items.b, c, s, o, shown)
		}
		return items.end(c)
	}
	chosen := r.choose(&l, s, seen)
	for i, candidate := range chosen {
		if !items.room(candidate.id) {
			items.next.Sort, items.next.Keys = l.sort, chosen[i-1].keys
			break
		}
		items.b = r.append(items.b, c, s, candidate.object, seen(candidate.object))
	}
	return items.end(c)
}

// choose picks the objects of a page of a sorted list and the one after it.
func (r *resource) choose(l *listing, s sight, seen func(model.Object) model.Object) []*candidate {
	chosen := selection{order: l.order, n: l.limit + 1}
	after := &candidate{id: l.after.ID, keys: l.after.Keys}
	probe := &candidate{}
	for o := range r.source(l, s.state) {
		shown := seen(o)
		if shown == nil || !r.fits(l, s.state, shown) {
			continue
		}
		probe.object, probe.id, probe.keys = o, o.Base().ID, l.order.keys(s.state, shown, probe.keys[:0])
		if after.id != "" && l.order.compare(probe, after) <= 0 || !chosen.admits(probe) {
			continue
		}
		chosen.add(&candidate{o, probe.id, slices.Clone(probe.keys)})
	}
	return chosen.sorted()
}

// viewer tells what of an object the caller sees: all of it, of users he shares a team with a user of
// the same id and name, or nothing.
func (r *resource) viewer(c *call, s sight) func(model.Object) model.Object {
	scope := access.NewScope(s.now, c.who)
	return func(o model.Object) model.Object {
		if scope.Visible(o) {
			return o
		}
		if u, ok := o.(*model.User); ok && access.Acquainted(s.now, c.who, u.ID) {
			return mate(u)
		}
		return nil
	}
}

// append writes an object as the caller sees it.
func (r *resource) append(b []byte, c *call, s sight, o, shown model.Object) []byte {
	if shown != o {
		return appendMate(b, shown.(*model.User))
	}
	return r.kind.Append(b, s.state, o, catalogue.Reader{Version: catalogue.V2, Secrets: !s.past && !s.bare && access.ShowSecrets(s.now, c.who, o)})
}

// items collects a page.
type items struct {
	b    []byte
	left int
	last model.ID
	next cursor
}

func newItems(c *call, p page) *items {
	return &items{b: append(c.buffer[:0], `{"items":[`...), left: p.limit}
}

// room prepares for one more item, or notes where the next page begins.
func (i *items) room(id model.ID) bool {
	if i.left == 0 {
		i.next.ID = i.last
		return false
	}
	if i.last != "" {
		i.b = append(i.b, ',')
	}
	i.left--
	i.last = id
	return true
}

func (i *items) end(c *call) error {
	i.b = append(i.b, ']')
	if i.next.ID != "" {
		i.b = catalogue.AppendString(append(i.b, `,"next":`...), i.next.String())
	}
	c.buffer = append(i.b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}
