package pair

import (
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/store/octets"
)

// Records and the answers to them are most of what nodes say, and are not worth JSON. Such a message is a
// byte, a field with what is said, to which a later release may add, and, of records, a field for each: its
// bytes tell where it stands.
const (
	asEntries = 'E'
	asReply   = 'A'
)

func encodeEntries(m lease.Entries) []byte {
	size := 512
	for _, r := range m.Records {
		size += len(r.Data) + 4
	}
	head := appendEpoch(make([]byte, 0, 320), m.Epoch)
	head = octets.Number(head, m.N)
	for _, p := range []lease.Position{m.Prev, m.End, m.Published, m.Had} {
		head = appendPosition(head, p)
	}
	head = append(octets.Append(head, m.HadLog), release.Member...)
	out := octets.Append(append(make([]byte, 0, size), asEntries), head)
	for _, r := range m.Records {
		out = octets.Append(out, r.Data)
	}
	return out
}

// decodeEntries copies the records, so that one of them does not keep the memory of all.
func decodeEntries(raw []byte) (m lease.Entries, err error) {
	in := octets.Read(raw)
	head := octets.Read(in.Field())
	m.Epoch, m.N = readEpoch(head), head.Number()
	for _, p := range []*lease.Position{&m.Prev, &m.End, &m.Published, &m.Had} {
		*p = readPosition(head)
	}
	m.HadLog = lease.LogID(head.Text())
	if head.Err() != nil || in.Err() != nil {
		return lease.Entries{}, garbled("what it says of its records is cut off")
	}
	for in.More() {
		e, err := entry(append([]byte(nil), in.Field()...))
		if err != nil || in.Err() != nil {
			return lease.Entries{}, garbled("its data is no record, or cut off")
		}
		m.Records = append(m.Records, e)
	}
	return m, nil
}

func encodeReply(m lease.EntriesReply) []byte {
	head := appendEpoch(make([]byte, 0, 192), m.Epoch)
	head = octets.Append(octets.Number(head, m.N), m.Log)
	if m.OK {
		head = append(head, 1)
	} else {
		head = append(head, 0)
	}
	head = octets.Number(appendPosition(head, m.End), uint64(len(m.Try)))
	for _, p := range m.Try {
		head = appendPosition(head, p)
	}
	return octets.Append([]byte{asReply}, append(head, release.Member...))
}

func decodeReply(raw []byte) (m lease.EntriesReply, err error) {
	in := octets.Read(raw)
	head := octets.Read(in.Field())
	m.Epoch, m.N, m.Log, m.OK = readEpoch(head), head.Number(), lease.LogID(head.Text()), head.Byte() == 1
	m.End = readPosition(head)
	for n := head.Number(); n > 0 && head.Err() == nil; n-- {
		m.Try = append(m.Try, readPosition(head))
	}
	if head.Err() != nil || in.End() != nil {
		return lease.EntriesReply{}, garbled("an answer about records is cut off, or there is data behind it")
	}
	return m, nil
}

func appendEpoch(b []byte, e lease.Epoch) []byte {
	return octets.Append(octets.Number(b, e.Counter), e.Node)
}

func readEpoch(in *octets.Reader) lease.Epoch {
	return lease.Epoch{Counter: in.Number(), Node: in.Text()}
}

func appendPosition(b []byte, p lease.Position) []byte {
	return append(octets.Number(b, p.Index), p.Hash[:]...)
}

func readPosition(in *octets.Reader) (p lease.Position) {
	p.Index = in.Number()
	copy(p.Hash[:], in.Fixed(len(p.Hash)))
	return p
}
