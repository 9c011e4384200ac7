package wire

import (
	"encoding/json"
	"strconv"

	"kowabunga/core/release"
)

// Builder writes a document in canonical form from entries that are encoded already, so that what did not
// change need not be encoded again.
type Builder struct{ b []byte }

// Begin starts a document. size is how many bytes it will have, about.
func Begin(schema, size int) *Builder {
	b := append(make([]byte, 0, size+64), "{\n\"schema\":"...)
	return &Builder{strconv.AppendInt(b, int64(schema), 10)}
}

func (d *Builder) name(name string) {
	d.b = append(append(append(d.b, ",\n\""...), name...), "\":"...)
}

// Text writes a member that is a text.
func (d *Builder) Text(name, text string) *Builder {
	d.name(name)
	d.b = append(d.b, Line(text)...)
	return d
}

// Part is entries of a list: each on its line, with ",\n" between them; empty when there are none.
type Part []byte

// List writes a member that is a list, of entries that come in several parts.
func (d *Builder) List(name string, parts ...Part) *Builder {
	d.name(name)
	d.b = append(d.b, '[')
	none := true
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if !none {
			d.b = append(d.b, ',')
		}
		none = false
		d.b = append(append(d.b, '\n'), p...)
	}
	if !none {
		d.b = append(d.b, '\n')
	}
	d.b = append(d.b, ']')
	return d
}

// End finishes the document.
func (d *Builder) End() []byte { return append(d.b, release.Member+"\n}"...) }

// Lines encodes entries of a list.
func Lines[T any](entries []T) Part {
	var b []byte
	for i := range entries {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = append(b, Line(entries[i])...)
	}
	return b
}

// Line encodes one entry of a list. It alone reveals the secrets in it. What cannot be encoded is a defect
// of ours and panics.
func Line(entry any) []byte {
	if t, ok := entry.(Tunnel); ok {
		entry = struct {
			Tunnel
			PreSharedKey string `json:"preSharedKey"` // stands before the embedded one, being less deep
		}{t, t.PreSharedKey.Reveal()}
	}
	b, err := json.Marshal(entry)
	if err != nil {
		panic("wire: " + err.Error())
	}
	return b
}

// Encode writes the state in canonical form.
func (s *KiwiState) Encode() []byte {
	return Begin(s.Schema, 0).Text("region", s.Region).List("problems", Lines(s.Problems)).
		List("members", Lines(s.Members)).List("interfaces", Lines(s.Interfaces)).List("groups", Lines(s.Groups)).
		List("routes", Lines(s.Routes)).List("nat", Lines(s.NAT)).List("filter", Lines(s.Filter)).
		List("scopes", Lines(s.Scopes)).List("reservations", Lines(s.Reservations)).
		List("zones", Lines(s.Zones)).List("records", Lines(s.Records)).End()
}

// Encode writes the state in canonical form, keys of tunnels included.
func (s *KawaiiState) Encode() []byte { return s.EncodeWith(Lines(s.Metadata)) }

// EncodeWith is Encode with the machines' documents encoded already; those of the state are not looked at.
func (s *KawaiiState) EncodeWith(metadata Part) []byte {
	return Begin(s.Schema, 4096+len(metadata)).Text("node", s.Node).Text("kawaii", s.Kawaii).Text("name", s.Name).
		Text("project", s.Project).Text("region", s.Region).Text("zone", s.Zone).List("problems", Lines(s.Problems)).
		List("interfaces", Lines(s.Interfaces)).List("vips", Lines(s.VIPs)).List("routes", Lines(s.Routes)).
		List("nat", Lines(s.NAT)).List("dnat", Lines(s.DNAT)).List("filter", Lines(s.Filter)).
		List("tunnels", Lines(s.Tunnels)).List("metadata", metadata).End()
}

// Encode writes the state in canonical form.
func (s *KonveyState) Encode() []byte {
	return Begin(s.Schema, 2048).Text("node", s.Node).Text("konvey", s.Konvey).Text("name", s.Name).
		Text("project", s.Project).Text("region", s.Region).Text("zone", s.Zone).List("problems", Lines(s.Problems)).
		List("interfaces", Lines(s.Interfaces)).List("vips", Lines(s.VIPs)).List("routes", Lines(s.Routes)).
		Text("resolver", s.Resolver).Text("search", s.Search).
		List("endpoints", Lines(s.Endpoints)).List("backends", Lines(s.Backends)).End()
}

// Encode writes the state in canonical form, keys of tunnels included.
func (s *ServicesState) Encode() []byte {
	var kawaii, konvey []Part
	for i := range s.Kawaii {
		kawaii = append(kawaii, s.Kawaii[i].Encode())
	}
	for i := range s.Konvey {
		konvey = append(konvey, s.Konvey[i].Encode())
	}
	return EncodeServices(s.Host, kawaii, konvey)
}

// EncodeServices writes a ServicesState of nodes that are encoded already.
func EncodeServices(host string, kawaii, konvey []Part) []byte {
	size := 0
	for _, p := range append(kawaii[:len(kawaii):len(kawaii)], konvey...) {
		size += len(p) + 2
	}
	return Begin(ServicesSchema, size).Text("host", host).List("kawaii", kawaii...).List("konvey", konvey...).End()
}
