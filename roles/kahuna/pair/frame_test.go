package pair

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"kowabunga/core/lease"
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
		lease.Entries{Epoch: e, N: 5, Prev: p, End: p, Published: p, Records: []lease.Entry{{Position: p, Epoch: e, Data: []byte("first\x00")}, {Position: p, Epoch: e, Data: []byte{255}}}},
		lease.Entries{Epoch: e, N: 6, Prev: p},
		lease.EntriesReply{Epoch: e, N: 5, Log: "x", Try: []lease.Position{p}}, lease.Fetch{Epoch: e, After: p}, lease.Leave{Epoch: e, Log: "x"},
		lease.GiveUp{Epoch: e, End: p}, lease.Announce{Certificate: c, Record: r}, offer{Epoch: e},
	}
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
	if _, err := decode(raw(`{"type":"praise","body":{},"sizes":[2]}`, "xx")); !errors.Is(err, errStrange) {
		t.Errorf("a message of a later type: %v", err)
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
