package agent

import (
	"fmt"
	"sync"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// slowDisk is one that takes its time to keep lists of Kahunas.
type slowDisk struct {
	memory
	writes chan agentproto.KahunaList // each as it begins
	goOn   chan error                 // how it ends
}

func (d *slowDisk) setKahunas(l agentproto.KahunaList) error {
	d.writes <- l
	return <-d.goOn
}

func listOf(counter, seq uint64, names ...string) agentproto.KahunaList {
	l := agentproto.KahunaList{Epoch: agentproto.Epoch{Counter: counter, Node: "a"}, Seq: seq}
	for _, name := range names {
		l.Kahunas = append(l.Kahunas, agentproto.Kahuna{ID: name})
	}
	return l
}

// Of several lists the newest stays: by its epoch, then by its record, then by when it came.
func TestNewestListOfKahunasStays(t *testing.T) {
	for name, c := range map[string]struct {
		come []agentproto.KahunaList
		want string
	}{
		"by epoch":                  {[]agentproto.KahunaList{listOf(2, 0, "new"), listOf(1, 9, "old")}, "new"},
		"by record":                 {[]agentproto.KahunaList{listOf(1, 3, "new"), listOf(1, 2, "old")}, "new"},
		"by arrival":                {[]agentproto.KahunaList{listOf(1, 0, "old"), listOf(1, 0, "new")}, "new"},
		"one without a record":      {[]agentproto.KahunaList{listOf(1, 3, "old"), listOf(1, 0, "new")}, "new"},
		"an empty one says nothing": {[]agentproto.KahunaList{listOf(1, 0, "new"), listOf(2, 0)}, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKahunas(nil, &memory{})
			for _, l := range c.come { // all before any is kept, as notifications come
				k.hear(l)
			}
			if err := k.keep(); err != nil {
				t.Fatal(err)
			}
			if got := k.last().Kahunas; len(got) != 1 || got[0].ID != c.want {
				t.Errorf("kept %v", got)
			}
		})
	}
}

// While a list is being written certificates are checked, and lists that come meanwhile are kept in their order,
// by whomever; one that cannot be written is taken again.
func TestListOfKahunasOnASlowDisk(t *testing.T) {
	disk := &slowDisk{writes: make(chan agentproto.KahunaList), goOn: make(chan error)}
	k := newKahunas(nil, disk)
	k.hear(listOf(1, 0, "first"))
	var all sync.WaitGroup
	all.Go(func() { _ = k.keep() })
	<-disk.writes
	if k.signed(lease.Certificate{}) { // returns
		t.Error("signed by nobody")
	}
	for i := range 20 {
		if !k.hear(listOf(1, 0, fmt.Sprint(i))) {
			t.Error("not heard")
		}
		all.Go(func() { _ = k.keep() })
	}
	disk.goOn <- nil
	if l := <-disk.writes; l.Kahunas[0].ID != "19" {
		t.Errorf("%v is written, not the newest", l)
	}
	disk.goOn <- fault.New(fault.Unavailable, "full")
	all.Wait()
	if got := k.last().Kahunas[0].ID; got != "first" {
		t.Errorf("%s is believed and not on disk", got)
	}
	if !k.hear(listOf(1, 0, "19")) {
		t.Error("it is not heard again")
	}
	all.Go(func() { _ = k.keep() })
	<-disk.writes
	disk.goOn <- nil
	all.Wait()
	if got := k.last().Kahunas[0].ID; got != "19" {
		t.Error(got)
	}
}

// Lists told one after the other over a connection end up in that order.
func TestListsOfKahunasAreKeptInOrder(t *testing.T) {
	c := &cloud{}
	a := c.start(t, "a", agentproto.FeatureLease)
	agent, _ := serveAgent(t, t.TempDir(), a.url)
	a.connected(t)
	if _, err := a.win(t, 1, agent.Identity()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		l := listOf(1, 0, fmt.Sprint(i))
		l.Kahunas = append(l.Kahunas, c.list()...)
		if err := a.now().Notify(t.Context(), agentproto.MethodKahunas, l); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the last list", func() bool { return agent.kahunas.last().Kahunas[0].ID == "49" })
	if l := agent.disk.kahunas(); l.Kahunas[0].ID != "49" {
		t.Error(l)
	}
}
