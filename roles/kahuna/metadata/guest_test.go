package metadata

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/cloudinit"
	"kowabunga/core/metadata"
)

// The program in the guest, run here with a mount that copies: it reads the configuration disk and gets
// the machine's document.
func TestProgramInTheGuest(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	r := newRig(t)
	docs, err := cloudinit.Render(cloudinit.Machine{InstanceID: string(machineID), Hostname: "web-1",
		Metadata: cloudinit.Metadata{URI: r.server.URL + metadata.Path, LocalIP: address, Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var user struct {
		Files []struct{ Path, Content string } `json:"write_files"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(docs.UserData, "#cloud-config\n")), &user); err != nil || len(user.Files) != 1 || user.Files[0].Path != "/usr/bin/kw-meta" {
		t.Fatalf("%v, %+v", err, user)
	}
	for name, content := range map[string]string{
		"kw-meta": user.Files[0].Content, "meta-data": docs.MetaData,
		"mount": "#!/bin/sh\ncp \"$3/meta-data\" \"$4/\"\n", "umount": "#!/bin/sh\nrm -f \"$1/meta-data\"\n", "id": "#!/bin/sh\necho ${TEST_UID:-0}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(env string, args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(dir, "kw-meta"), args...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "KW_META_DISK="+dir, "KW_META_STATE="+filepath.Join(dir, "etag"), "TMPDIR="+t.TempDir(), env)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if left, _ := filepath.Glob(filepath.Join(strings.TrimPrefix(cmd.Env[len(cmd.Env)-2], "TMPDIR="), "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if strings.Contains(errs.String(), secret) {
			t.Errorf("the secret is on standard error: %s", errs.String())
		}
		if err != nil {
			return errs.String(), err
		}
		return out.String(), nil
	}
	read := func(args ...string) metadata.Document {
		t.Helper()
		out, err := run("", args...)
		var d metadata.Document
		if err != nil || json.Unmarshal([]byte(out), &d) != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return d
	}
	if d := read(); d.Name != "web-1" || d.Kaktus != "host-1" {
		t.Errorf("%+v", d)
	}
	// What is not new is waited for.
	waited := make(chan metadata.Document, 1)
	go func() {
		out, err := run("", "--wait")
		var d metadata.Document
		if err != nil || json.Unmarshal([]byte(out), &d) != nil {
			t.Errorf("%v: %s", err, out)
		}
		waited <- d
	}()
	<-r.held
	r.tag("new")
	if d := <-waited; len(d.Tags) != 1 || d.Tags[0] != "new" {
		t.Errorf("%+v", d)
	}
	if out, err := run("TEST_UID=1000"); err == nil || !strings.Contains(out, "only root") {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "meta-data"), []byte(strings.Replace(docs.MetaData, secret, "forged", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run(""); err == nil || !strings.Contains(out, "401") {
		t.Errorf("%v: %s", err, out)
	}
}
