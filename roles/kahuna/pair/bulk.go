package pair

import (
	"context"
	"encoding/json"
	"io"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

// offer tells a node that is too far behind that a snapshot waits for it; it fetches it over a
// connection of its own.
type offer struct {
	Epoch lease.Epoch `json:"epoch"`
}

// snapshotEnd is what a snapshot ends with.
type snapshotEnd struct {
	End lease.Position `json:"end"`
}

// A bulk answer is data in pieces, each led by the byte more, and the byte last with what else there is
// to say, in JSON; or the byte failed with the reason.
const (
	more   = 0
	last   = 1
	failed = 2

	pieceMost = 256 << 10
)

// pieces writes to a pipe.
type pieces struct {
	ctx  context.Context
	pipe *link.Pipe
	buf  []byte
}

func (w *pieces) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if len(w.buf) == 0 {
			w.buf = append(w.buf, more)
		}
		fits := min(len(b), 1+pieceMost-len(w.buf))
		w.buf = append(w.buf, b[:fits]...)
		b = b[fits:]
		if len(w.buf) == 1+pieceMost {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *pieces) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.pipe.Write(w.ctx, w.buf, stall)
	w.buf = w.buf[:0]
	return err
}

// sendBulk sends what write writes, then how it ended and what it returned.
func sendBulk(ctx context.Context, p *link.Pipe, write func(w io.Writer) (any, error)) error {
	w := &pieces{ctx: ctx, pipe: p}
	end, err := write(w)
	if err != nil {
		_ = p.Write(ctx, append([]byte{failed}, fault.From(err).Public()...), stall) // the peer may be gone already
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	raw, err := json.Marshal(release.More(end))
	if err != nil {
		return err
	}
	if err := p.Write(ctx, append([]byte{last}, raw...), stall); err != nil {
		return err
	}
	_, _ = p.Read(ctx) // until the peer has all and ends the connection
	return nil
}

// receiveBulk copies what the peer sends to w and decodes what else it has to say.
func receiveBulk(ctx context.Context, p *link.Pipe, w io.Writer, end any) error {
	for {
		raw, err := p.Read(ctx)
		if err != nil {
			return err
		}
		if len(raw) == 0 {
			return garbled("it is empty")
		}
		switch raw[0] {
		case more:
			if _, err := w.Write(raw[1:]); err != nil {
				return err
			}
		case last:
			return fault.Wrap(json.Unmarshal(raw[1:], end), fault.Malformed, "read the end of what the other Kahuna sent")
		default:
			return fault.New(fault.Unavailable, "the other Kahuna cannot send it: %.300s", raw[1:])
		}
	}
}

// Fetch gets something large from a node, or from whoever is at an address: over a connection of its own.
func (t *Transport) Fetch(ctx context.Context, from lease.NodeID, what string, w io.Writer, end any) error {
	url := string(from)
	if !isURL(from) {
		url = t.AddressOf(from)
	}
	if url == "" {
		return fault.New(fault.Unavailable, "the other Kahuna is not connected")
	}
	p, _, err := t.dial(ctx, url, what)
	if err != nil {
		return err
	}
	defer p.Close()
	return receiveBulk(ctx, p, w, end)
}
