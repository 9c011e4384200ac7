package pair

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"kowabunga/core/lease"
	"kowabunga/store/journal"
)

func messages() []any {
	e := lease.Epoch{Counter: 1<<63 + 1, Node: "a"}
	p := lease.Position{Index: 12, Hash: [32]byte{1, 2, 3}}
	r := &lease.Record{Epoch: e, Seq: 4, Primary: "a", Nodes: []lease.Node{{ID: "a", Address: "https://a", Key: []byte{1}}}, Sync: []lease.LogID{"x", "y"}, Base: p,
		Witnesses: [][]lease.Witness{{{Agent: "1", Identity: "i"}}}, Timers: lease.DefaultTimers(), Mode: lease.Sync}
	c := lease.Certificate{Kind: lease.Promised, Epoch: e, Sig: []byte("sig")}
	return []any{
		lease.Prevote{Epoch: e}, lease.PrevoteReply{Epoch: e, OK: true, Promised: c, Record: r, Known: []lease.Known{{Logs: []lease.LogID{"x"}, Position: p}}},
		lease.Promise{Certificate: c}, lease.PromiseReply{Epoch: e, Why: "no", Record: r, Log: "x", End: p},
		lease.Accept{Record: r, Proof: c}, lease.AcceptReply{Epoch: e, Seq: 4, OK: true},
		lease.Renew{Proof: c, N: 3, Lease: 6e9, Published: lease.Known{Logs: []lease.LogID{"x"}, Position: p}}, lease.RenewReply{Epoch: e, N: 3, OK: true},
		lease.Hello{Node: r.Nodes[0], Log: "x", End: p},
		lease.Entries{Epoch: e, N: 5, Prev: p, End: p, Published: p, Had: p, HadLog: "x", Records: []lease.Entry{record(13, e), record(14, lease.Epoch{Counter: 3, Node: "b"})}},
		lease.Entries{Epoch: e, N: 6, Prev: p},
		lease.EntriesReply{Epoch: e, N: 5, Log: "x", Try: []lease.Position{p, {Index: 3}}}, lease.EntriesReply{Epoch: e, OK: true, End: p}, lease.Fetch{Epoch: e, After: p}, lease.Leave{Epoch: e, Log: "x"},
		lease.GiveUp{Epoch: e, End: p}, lease.Announce{Certificate: c, Record: r}, offer{Epoch: e},
	}
}

// record is one of a journal.
func record(index uint64, e lease.Epoch) lease.Entry {
	r := journal.Record{Index: index, Epoch: e, Time: time.Unix(0, 0), Cause: journal.Cause{What: "test"}}
	raw := r.Encode()
	return lease.Entry{Position: lease.Position{Index: index, Hash: r.Hash}, Epoch: e, Data: raw}
}

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	for _, m := range messages() {
		raw, err := encode(m)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		back, err := decode(raw)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%T: sent %+v, arrived %+v, %v", m, m, back, err)
		}
		if _, err := decode(raw[:len(raw)-1]); err == nil {
			t.Errorf("%T: one byte less is taken", m)
		}
		if _, err := decode(append(raw, 0)); err == nil {
			t.Errorf("%T: one byte more is taken", m)
		}
	}
}

// A node of the next release may say more: what is not known here is passed over, and nothing else.
func TestMessagesOfTheNextRelease(t *testing.T) {
	raw := func(head, tail string) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...), tail...)
	}
	for _, later := range [][]byte{raw(`{"type":"praise","body":{},"sizes":[2]}`, "xx"), []byte("P raise")} {
		if _, err := decode(later); !errors.Is(err, errStrange) {
			t.Errorf("%q: %v", later, err)
		}
	}
	for _, m := range []any{lease.Entries{N: 6, HadLog: "x"}, lease.EntriesReply{N: 6, Log: "x", OK: true}} {
		now, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		now[1] += 2 // the length of what is said
		if back, err := decode(append(now, "la"...)); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%+v with later fields: %+v, %v", m, back, err)
		}
	}
	m, err := decode(raw(`{"type":"leave","body":{"log":"x","later":true},"later":[1]}`, ""))
	if err != nil || !reflect.DeepEqual(m, lease.Leave{Log: "x"}) {
		t.Errorf("a message with later fields: %v, %v", m, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		raw, err := encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decode(raw)
		if err != nil {
			return
		}
		again, err := encode(m)
		if err != nil {
			return // may have grown beyond the bound
		}
		back, err := decode(again)
		if err != nil {
			t.Fatalf("%+v is sent and not understood: %v", m, err)
		}
		if third, err := encode(back); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%+v came back as %+v, %v", m, back, err)
		}
	})
}
