package api

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// Bounds of a page of a list.
const (
	pageDefault = 100
	pageMax     = 1000
	cursorMax   = 8 << 10 // bytes of a cursor
	keyMax      = 256     // bytes of a text that count for the order of a list
)

// cursor is where a page ended: the id of its last item and, in a sorted list, what that was sorted by.
// Items that come or go in the meantime move nothing.
type cursor struct {
	Sort string            `json:"s,omitempty"`
	Keys []catalogue.Value `json:"k,omitempty"`
	ID   model.ID          `json:"i"`
}

func (c cursor) String() string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain values only; numbers are finite
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// page is what a list is asked for.
type page struct {
	limit int
	after cursor
}

func readPage(q url.Values) (page, error) {
	p := page{}
	var err error
	if p.limit, err = readLimit(q); err != nil {
		return p, err
	}
	text, err := single(q, "cursor")
	if err != nil || text == "" {
		return p, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(text[:min(len(text), cursorMax)])
	if err != nil || json.Unmarshal(raw, &p.after) != nil || !p.after.ID.Valid() {
		return p, bad("cursor", "must be what \"next\" of the page before said")
	}
	return p, nil
}

func readLimit(q url.Values) (int, error) {
	text, err := single(q, "limit")
	if err != nil || text == "" {
		return pageDefault, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > pageMax {
		return 0, bad("limit", "must be a number from 1 to %d", pageMax)
	}
	return n, nil
}
