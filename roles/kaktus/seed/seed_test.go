package seed

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
)

func docs() cloudinit.Documents {
	return cloudinit.Documents{
		UserData:      "#cloud-config\n{\"hostname\": \"web-1\"}\n",
		MetaData:      "{\"instance-id\": \"1\"}\n",
		NetworkConfig: strings.Repeat("{} \n", 1500), // three sectors
	}
}

func TestWriteReadsBack(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []cloudinit.Documents{docs(), {UserData: strings.Repeat("x", sector), MetaData: "", NetworkConfig: "y"}} {
		path := filepath.Join(dir, "m.iso")
		if err := Write(path, dir, want); err != nil {
			t.Fatal(err)
		}
		got, err := read(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("read %+v, wrote %+v", got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "m.iso"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 300_000 || info.Size()%sector != 0 {
		t.Errorf("%d bytes: readers that read ahead give it up", info.Size())
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password hash can be read by others: %v", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestSameDocumentsSameBytes(t *testing.T) {
	dir := t.TempDir()
	var images [2][]byte
	for i := range images {
		path := filepath.Join(dir, "m.iso")
		if err := Write(path, dir, docs()); err != nil {
			t.Fatal(err)
		}
		var err error
		if images[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		// Another time of reading or changing must not show.
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the same documents gave different images")
	}
	if n := bytes.Count(images[0], []byte("TF")); n < 3 {
		t.Errorf("only %d Rock Ridge time entries: the test proves nothing", n)
	}
	year := []byte{byte(epoch.Year() - 1900), 1, 1, 0, 0, 0, 0}
	if n := bytes.Count(images[0], year); n < 3*(3+1) {
		t.Errorf("only %d times were replaced", n)
	}
}

// W-KAK-25: a document of another length replaces the old one, and who has the old disk open keeps it.
func TestWKAK25RewriteKeepsOpenDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.iso")
	if err := Write(path, dir, docs()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	longer := docs()
	longer.UserData += strings.Repeat("# more\n", 5000)
	if err := Write(path, dir, longer); err != nil {
		t.Fatal(err)
	}
	running := make([]byte, len(before))
	if _, err := open.ReadAt(running, 0); err != nil || !bytes.Equal(running, before) {
		t.Errorf("the disk changed under its reader: %v", err)
	}
	if got, err := read(path); err != nil || got != longer {
		t.Errorf("the new documents are not there: %v", err)
	}
}

func TestWriteRefusesHugeDocuments(t *testing.T) {
	dir := t.TempDir()
	err := Write(filepath.Join(dir, "m.iso"), dir, cloudinit.Documents{UserData: strings.Repeat("x", MaxDocuments+1)})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// A disk that could not be put where it belongs leaves nothing of what it holds.
func TestA28FailedWritesLeaveNothing(t *testing.T) {
	work := t.TempDir()
	for _, path := range []string{filepath.Join(work, "no", "such", "m.iso"), work} {
		if err := Write(path, work, docs()); err == nil {
			t.Errorf("written at %s", path)
		}
		if left, _ := os.ReadDir(work); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// The kernel's own reader is the one guests use.
func TestKernelMountsIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.iso")
	if err := Write(path, dir, docs()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("blkid", "-o", "value", "-s", "LABEL", path).Output(); err == nil && strings.TrimSpace(string(out)) != "cidata" {
		t.Errorf("blkid sees the label %q", out)
	}
	mnt := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop,ro", path, mnt).CombinedOutput(); err != nil {
		t.Skipf("this machine cannot mount images: %s", out)
	}
	defer exec.Command("umount", mnt).Run()
	got, err := os.ReadFile(filepath.Join(mnt, "network-config"))
	if err != nil || string(got) != docs().NetworkConfig {
		t.Errorf("the kernel reads %q, %v", got, err)
	}
}
