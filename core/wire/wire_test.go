package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/wire"
)

// planned are the documents of the documentation's topology.
func planned(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "netplan", "testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = bytes.TrimSuffix(text, []byte("\n"))
	}
	return out
}

const gateway = "kaktus-eu-west-a-3-services.golden"

func services(t testing.TB) *wire.ServicesState {
	t.Helper()
	s, err := wire.DecodeServices(planned(t, gateway)[gateway])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// On its way a document loses its line breaks; decoding and encoding bring back every byte.
func TestCanonicalFormComesBack(t *testing.T) {
	for name, text := range planned(t, "*-services.golden") {
		var flat bytes.Buffer
		if err := json.Compact(&flat, text); err != nil {
			t.Fatal(err)
		}
		s, err := wire.DecodeServices(flat.Bytes())
		if err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(s.Encode(), text) {
			t.Errorf("%s comes back as\n%s", name, s.Encode())
		}
	}
	for name, text := range planned(t, "kiwi-*.golden") {
		s, err := wire.DecodeKiwi(text)
		if err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(s.Encode(), text) {
			t.Errorf("%s comes back as\n%s", name, s.Encode())
		}
	}
}

// The canonical form is the JSON that encoding/json knows of the same struct, but for the secrets.
func TestCanonicalFormIsThatOfTheStruct(t *testing.T) {
	s := services(t)
	for i := range s.Kawaii {
		for j := range s.Kawaii[i].Tunnels {
			s.Kawaii[i].Tunnels[j].PreSharedKey = "[secret]"
		}
	}
	plain, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(plain, &a) != nil || json.Unmarshal(s.Encode(), &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%s\nis not\n%s", s.Encode(), plain)
	}
	k, err := wire.DecodeKiwi(planned(t, "kiwi-eu-west.golden")["kiwi-eu-west.golden"])
	if err != nil {
		t.Fatal(err)
	}
	if plain, err = json.Marshal(k); err != nil {
		t.Fatal(err)
	}
	a, b = nil, nil
	if json.Unmarshal(plain, &a) != nil || json.Unmarshal(k.Encode(), &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%s\nis not\n%s", k.Encode(), plain)
	}
}

// However a state is printed, logged or encoded by the way, its keys stay hidden; only Encode reveals
// them.
func TestSecretsAreMasked(t *testing.T) {
	const secret = "pre-shared-deed"
	s := services(t)
	if !bytes.Contains(s.Encode(), []byte(secret)) {
		t.Fatal("the agent does not get the key")
	}
	tunnel := s.Kawaii[0].Tunnels[0]
	var said bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))} {
		log.Info("state", "services", *s, "pointer", s, "kawaii", s.Kawaii[0], "all", s.Kawaii, "tunnel", tunnel)
	}
	plain, _ := json.Marshal(s)
	for how, text := range map[string]string{"log": said.String(), "json": string(plain), "%v": fmt.Sprintf("%v %v", s, tunnel), "%+v": fmt.Sprintf("%+v", *s), "%#v": fmt.Sprintf("%#v", tunnel)} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the key: %s", how, text)
		}
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	s.Kawaii[0].Tunnels[0].IKE = "bad"
	if err := s.Validate(); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}

