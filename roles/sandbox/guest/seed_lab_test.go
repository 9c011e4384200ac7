//go:build lab

package guest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// plan runs the guest's seed reader, with the busybox the guest has, over a seed directory.
func plan(t interface {
	Helper()
	Fatalf(string, ...any)
}, dir string, documents map[string]string) (records []string, complaints string) {
	t.Helper()
	for _, name := range []string{"meta-data", "user-data", "network-config"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(documents[name]), 0o600); err != nil {
			t.Fatalf("%v", err)
		}
	}
	cmd := exec.Command("/bin/busybox", "awk", "-f", "rootfs/etc/seed.awk", dir)
	var out, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complained
	if err := cmd.Run(); err != nil {
		t.Fatalf("the reader failed: %v\n%s", err, complained.String())
	}
	text := strings.TrimSuffix(out.String(), "\n")
	if text == "" {
		return nil, complained.String()
	}
	return strings.Split(text, "\n"), complained.String()
}

func TestSeedRecords(t *testing.T) {
	card := func(body string) map[string]string {
		return map[string]string{"network-config": `{"version":2,"ethernets":{"nic0":{"match":{"macaddress":"da:1e:70:00:00:01"},` + body + `}}}`}
	}
	users := func(body string) map[string]string {
		return map[string]string{"user-data": "#cloud-config\n{\"users\":[" + body + "]}"}
	}
	for name, c := range map[string]struct {
		documents map[string]string
		records   string // lines
		complaint string // part of it; empty for none
	}{
		"nothing at all": {documents: nil},
		"layout does not matter": {
			documents: map[string]string{"meta-data": "{\"x\":[{},[],-1.5e+3,null]\n,\r\n\t\"local-hostname\"\n:\n\"a-1.b\"}"},
			records:   "host a-1.b"},
		"name from user-data": {documents: map[string]string{"user-data": `{"hostname":"web"}`}, records: "host web"},
		"a key inside a string is no key": {
			documents: map[string]string{"meta-data": `{"note":"\",\"local-hostname\":\"evil\"","local-hostname":"good"}`}, records: "host good"},
		"a path in a key is no path": {
			documents: map[string]string{"user-data": `{"users/0/name":"evil","hostname":"h"}`}, records: "host h"},
		"a name that is a command": {documents: map[string]string{"meta-data": `{"local-hostname":"$(reboot)"}`}, complaint: "not a host name"},
		"a name with a line break": {documents: map[string]string{"meta-data": `{"local-hostname":"a\nuser evil"}`}, complaint: "not a host name"},
		"full network": {
			documents: card(`"mtu":1400,"addresses":["10.1.0.5/24","fd00::5/64"],"routes":[{"to":"0.0.0.0/0","via":"10.1.0.1"},
				{"to":"10.9.0.0/16","via":"10.1.0.9"}],"nameservers":{"addresses":["10.1.0.1"],"search":["x.y"]}`),
			records: "nic da:1e:70:00:00:01\nmtu 1400\naddress 10.1.0.5/24\naddress fd00::5/64\nroute default 10.1.0.1\n" +
				"route 10.9.0.0/16 10.1.0.9\ndns 10.1.0.1\nsearch x.y"},
		"wrapped network": {
			documents: map[string]string{"network-config": `{"network":{"version":2,"ethernets":{"a":{"match":{"macaddress":"DA:1E:70:00:00:01"}}}}}`},
			records:   "nic da:1e:70:00:00:01"},
		"addresses that are none": {
			documents: card(`"addresses":["10.1.0.5","10.1.0.5/24 dev lo","-h/24","10.1.0.6/24\naddress 1.1.1.1/8","10.1.0.7/24"]`),
			records:   "nic da:1e:70:00:00:01\naddress 10.1.0.7/24", complaint: "not a valid value"},
		"a card without a MAC": {
			documents: map[string]string{"network-config": `{"version":2,"ethernets":{"a":{"addresses":["10.1.0.5/24"]}}}`}, complaint: "without a MAC"},
		"password and keys": {
			documents: users(`{"name":"root","lock_passwd":false,"hashed_passwd":"$6$ab$cd./"},
				{"name":"ops","ssh_authorized_keys":["ssh-ed25519 AAA caf\u00e9 \ud83c\udfc4 \"x\" \\ $(y) ` + "`z`" + ` 'w'"]}`),
			records: "user root\npassword root $6$ab$cd./\nuser ops\nkey ops ssh-ed25519 AAA café 🏄 \"x\" \\ $(y) `z` 'w'"},
		"locked by default":      {documents: users(`{"name":"root","hashed_passwd":"$6$ab$cd"}`), records: "user root"},
		"a hash with a colon":    {documents: users(`{"name":"root","lock_passwd":false,"hashed_passwd":"$6$a:b"}`), records: "user root", complaint: "password"},
		"a key of two lines":     {documents: users(`{"name":"ops","ssh_authorized_keys":["ssh-rsa A\nssh-rsa B"]}`), records: "user ops", complaint: "key"},
		"a user with a colon":    {documents: users(`{"name":"ops:x:0"}`), complaint: "not a user name"},
		"a user that is a path":  {documents: users(`{"name":"../../etc"}`), complaint: "not a user name"},
		"half a surrogate pair":  {documents: map[string]string{"meta-data": `{"local-hostname":"a","x":"\ud83c"}`}, complaint: "surrogate"},
		"a NUL":                  {documents: map[string]string{"meta-data": `{"local-hostname":"a","x":"\u0000"}`}, complaint: "escape"},
		"an unknown escape":      {documents: map[string]string{"meta-data": `{"local-hostname":"a","x":"\q"}`}, complaint: "escape"},
		"a raw control char":     {documents: map[string]string{"meta-data": "{\"local-hostname\":\"a\",\"x\":\"\x01\"}"}, complaint: "control character"},
		"cut short":              {documents: map[string]string{"meta-data": `{"local-hostname":"a"`}, complaint: "missing"},
		"a string cut short":     {documents: map[string]string{"meta-data": `{"local-hostname":"a`}, complaint: "does not end"},
		"something after it":     {documents: map[string]string{"meta-data": `{"local-hostname":"a"} x`}, complaint: "follows"},
		"no JSON but YAML":       {documents: map[string]string{"meta-data": "local-hostname: a\n"}, complaint: "value is missing"},
		"bottomless":             {documents: map[string]string{"meta-data": strings.Repeat("[", 100000)}, complaint: "too deep"},
		"one bad, others good":   {documents: map[string]string{"user-data": "{", "meta-data": `{"local-hostname":"a"}`}, records: "host a", complaint: "user-data"},
		"numbers are not octal":  {documents: card(`"mtu":01400`), complaint: "missing"},
		"the last of two counts": {documents: map[string]string{"meta-data": `{"local-hostname":"a","local-hostname":"b"}`}, records: "host b"},
	} {
		t.Run(name, func(t *testing.T) {
			records, complaints := plan(t, t.TempDir(), c.documents)
			if got := strings.Join(records, "\n"); got != c.records {
				t.Errorf("records:\n%s\nwant:\n%s", got, c.records)
			}
			if c.complaint == "" && complaints != "" || !strings.Contains(complaints, c.complaint) {
				t.Errorf("complaints: %q, want %q", complaints, c.complaint)
			}
		})
	}
}

