package api

import (
	"net/http"
	"net/url"
	"strconv"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// Bounds of a page of a list.
const (
	pageDefault = 100
	pageMax     = 1000
)

// page is what a list is asked for.
type page struct {
	limit int
	after model.ID
}

func readPage(q url.Values) (page, error) {
	p := page{limit: pageDefault}
	limit, err := single(q, "limit")
	if err == nil && limit != "" {
		if p.limit, err = strconv.Atoi(limit); err != nil || p.limit < 1 || p.limit > pageMax {
			err = bad("limit", "must be a number from 1 to %d", pageMax)
		}
	}
	if err != nil {
		return p, err
	}
	cursor, err := single(q, "cursor")
	if p.after = model.ID(cursor); err == nil && cursor != "" && !p.after.Valid() {
		err = bad("cursor", "must be what \"next\" of the page before said")
	}
	return p, err
}

// list answers a page of whole objects in order of id: {"items":[...],"next":"cursor"}. The last page
// has no next.
func (r *resource) list(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	p, err := readPage(q)
	if err != nil {
		return err
	}
	name, err := single(q, "name")
	if err != nil {
		return err
	}
	v := r.api.Views.View()
	within, err := r.parents(v, c, q)
	if err != nil {
		return err
	}
	objects := v.All(r.kind.Name)
	for _, n := range r.narrowing {
		if id := within[n.kind]; id != "" && n.index != "" {
			objects = v.By(r.kind.Name, n.index, string(id))
			break
		}
	}
	scope := access.NewScope(v, c.who)
	items := newItems(c, p)
	for o := range objects {
		m := o.Base()
		if m.ID <= p.after || name != "" && m.Name != name || !r.inside(o, within) {
			continue
		}
		u, isUser := o.(*model.User)
		switch {
		case scope.Visible(o):
			if !items.room(m.ID) {
				return items.end(c)
			}
			items.b = r.kind.Append(items.b, v, o, catalogue.Reader{Version: catalogue.V2, Secrets: access.ShowSecrets(v, c.who, o)})
		case isUser && access.Acquainted(v, c.who, u.ID):
			if !items.room(m.ID) {
				return items.end(c)
			}
			items.b = appendMate(items.b, u)
		}
	}
	return items.end(c)
}

// items collects a page.
type items struct {
	b    []byte
	left int
	last model.ID
	next model.ID
}

func newItems(c *call, p page) *items {
	return &items{b: append(c.buffer[:0], `{"items":[`...), left: p.limit}
}

// room prepares for one more item, or notes where the next page begins.
func (i *items) room(id model.ID) bool {
	if i.left == 0 {
		i.next = i.last
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
	if i.next != "" {
		i.b = catalogue.AppendString(append(i.b, `,"next":`...), i.next)
	}
	c.buffer = append(i.b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}
