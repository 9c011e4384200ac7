package api_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api/apitest"
	"kowabunga/store"
)

func contract(t testing.TB) *apitest.Wire {
	t.Helper()
	w, err := apitest.Load("../../../testdata/wire/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// report is what an agent tells of its host once it is connected.
func (w *world) report(kaktus string) {
	w.t.Helper()
	_, err := w.store.Update(context.Background(), store.Cause{Actor: "agent", What: "report hardware"}, func(d model.Draft) error {
		k, ok := model.Find[*model.Kaktus](d, model.ID(kaktus))
		if !ok {
			w.t.Error("the host is gone")
			return nil
		}
		k = model.Edit(k)
		k.Caps = model.Caps{Arch: "x86_64", Vendor: "GenuineIntel", Model: "Skylake", Sockets: 1, Cores: 8, Threads: 16, Memory: 64 << 30, Accel: "kvm"}
		return d.Put(k)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// addresses are transports that connect from as many loopback addresses.
func (w *world) addresses() func(n int) http.RoundTripper {
	var all []*http.Transport
	for i := range 40 {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 9, byte(i+1))}}
		all = append(all, &http.Transport{DialContext: dialer.DialContext})
	}
	w.t.Cleanup(func() {
		for _, t := range all {
			t.CloseIdleConnections()
		}
	})
	return func(n int) http.RoundTripper { return all[n%len(all)] }
}

// state tells the version of every resource. Operations are not among them: that an answer was delivered
// is noted there after it went out.
func (w *world) state() string {
	var b strings.Builder
	v := w.store.View()
	for _, k := range catalogue.Kinds {
		for o := range v.All(k.Name) {
			fmt.Fprintln(&b, k.Name, o.Base().ID, o.Base().Version)
		}
	}
	return b.String()
}

func rights(t testing.TB) apitest.Rights {
	t.Helper()
	r, err := apitest.LoadRights("../../../core/access/gate/testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every operation of the contract, called through the official SDK; every answer byte for byte against
// the contract.
func TestWireContractIsServed(t *testing.T) {
	w := newWorld(t)
	apitest.Walk(t, contract(t), apitest.Target{URL: w.server.URL, Key: masterKey, Transport: w.server.Client().Transport,
		Rights: rights(t), State: w.state, From: w.addresses(),
		Connect: func(t *testing.T, _, kaktus string) { w.report(kaktus) }})
	t.Run("A17 what is secret in the walk is not in the log", func(t *testing.T) {
		log := w.log.String()
		if strings.Count(log, "ipsec") == 0 {
			t.Error("the log tells nothing of the walk")
		}
		for _, secret := range []string{masterKey, "seven Wombats juggle 93 lamps", "a key that both sides have", "eyJ", "VncPassword", "ABCDEFGH"} {
			if strings.Contains(log, secret) {
				t.Errorf("%s is in the log", secret)
			}
		}
	})
}
