package block

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"kowabunga/core/fault"
)

// v3 is the start of a good qcow2 file of 1 GiB with 64 KiB clusters, four of them long.
func v3(change func(b []byte)) []byte {
	b := make([]byte, 4<<16)
	be := binary.BigEndian
	copy(b, qcow2Magic)
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], 1<<30)
	be.PutUint32(b[36:], 2)     // first-level entries
	be.PutUint64(b[40:], 3<<16) // their place
	be.PutUint64(b[48:], 1<<16) // reference counts
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4)
	be.PutUint32(b[100:], 104)
	if change != nil {
		change(b)
	}
	return b
}

var hostile = []struct {
	name, says string
	change     func(b []byte)
}{
	{"backing file", "has a backing file", func(b []byte) {
		binary.BigEndian.PutUint64(b[8:], 200)
		binary.BigEndian.PutUint32(b[16:], 11)
		copy(b[200:], "/etc/shadow")
	}},
	{"backing file beyond the header", "has a backing file", func(b []byte) { binary.BigEndian.PutUint64(b[8:], 1<<40) }},
	{"external data file by feature", "in another file", func(b []byte) { b[79] = featureExternal }},
	{"external data file by name", "in another file", func(b []byte) { copy(b[104:], "DATA\x00\x00\x00\x08/dev/sda") }},
	{"external data file after others", "in another file", func(b []byte) {
		copy(b[104:], "\x68\x03\xf8\x57\x00\x00\x00\x05abcde\x00\x00\x00DATA\x00\x00\x00\x08/dev/sda")
	}},
	{"encrypted", "is encrypted", func(b []byte) { b[35] = 2 }},
	{"corrupt", "marked corrupt", func(b []byte) { b[79] = featureCorrupt }},
	{"unknown feature", "not known here (0x8000000000000000)", func(b []byte) { b[72] = 0x80 }},
	{"version 4", "version 4", func(b []byte) { b[7] = 4 }},
	{"tiny clusters", "2^8 bytes", func(b []byte) { b[23] = 8 }},
	{"huge clusters", "2^22 bytes", func(b []byte) { b[23] = 22 }},
	{"empty", "no content", func(b []byte) { copy(b[24:32], make([]byte, 8)) }},
	{"too large", "at most", func(b []byte) { binary.BigEndian.PutUint64(b[24:], 1<<41) }},
	{"absurd size", "claims a size", func(b []byte) { binary.BigEndian.PutUint64(b[24:], 1<<63) }},
	{"table too short", "first-level table of 1", func(b []byte) { b[39] = 1 }},
	{"table too long", "first-level table of", func(b []byte) { b[36] = 0xff }},
	{"table beyond the end", "cut off", func(b []byte) { binary.BigEndian.PutUint64(b[40:], 1<<30) }},
	{"table offset overflows", "cut off", func(b []byte) { binary.BigEndian.PutUint64(b[40:], ^uint64(0)-8) }},
	{"no reference counts", "reference count table of 0", func(b []byte) { b[59] = 0 }},
	{"reference counts beyond the end", "cut off", func(b []byte) { binary.BigEndian.PutUint64(b[48:], 1<<30) }},
	{"header too long", "qcow2 header of", func(b []byte) { b[100] = 0xff }},
	{"header too short", "qcow2 header of 8", func(b []byte) { b[103] = 8 }},
}

func judge2(b []byte) error {
	h, err := readHeader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	return h.strict(int64(len(b)), 1<<40)
}

func TestHostileQcow2IsRefused(t *testing.T) {
	if err := judge2(v3(nil)); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	if err := judge2(v3(func(b []byte) { b[7] = 2 })); err != nil {
		t.Fatalf("a good one of version 2: %v", err)
	}
	s := open(t, t.TempDir())
	for _, c := range hostile {
		file := v3(c.change)
		err := judge2(file)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", c.name, err)
		}
		// The import refuses it too, before it starts any tool.
		if _, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(file) })); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: the import got %v", c.name, err)
		}
		empty(t, s)
	}
}

func FuzzQcow2Header(f *testing.F) {
	f.Add(v3(nil)[:512])
	for _, c := range hostile {
		f.Add(v3(c.change)[:512])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if h.strict(int64(len(b)), 1<<40) != nil {
			return
		}
		if h.backing != "" || h.dataFile || h.encryption != 0 || h.size <= 0 || h.size > 1<<40 || h.features&^uint64(featureDirty|featureCompress|featureL2) != 0 {
			t.Errorf("accepted %+v", h)
		}
	})
}

// A source may be anything: whatever it is, it is unpacked, recognised or refused, and never panics.
func FuzzRecognise(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Add(v3(nil)[:4096])
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := unpack(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer in.close()
		if format, err := recognise(in.Reader); err == nil && format != "raw" && format != "qcow2" {
			t.Errorf("recognised %q", format)
		}
	})
}

func TestXZWindow(t *testing.T) {
	// Headers as xz(1) writes them: -0 asks for 256 KiB, -9 for 64 MiB; then one with both sizes
	// declared, and a filter before LZMA2.
	const stream = "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46"
	for block, want := range map[string]int64{
		"\x02\x00\x21\x01\x0c\x00\x00\x00":                 256 << 10,
		"\x02\x00\x21\x01\x1c\x00\x00\x00":                 64 << 20,
		"\x03\xc0\x80\x01\x90\x02\x21\x01\x26\x00\x00\x00": 2 << 30,
		"\x03\x01\x04\x00\x21\x01\x16\x00\x00\x00\x00\x00": 8 << 20,
		"\x00":             0,
		"\x02\x00\x21":     0,
		"\x02\xc0\x80\x80": 0,
	} {
		if got := xzWindow([]byte(stream + block)); got != want {
			t.Errorf("%q: %d, want %d", block, got, want)
		}
	}
}
