package pair

import (
	"sync/atomic"

	"kowabunga/roles/agent/link"
)

// traffic are bytes of messages, without what WebSocket and TLS add.
type traffic struct{ received, sent atomic.Uint64 }

// Traffic are the bytes that went between this node and others since it started, for each purpose, without
// what WebSocket and TLS add: a few per cent of small messages, nothing of large ones.
func (t *Transport) Traffic(each func(what string, received, sent uint64)) {
	for _, what := range []string{forMessages, forSnapshots} {
		each(what, t.moved[what].received.Load(), t.moved[what].sent.Load())
	}
}

// count has what goes over a pipe counted.
func (t *Transport) count(p *link.Pipe, what string) {
	if m := t.moved[what]; m != nil {
		p.Count(&m.received, &m.sent)
	}
}
