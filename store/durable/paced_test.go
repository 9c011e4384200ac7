package durable

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestPacedWritesEverything(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := bytes.Repeat([]byte("0123456789abcde\n"), 2<<20/16)
	p := NewPaced(f)
	for range 9 { // twice as much as waits for the disk, and a bit
		if n, err := p.Write(want); n != len(want) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(got, bytes.Repeat(want, 9)) {
		t.Errorf("%d bytes are in the file, %v", len(got), err)
	}
	f.Close()
	if _, err := p.Write(want); err == nil {
		t.Error("a file that is closed takes more")
	}
}
