package cloudinit

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() Machine {
	return Machine{
		InstanceID: "0123456789abcdef01234567",
		Hostname:   "web-1",
		Domain:     "acme.example",
		RootHash:   "$6$abcdefgh$GjMgmmowSihU3X8xhdMxaCaEziO5NUh/IZqYnnZhN1j7.JYnm2e5BnPfWNUdj17OlEroBdrPtMnfsmwWCrkw70",
		User:       "ops",
		Keys:       []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ops@example"},
		Region:     "eu",
		Zone:       "eu-a",
		Metadata:   Metadata{URI: "https://cloud.example:8443/latest/meta-data", LocalIP: "10.1.0.5", Secret: "abcdefghijkmnopqrstuvwxyzABCDEFG", CA: "MIIBszCCAVmgAwIBAgIU"},
		NICs: []NIC{
			{
				MAC:       "DA:1E:70:00:00:01",
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.5/24")},
				Gateway:   netip.MustParseAddr("10.1.0.1"),
				Routes:    []Route{{To: netip.MustParsePrefix("10.9.0.0/16"), Via: netip.MustParseAddr("10.1.0.2")}},
				DNS:       []netip.Addr{netip.MustParseAddr("10.1.0.1")},
				Search:    []string{"acme.example"},
			},
			{
				MAC:       "da:1e:70:00:00:02",
				Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")},
				Gateway:   netip.MustParseAddr("203.0.113.1"),
			},
		},
	}
}

func TestRenderGolden(t *testing.T) {
	docs, err := Render(example())
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"user-data": docs.UserData, "meta-data": docs.MetaData, "network-config": docs.NetworkConfig} {
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s:\n%s", name, path, got)
		}
	}
}

// Whatever a name holds, a YAML reader and a JSON reader get back exactly that name, and no key that
// Render did not write.
func TestNamesCannotInject(t *testing.T) {
	text := rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.Rune()),
		rapid.SampledFrom([]string{
			"x\nruncmd: [reboot]", `"}, "runcmd": ["reboot"], "x": {"`, "a: b", "- x", "#c", "&a *a", "!!binary aGk=", "yes", "0x10",
			"\u0085", "\u2028", "\ufeff", "\x7f", "{{ v1 }}", "%s", "\t", "null", "2001-01-01", `\`, "'", `"`, "\U0001f600",
		}),
	).Filter(func(s string) bool { return s != "" })
	chance.Check(t, func(t *rapid.T) {
		m := example()
		m.Hostname, m.User, m.Domain = text.Draw(t, "host"), text.Draw(t, "user"), text.Draw(t, "domain")
		m.InstanceID, m.Zone, m.Metadata.URI = text.Draw(t, "instance"), text.Draw(t, "zone"), text.Draw(t, "uri")
		m.Keys = []string{text.Draw(t, "key")}
		docs, err := Render(m)
		if err != nil {
			t.Fatal(err)
		}
		// PyYAML refuses a whole document for one of these.
		if all := docs.UserData + docs.MetaData; strings.ContainsAny(all, "\u007f\u0080\u0085\u009f\ufeff\ufffe\uffff") {
			t.Fatalf("unprintable characters stand unescaped: %q", all)
		}
		for _, read := range []func([]byte, any) error{yaml.Unmarshal, json.Unmarshal} {
			var user map[string]any
			body, ok := strings.CutPrefix(docs.UserData, "#cloud-config\n")
			if !ok {
				t.Fatal("user-data does not start with #cloud-config")
			}
			if err := read([]byte(body), &user); err != nil {
				t.Fatalf("user-data: %v\n%s", err, body)
			}
			if len(user) != 9 {
				t.Fatalf("user-data has other keys than Render wrote: %v", user)
			}
			account := user["users"].([]any)[1].(map[string]any)
			if account["name"] != m.User || account["ssh_authorized_keys"].([]any)[0] != m.Keys[0] || user["hostname"] != m.Hostname || user["fqdn"] != m.Hostname+"."+m.Domain {
				t.Fatalf("a value changed on its way through YAML: %q", user)
			}
			var meta map[string]any
			if err := read([]byte(docs.MetaData), &meta); err != nil {
				t.Fatalf("meta-data: %v\n%s", err, docs.MetaData)
			}
			if len(meta) != 9 || meta["instance-id"] != m.InstanceID || meta["local-hostname"] != m.Hostname || meta["availability-zone"] != m.Zone ||
				meta["kowabunga_metadata_uri"] != m.Metadata.URI {
				t.Fatalf("meta-data changed on its way through YAML: %q", meta)
			}
		}
	})
}

func TestRenderRefuses(t *testing.T) {
	cases := map[string]func(*Machine){
		"instanceId":           func(m *Machine) { m.InstanceID = "" },
		"hostname":             func(m *Machine) { m.Hostname = "" },
		"user":                 func(m *Machine) { m.User = "\xff" },
		"nics[0].mac":          func(m *Machine) { m.NICs[0].MAC = "" },
		"nics[0].addresses[0]": func(m *Machine) { m.NICs[0].Addresses[0] = netip.Prefix{} },
		"nics[0].routes[0]":    func(m *Machine) { m.NICs[0].Routes[0].Via = netip.Addr{} },
		"nics[0].dns[0]":       func(m *Machine) { m.NICs[0].DNS[0] = netip.Addr{} },
	}
	for field, spoil := range cases {
		m := example()
		spoil(&m)
		_, err := Render(m)
		if f := fault.From(err); f == nil || f.Code != fault.Invalid || f.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// The program that reads the metadata is for Linux, and for machines that have a secret.
func TestProgramOnlyWhereItWorks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Machine)
		want   bool
	}{"linux": {func(*Machine) {}, true}, "windows": {func(m *Machine) { m.Windows = true }, false}, "no secret": {func(m *Machine) { m.Metadata.Secret = "" }, false}} {
		m := example()
		c.change(&m)
		docs, err := Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(docs.UserData, "kw-meta"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := strings.Contains(docs.MetaData, "kowabunga_"); got != (m.Metadata.Secret != "") {
			t.Errorf("%s: meta-data: %s", name, docs.MetaData)
		}
	}
}

func TestHostname(t *testing.T) {
	cases := map[string]string{
		"web-1":                 "web-1",
		"Web 1 (production)":    "web-1-production",
		"..":                    "machine",
		"":                      "machine",
		"-x-":                   "x",
		"été":                   "t",
		"a_b.c/d":               "a-b-c-d",
		strings.Repeat("a", 90): strings.Repeat("a", 63),
		"\n$(reboot)":           "reboot",
	}
	for name, want := range cases {
		if got := Hostname(name, "machine"); got != want {
			t.Errorf("Hostname(%q) = %q, want %q", name, got, want)
		}
	}
	chance.Check(t, func(t *rapid.T) {
		got := Hostname(rapid.String().Draw(t, "name"), "machine")
		if len(got) < 1 || len(got) > 63 || got[0] == '-' || got[len(got)-1] == '-' || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Fatalf("%q is no host name", got)
		}
	})
}
