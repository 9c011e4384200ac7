package guest

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
)

func TestBootRecord(t *testing.T) {
	record, err := bootRecord(bytes.Repeat([]byte{0xcc}, 440), partition{kind: 0x0e, active: true, fromMiB: 1, sizeMiB: 19},
		partition{kind: 0x83, fromMiB: 20, sizeMiB: 14})
	if err != nil {
		t.Fatal(err)
	}
	if len(record) != 512 || record[510] != 0x55 || record[511] != 0xaa || record[439] != 0xcc || record[440] != 0 {
		t.Errorf("code or signature is not where a BIOS looks for it")
	}
	for i, want := range []struct {
		flag, kind byte
		from, size uint32
	}{{0x80, 0x0e, 2048, 38912}, {0, 0x83, 40960, 28672}, {}, {}} {
		entry := record[446+16*i : 462+16*i]
		if entry[0] != want.flag || entry[4] != want.kind || binary.LittleEndian.Uint32(entry[8:]) != want.from ||
			binary.LittleEndian.Uint32(entry[12:]) != want.size {
			t.Errorf("partition %d is % x", i+1, entry)
		}
	}
	for _, code := range [][]byte{nil, make([]byte, 441)} {
		if _, err := bootRecord(code); err == nil {
			t.Errorf("%d bytes of boot code were taken", len(code))
		}
	}
}

// unpack reads a newc archive the way the kernel's documentation describes it.
func unpack(t *testing.T, cpio []byte) (names []string, modes map[string]int64, bodies map[string]string) {
	t.Helper()
	modes, bodies = map[string]int64{}, map[string]string{}
	number := func(at int) int64 {
		v, err := strconv.ParseInt(string(cpio[at:at+8]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for at := 0; ; {
		if string(cpio[at:at+6]) != "070701" {
			t.Fatalf("no header at %d", at)
		}
		mode, size, length := number(at+14), int(number(at+54)), int(number(at+94))
		name := string(cpio[at+110 : at+110+length-1])
		at = (at + 110 + length + 3) &^ 3
		body := string(cpio[at : at+size])
		at = (at + size + 3) &^ 3
		if name == "TRAILER!!!" {
			return names, modes, bodies
		}
		names, modes[name], bodies[name] = append(names, name), mode, body
	}
}

func TestArchive(t *testing.T) {
	var a archive
	a.file("a/b/file", 0o755, []byte("12345"))
	a.file("a/other", 0o600, nil)
	a.link("a/link", "b/file")
	names, modes, bodies := unpack(t, a.bytes())
	if got := strings.Join(names, " "); got != "a a/b a/b/file a/other a/link" {
		t.Errorf("entries: %s", got) // a parent before its children, and once
	}
	if modes["a"] != 0o40755 || modes["a/b/file"] != 0o100755 || modes["a/other"] != 0o100600 || modes["a/link"] != 0o120777 {
		t.Errorf("modes (decimal): %v", modes)
	}
	if bodies["a/b/file"] != "12345" || bodies["a/link"] != "b/file" {
		t.Errorf("bodies: %q", bodies)
	}
}

// The scripts lose their permissions in the executable and must get them back; accounts are private.
func TestEmbeddedFiles(t *testing.T) {
	var a archive
	if err := addEmbedded(&a); err != nil {
		t.Fatal(err)
	}
	_, modes, bodies := unpack(t, a.bytes())
	for name, mode := range map[string]int64{"etc/boot": 0o100755, "sbin/stop": 0o100755, "etc/acpi/PWRF/00000080": 0o100755,
		"etc/seed.awk": 0o100644, "etc/shadow": 0o100600} {
		if modes[name] != mode {
			t.Errorf("%s has mode %o", name, modes[name])
		}
	}
	if !strings.HasPrefix(bodies["etc/shadow"], "root:!:") {
		t.Errorf("without a seed root is not locked: %s", bodies["etc/shadow"])
	}
	if strings.Contains(bodies["etc/boot"], "eval") {
		t.Error("the boot script evaluates something")
	}
}

func TestKernelPackage(t *testing.T) {
	for name, c := range map[string]struct{ says, want string }{
		"debian": {"linux-image-cloud-amd64\n  Depends: linux-image-6.12.107+deb13-cloud-amd64\n", "linux-image-6.12.107+deb13-cloud-amd64"},
		"ubuntu": {"linux-image-virtual\n  Depends: linux-image-6.8.0-149-generic\n  Depends: linux-base\n", "linux-image-6.8.0-149-generic"},
		"two":    {"x\n |Depends: linux-image-6.2-a\n  Depends: linux-image-6.1-b\n", "linux-image-6.2-a"},
		"none":   {"x\n  Depends: linux-image-virtual\n  Suggests: linux-image-6.1-b\n", ""},
	} {
		if got := kernelOf([]byte(c.says)); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAptAnswers(t *testing.T) {
	sizes := sizesOf([]byte("Reading lists...\n'http://a/b.deb' b_1%3a2_amd64.deb 346272 SHA256:00\n'http://a/c.deb' c.deb 12 MD5Sum:0\n"))
	if len(sizes) != 2 || sizes["b_1%3a2_amd64.deb"] != 346272 || sizes["c.deb"] != 12 {
		t.Errorf("sizes: %v", sizes)
	}
	got := strings.Join(dependencies("libc6 (>= 2.34), libglib2.0-0t64 | libglib2.0-0 (>= 2.63.3), python3:any,\n libudev1\n"), " ")
	if got != "libc6 libglib2.0-0t64 python3 libudev1" {
		t.Errorf("dependencies: %s", got)
	}
	if left := dependencies("\n"); len(left) != 0 {
		t.Errorf("of nothing: %q", left)
	}
}

// Modules come out of packages that apt checked, but a damaged one must end in an error.
func FuzzModuleDepends(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		names, err := moduleDepends(body)
		if err != nil && names != nil {
			t.Errorf("names %q beside the error %v", names, err)
		}
		for _, name := range names {
			if name == "" || strings.Contains(name, ",") {
				t.Errorf("a name %q", name)
			}
		}
	})
}