// Whatever text stands in a seed, encoded by any JSON writer, the reader makes the records of the
// values that pass its checks and no other line.
func TestSeedRecordsWithAnyText(t *testing.T) {
	dir := t.TempDir()
	chance.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n\t"\\/u]{0,40}`))
		key, comment := text.Draw(t, "key"), text.Draw(t, "comment")
		document := map[string]any{key: comment, "zz": []string{comment}, "hostname": "good",
			"users": []map[string]any{{"name": "ops", key: comment, "ssh_authorized_keys": []string{"ssh-rsa A " + comment}}}}
		for _, fixed := range []string{"hostname", "users", "name", "ssh_authorized_keys", "lock_passwd", "hashed_passwd"} {
			if key == fixed {
				t.Skip("the key means something")
			}
		}
		encoder := json.MarshalIndent
		if rapid.Bool().Draw(t, "compact") {
			encoder = func(v any, _, _ string) ([]byte, error) { return json.Marshal(v) }
		}
		body, err := encoder(document, "", "  ")
		if err != nil {
			t.Fatalf("%v", err)
		}
		records, complaints := plan(t, dir, map[string]string{"user-data": "#cloud-config\n" + string(body)})
		if strings.ContainsRune(comment+key, 0) {
			// awk has no NUL in strings: the document counts as broken as a whole.
			if len(records) != 0 || complaints == "" {
				t.Fatalf("a document with a NUL gave %q", records)
			}
			return
		}
		want := []string{"host good", "user ops"}
		if !strings.ContainsFunc(comment, func(r rune) bool { return r < 32 || r == 127 }) {
			want = append(want, "key ops ssh-rsa A "+strings.ToValidUTF8(comment, "\uFFFD"))
		}
		if strings.Join(records, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%q gave %q, want %q (%s)", body, records, want, complaints)
		}
	})
}
