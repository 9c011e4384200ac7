package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// cpus is a /sys and /proc with so many packages, cores in each and threads in each core; every
// package numbers its cores from zero.
func cpus(packages, cores, threads int) fstest.MapFS {
	root := fstest.MapFS{
		"proc/cpuinfo":                {Data: []byte("processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon: Gold\n")},
		"proc/meminfo":                {Data: []byte("MemTotal:       16303708 kB\nMemFree: 1 kB\n")},
		"sys/devices/system/cpu/idle": {Data: []byte("x")},
	}
	n := 0
	for thread := range threads {
		for p := range packages {
			for core := range cores {
				dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", n)
				root[dir+"topology/physical_package_id"] = &fstest.MapFile{Data: fmt.Appendln(nil, p)}
				root[dir+"topology/core_id"] = &fstest.MapFile{Data: fmt.Appendln(nil, core)}
				if n > 0 {
					root[dir+"online"] = &fstest.MapFile{Data: []byte("1\n")}
				}
				n++
			}
		}
		_ = thread
	}
	return root
}

// W-KAK-14: the cores of all sockets count.
func TestWKAK14CoresOfAllSockets(t *testing.T) {
	for _, c := range []struct{ packages, cores, threads int64 }{{1, 1, 1}, {1, 4, 2}, {2, 8, 2}, {4, 16, 1}} {
		got := capabilities(cpus(int(c.packages), int(c.cores), int(c.threads)))
		want := agentproto.Caps{Arch: arch(), Vendor: "GenuineIntel", Model: "Xeon: Gold", Sockets: c.packages, Cores: c.packages * c.cores, Threads: c.packages * c.cores * c.threads, Memory: 16303708 << 10}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	root := cpus(2, 2, 1)
	root["sys/devices/system/cpu/cpu3/online"].Data = []byte("0\n")
	if got := capabilities(root); got.Threads != 3 || got.Cores != 3 {
		t.Errorf("a processor that is off counts: %+v", got)
	}
	delete(root, "sys/devices/system/cpu/cpu0/topology/core_id")
	for name := range root {
		if strings.HasPrefix(name, "sys/") {
			delete(root, name)
		}
	}
	if got := capabilities(root); got.Threads != 1 || got.Cores != 1 || got.Sockets != 1 {
		t.Errorf("without /sys: %+v", got)
	}
}

func TestExplain(t *testing.T) {
	cases := map[fault.Code]error{
		fault.NotFound:    libvirt.Error{Code: uint32(libvirt.ErrNoDomain), Message: "no domain /secret/path"},
		fault.Conflict:    libvirt.Error{Code: uint32(libvirt.ErrOperationInvalid)},
		fault.Invalid:     libvirt.Error{Code: uint32(libvirt.ErrXMLError)},
		fault.Internal:    libvirt.Error{Code: uint32(libvirt.ErrInternalError), Message: "no domain /secret/path"},
		fault.Unavailable: fmt.Errorf("x: %w", libvirt.ErrInterrupted),
		fault.Denied:      fault.New(fault.Denied, "of ours"),
		fault.Exhausted:   libvirt.Error{Code: uint32(libvirt.ErrNoMemory)},
	}
	for code, err := range cases {
		got := fault.From(explain("op", err))
		if got.Code != code || strings.Contains(got.Public(), "secret") || !errors.Is(got, err) && got.Public() != fault.From(err).Public() {
			t.Errorf("%v became %v", err, got)
		}
	}
	if explain("op", nil) != nil {
		t.Error("no error became one")
	}
}

func TestBookSurvives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "machines")
	b, err := openBook(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := record{Machine: machine(1, 1), Accel: "tcg", Run: true}
	if err := b.put(want); err != nil {
		t.Fatal(err)
	}
	if err := b.change(machineA, func(r *record) { r.Ran = true }); err != nil {
		t.Fatal(err)
	}
	if err := b.change("abcdef0123456789abcdef01", func(r *record) { t.Error("an unknown machine was changed") }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err = openBook(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := b.get(machineA)
	if !ok || !got.Run || !got.Ran || got.Machine.Name != "web-1" || len(got.Machine.Disks) != 1 {
		t.Errorf("got %+v, %v", got, ok)
	}
	for range 2 {
		if err := b.remove(machineA); err != nil {
			t.Fatal(err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if err := os.WriteFile(filepath.Join(dir, machineA+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openBook(dir); err == nil || !strings.Contains(err.Error(), machineA) {
		t.Errorf("a broken record: %v", err)
	}
}

func TestConsoleOffsets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.log")
	text := []byte(strings.Repeat("0123456789", 10))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset, limit int64
		want          []byte
		next          int64
	}{
		{0, 0, text, 100}, {0, 10, text[:10], 10}, {10, 5, text[10:15], 15}, {-3, 0, text[97:], 100}, {-1000, 0, text, 100},
		{100, 0, nil, 100}, {101, 0, text, 100}, {0, 1 << 40, text, 100},
	} {
		got, err := readConsole(path, c.offset, c.limit)
		if err != nil || !bytes.Equal(got.Data, c.want) || got.Next != c.next {
			t.Errorf("offset %d, limit %d: %q, next %d, %v", c.offset, c.limit, got.Data, got.Next, err)
		}
	}
}

func TestLongConsoleGivesSpaceBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kb.log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), consoleTrim+1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := trim(path); err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString("the end"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != consoleTrim+1<<20+7 {
		t.Fatalf("offsets changed: %d, %v", info.Size(), err)
	}
	got, err := readConsole(path, 0, 1<<20)
	if err != nil || bytes.Contains(got.Data, []byte{0}) || got.Next < info.Size()-consoleKeep-8192 {
		t.Errorf("reading from the start gave zeros or old output: next %d of %d, %v", got.Next, info.Size(), err)
	}
	if got, err := readConsole(path, -7, 0); err != nil || string(got.Data) != "the end" {
		t.Errorf("%q, %v", got.Data, err)
	}
}

func TestProbeChoices(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if _, err := Probe(t.Context(), "xen", t.TempDir(), log); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	for choice, want := range map[string]string{AccelKVM: AccelKVM, AccelTCG: AccelTCG} {
		if got, err := Probe(t.Context(), choice, t.TempDir(), log); err != nil || got.Kind != want {
			t.Errorf("%s: %+v, %v", choice, got, err)
		}
	}
	// A result of this boot is taken, one of another boot is not believed.
	dir := t.TempDir()
	keep := func(boot string) {
		text := fmt.Sprintf(`{"bootId":%q,"kind":"kvm","reason":"kept"}`, boot)
		if err := os.WriteFile(filepath.Join(dir, "accel.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep(bootID())
	if got, err := Probe(t.Context(), AccelAuto, dir, log); err != nil || got.Reason != "kept" {
		t.Errorf("%+v, %v", got, err)
	}
	keep("another")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := Probe(gone, AccelAuto, dir, log); err == nil && got.Reason == "kept" {
		t.Errorf("an old result was taken: %+v", got)
	}
}

// W-KAK-7: nothing but a local socket.
func TestWKAK7LocalSocketOnly(t *testing.T) {
	for _, socket := range []string{"", "127.0.0.1:16509", "qemu+tcp://host/system", "libvirt-sock"} {
		if _, err := New(Config{Socket: socket, StateDir: t.TempDir(), ConsoleDir: t.TempDir()}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", socket, err)
		}
	}
}

// A daemon that accepts and never answers, or is not there, holds nobody up.
func TestUnreachableLibvirtIsSaid(t *testing.T) {
	dir := t.TempDir()
	h, err := New(Config{Socket: filepath.Join(dir, "sock"), StateDir: dir, ConsoleDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.State(ctx, machineA); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	// W-KAK-6: not knowing is not being off. Nothing is forgotten.
	if err := h.book.put(record{Machine: machine(1, 1), Run: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.Delete(ctx, machineA); !fault.Is(err, fault.Unavailable) {
		t.Errorf("deleting: %v", err)
	}
	if _, ok := h.book.get(machineA); !ok {
		t.Error("the machine was forgotten though libvirt could not be asked")
	}
}

// W-KAK-27: the connection is replaced while calls use it.
func TestWKAK27ConnectionIsReplacedUnderLoad(t *testing.T) {
	var c connection
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			a, b := net.Pipe()
			b.Close()
			c.set(&session{conn: a, gone: make(chan struct{})})
			c.set(nil)
			a.Close()
		}
	}()
	used := 0
	for range 1000 {
		err := c.do(ctx, "use it", func(*libvirt.Libvirt) error { used++; return nil })
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	if used == 0 {
		t.Error("no call ever got a connection")
	}
}

func TestOurMachinesAreTold(t *testing.T) {
	var u libvirt.UUID
	copy(u[:], []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x8c, 0xde, 0x8f, 0x01, 0x23, 0x45, 0x67, 0x00, 0x6b, 0x77})
	if id, ok := machineID(libvirt.Domain{UUID: u, Name: "kb-" + machineA}); !ok || id != machineA {
		t.Errorf("%s, %v", id, ok)
	}
	if _, ok := machineID(libvirt.Domain{UUID: u, Name: "somebody's"}); ok {
		t.Error("a domain of another name is taken for ours")
	}
	if _, ok := machineID(libvirt.Domain{Name: "kb-" + machineA}); ok {
		t.Error("a domain of another UUID is taken for ours")
	}
}

func TestStatesHaveNames(t *testing.T) {
	h := &Host{book: book{mu: new(sync.Mutex), records: map[string]record{machineA: {Run: true, Accel: "tcg"}}}}
	var got []string
	for state := range int32(9) {
		st := h.status(machineA, state, 1)
		got = append(got, st.State+"/"+st.Reason)
		if !st.Run || !st.Known || st.Accel != "tcg" {
			t.Errorf("%+v", st)
		}
	}
	want := []string{"No State/unknown", "Running/booted", "Blocked/unknown", "Paused/by request", "Shutdown/by request", "Shutoff/shut down", "Crashed/kernel panic", "PM Suspended/unknown", "No State/unknown"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
