package pair

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
)

// A message between nodes is JSON, led by its length (4 bytes, big-endian, the first of them always 0), and
// records and the answers to them are as frame_entries.go has it.
const headerMost = 1 << 20

// header is a message in JSON.
type header struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`
}

// typeOf is the name of a message in JSON, empty for one that nodes do not send so.
func typeOf(m lease.Message) string {
	switch m.(type) {
	case lease.Prevote:
		return "prevote"
	case lease.PrevoteReply:
		return "prevoteReply"
	case lease.Promise:
		return "promise"
	case lease.PromiseReply:
		return "promiseReply"
	case lease.Accept:
		return "accept"
	case lease.AcceptReply:
		return "acceptReply"
	case lease.Renew:
		return "renew"
	case lease.RenewReply:
		return "renewReply"
	case lease.Hello:
		return "hello"
	case lease.Fetch:
		return "fetch"
	case lease.Leave:
		return "leave"
	case lease.GiveUp:
		return "giveUp"
	case lease.Announce:
		return "announce"
	}
	return ""
}

// types are the names that decode knows.
var types = map[string]bool{"prevote": true, "prevoteReply": true, "promise": true, "promiseReply": true, "accept": true, "acceptReply": true, "renew": true, "renewReply": true,
	"hello": true, "fetch": true, "leave": true, "giveUp": true, "announce": true, "offer": true}

// encode makes a message for the wire.
func encode(m any) ([]byte, error) {
	switch m := m.(type) {
	case lease.Entries:
		return encodeEntries(m), nil
	case lease.EntriesReply:
		return encodeReply(m), nil
	}
	var h header
	switch m := m.(type) {
	case offer:
		h.Type = "offer"
	case lease.Message:
		h.Type = typeOf(m)
	}
	if h.Type == "" {
		return nil, fault.New(fault.Internal, "nodes do not send %T", m)
	}
	var err error
	if h.Body, err = json.Marshal(release.More(m)); err != nil {
		return nil, err
	}
	head, err := json.Marshal(release.More(h))
	if err != nil {
		return nil, err
	}
	if len(head) > headerMost {
		return nil, fault.New(fault.Exhausted, "a message's header has %d bytes, at most %d can be sent", len(head), headerMost)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	return append(out, head...), nil
}

// decode reads a message. Nothing of raw is kept.
func decode(raw []byte) (any, error) {
	if len(raw) > 0 {
		switch raw[0] {
		case 0:
		case asEntries:
			return decodeEntries(raw[1:])
		case asReply:
			return decodeReply(raw[1:])
		default:
			return nil, errStrange
		}
	}
	if len(raw) < 4 {
		return nil, garbled("it has no header")
	}
	n := int(binary.BigEndian.Uint32(raw))
	if n > headerMost || n > len(raw)-4 {
		return nil, garbled("its header is cut off")
	}
	var h header
	if err := json.Unmarshal(raw[4:4+n], &h); err != nil {
		return nil, garbled("its header is no JSON")
	}
	rest := raw[4+n:]
	if !types[h.Type] {
		return nil, errStrange
	}
	if len(rest) > 0 {
		return nil, garbled("there is data behind it")
	}
	switch h.Type {
	case "prevote":
		return body[lease.Prevote](h)
	case "prevoteReply":
		return body[lease.PrevoteReply](h)
	case "promise":
		return body[lease.Promise](h)
	case "promiseReply":
		return body[lease.PromiseReply](h)
	case "accept":
		m, err := body[lease.Accept](h)
		if err == nil && m.Record == nil {
			return nil, garbled("it has no record")
		}
		return m, err
	case "acceptReply":
		return body[lease.AcceptReply](h)
	case "renew":
		return body[lease.Renew](h)
	case "renewReply":
		return body[lease.RenewReply](h)
	case "hello":
		return body[lease.Hello](h)
	case "fetch":
		return body[lease.Fetch](h)
	case "leave":
		return body[lease.Leave](h)
	case "giveUp":
		return body[lease.GiveUp](h)
	case "announce":
		return body[lease.Announce](h)
	case "offer":
		return body[offer](h)
	}
	return nil, errStrange
}

// errStrange is the cause when a message is of a type that this release does not know. It is passed over:
// the other node may be of a newer one, and asks again where it needs an answer.
var errStrange = errors.New("a message of this type is not known here")

func body[T any](h header) (T, error) {
	var m T
	if err := json.Unmarshal(h.Body, &m); err != nil {
		return m, garbled("its body does not fit its type " + h.Type)
	}
	return m, nil
}

func garbled(why string) error {
	return fault.New(fault.Malformed, "a message of the other node cannot be read: %.200s", why)
}
