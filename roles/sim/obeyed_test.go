package sim

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kowabunga/core/agentproto"
)

// What an agent is commanded stands in the journal before it is done; what it could not write down it does
// not do.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "obeyed")
	first := agentproto.Epoch{Counter: 1, Node: "a"}
	for _, method := range []string{"volume.create", "machine.define"} {
		j, err := OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.obey(Obeyed{Agent: "x", Method: method, Epoch: first}); err != nil {
			t.Fatal(err)
		}
		if err := j.obey(Obeyed{Agent: "x", Method: "inventory"}); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.obey(Obeyed{Agent: "x", Method: method, Epoch: first}); err == nil {
			t.Error("a journal that is closed took a command")
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"agent":"x","meth`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	all, err := ReadJournal(path)
	if err != nil || len(all) != 2 || all[0].Method != "volume.create" || all[1].Method != "machine.define" || all[1].Epoch != first || all[1].Time.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := ReadJournal(path + "-absent"); err != nil || all != nil {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestBackwards(t *testing.T) {
	a, b := agentproto.Epoch{Counter: 1, Node: "a"}, agentproto.Epoch{Counter: 2, Node: "b"}
	call := func(agent string, e agentproto.Epoch) Obeyed { return Obeyed{Agent: agent, Method: "do", Epoch: e} }
	state := func(e agentproto.Epoch, n uint64) Obeyed {
		return Obeyed{Agent: "x", Method: "state kaktus", Epoch: e, Generation: n}
	}
	for name, c := range map[string]struct{ all, wrong []Obeyed }{
		"forward":                   {[]Obeyed{call("x", a), call("y", a), call("x", b), call("y", a), call("y", b)}, nil},
		"a command of the old":      {[]Obeyed{call("x", a), call("x", b), call("x", a), call("x", b)}, []Obeyed{call("x", a)}},
		"a state is taken up again": {[]Obeyed{state(a, 3), call("x", b), state(a, 3)}, nil},
		"a new state of the old":    {[]Obeyed{state(a, 3), call("x", b), state(a, 4)}, []Obeyed{state(a, 4)}},
	} {
		if got := Backwards(c.all); !reflect.DeepEqual(got, c.wrong) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