// Another schema is refused in words, at the top and of a node; so is a key that was masked on its way.
func TestRefusals(t *testing.T) {
	refused := func(what string, err error, field string) {
		t.Helper()
		if f := fault.From(err); err == nil || f.Code != fault.Invalid || f.Field != field {
			t.Errorf("%s: %v, want Invalid of %q", what, err, field)
		}
	}
	_, err := wire.DecodeKiwi([]byte(`{"schema":2,"members":"of another type"}`))
	refused("a newer schema", err, "schema")
	_, err = wire.DecodeServices([]byte(`{}`))
	refused("no schema", err, "schema")
	_, err = wire.DecodeServices([]byte(`{"schema":1,"kawaii":[{"schema":7}]}`))
	refused("a node of a newer schema", err, "schema")
	for what, c := range map[string]struct {
		change func(*wire.KawaiiState)
		field  string
	}{
		"masked key":         {func(k *wire.KawaiiState) { k.Tunnels[0].PreSharedKey = "[secret]" }, "tunnels[0].preSharedKey"},
		"no group":           {func(k *wire.KawaiiState) { k.Tunnels[0].IKE = "aes256-sha512-" }, "tunnels[0].ike"},
		"same router id":     {func(k *wire.KawaiiState) { k.VIPs[1].VRID = k.VIPs[0].VRID }, "vips[1].vrid"},
		"unknown interface":  {func(k *wire.KawaiiState) { k.Routes[0].Interface = "eth0" }, "routes[0].interface"},
		"ports of icmp":      {func(k *wire.KawaiiState) { k.Filter[0].Protocol, k.Filter[0].Ports = "icmp", "1" }, "filter[0].ports"},
		"port 0":             {func(k *wire.KawaiiState) { k.DNAT[0].Ports = "0" }, "dnat[0].ports"},
		"range backwards":    {func(k *wire.KawaiiState) { k.DNAT[0].Ports = "9-1" }, "dnat[0].ports"},
		"address for a net":  {func(k *wire.KawaiiState) { k.NAT[0].Source = "10.50.201.1/24" }, "nat[0].source"},
		"long interface":     {func(k *wire.KawaiiState) { k.Interfaces[0].Bridge = "a-bridge-too-far" }, "interfaces[0].bridge"},
		"document of a list": {func(k *wire.KawaiiState) { k.Metadata[0].Document = `[]` }, "metadata[0].document"},
	} {
		s := services(t)
		c.change(&s.Kawaii[0])
		_, err := wire.DecodeServices(s.Encode())
		refused(what, err, c.field)
	}
	text := planned(t, "kiwi-eu-west.golden")["kiwi-eu-west.golden"]
	for what, c := range map[string]struct {
		change func(*wire.KiwiState)
		field  string
	}{
		"priority twice":        {func(k *wire.KiwiState) { k.Members[1].Priority = k.Members[0].Priority }, "members[1].priority"},
		"address twice":         {func(k *wire.KiwiState) { k.Groups[1].Addresses = k.Groups[0].Addresses }, "groups[1].addresses"},
		"lease outside":         {func(k *wire.KiwiState) { k.Reservations[0].Address = "10.9.9.9" }, "reservations[0].address"},
		"lease of no scope":     {func(k *wire.KiwiState) { k.Reservations[0].Subnet = "x" }, "reservations[0].subnet"},
		"name of no zone":       {func(k *wire.KiwiState) { k.Records[0].Zone = "other.example" }, "records[0].zone"},
		"name twice":            {func(k *wire.KiwiState) { k.Records[1] = k.Records[0] }, "records[1].name"},
		"name with a space":     {func(k *wire.KiwiState) { k.Records[0].Name = "a b" }, "records[0].name"},
		"range of another net":  {func(k *wire.KiwiState) { k.Scopes[0].Ranges = []string{"10.1.0.1-10.1.0.2"} }, "scopes[0].ranges"},
		"VLAN above 4094":       {func(k *wire.KiwiState) { k.Interfaces[1].VLAN = 4095 }, "interfaces[1].vlan"},
		"a card that is no MAC": {func(k *wire.KiwiState) { k.Reservations[0].MAC = "da:1e:70" }, "reservations[0].mac"},
	} {
		s, err := wire.DecodeKiwi(text)
		if err != nil {
			t.Fatal(err)
		}
		c.change(s)
		_, err = wire.DecodeKiwi(s.Encode())
		refused(what, err, c.field)
	}
}

// Members that this release does not know are ignored: the other side may be one release ahead.
func TestUnknownMembersAreIgnored(t *testing.T) {
	if _, err := wire.DecodeServices([]byte(`{"schema":1,"host":"h","later":{"x":1},"kawaii":[],"konvey":[]}`)); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeServices(f *testing.F) {
	for _, text := range planned(f, "*-services.golden") {
		f.Add(text)
	}
	f.Add([]byte(`{"schema":1,"kawaii":[{"schema":1,"node":"n","kawaii":"k","vips":[{"vrid":256}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := wire.DecodeServices(data)
		if err != nil {
			return
		}
		again, err := wire.DecodeServices(s.Encode())
		if err != nil || !bytes.Equal(again.Encode(), s.Encode()) {
			t.Fatalf("%s decodes, but what it encodes to does not: %v", data, err)
		}
	})
}

func FuzzDecodeKiwi(f *testing.F) {
	for _, text := range planned(f, "kiwi-*.golden") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := wire.DecodeKiwi(data)
		if err != nil {
			return
		}
		again, err := wire.DecodeKiwi(s.Encode())
		if err != nil || !bytes.Equal(again.Encode(), s.Encode()) {
			t.Fatalf("%s decodes, but what it encodes to does not: %v", data, err)
		}
	})
}
