package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/lease"
	"kowabunga/testdata/chance"
)

func entry(request string, state lease.EntryState) lease.LedgerEntry {
	return lease.LedgerEntry{Request: request, Epoch: lease.Epoch{Counter: 1, Node: "n"}, Sum: "s", State: state}
}

func holding(entries ...lease.LedgerEntry) (l ledgerLine) {
	for i := range entries {
		l.Changes = append(l.Changes, change{Keep: &entries[i]})
	}
	return l
}

func openTestLedger(t testing.TB, path string, there bool) *ledgerFile {
	t.Helper()
	f, why, err := openLedger(path, there)
	if err != nil || why != "" {
		t.Fatal(why, err)
	}
	return f
}

func requests(f *ledgerFile) (out []string) {
	for _, e := range f.entries() {
		out = append(out, e.Request+" "+string(e.State))
	}
	return out
}

// The ledger comes back as it was put, in its order, whatever was cut short at its end.
func TestLedgerFileSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), ledgerName)
	f := openTestLedger(t, path, false)
	for _, l := range []ledgerLine{
		holding(entry("a", lease.StepStarted)), holding(entry("b", lease.StepStarted), entry("c", lease.StepStarted)),
		holding(entry("a", lease.StepAnswered)), {Changes: []change{{Drop: "b"}}},
	} {
		if err := f.put(l); err != nil {
			t.Fatal(err)
		}
	}
	f.later(holding(entry("d", lease.StepSettled)))
	f.close()
	if err := f.put(holding(entry("late", lease.StepStarted))); err == nil {
		t.Error("kept after the end")
	}
	want := []string{"c started", "a answered", "d settled"}
	f = openTestLedger(t, path, true)
	if got := requests(f); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	f.close()

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := []byte("12345678 {\"changes\":[{\"keep\":{\"request\":\"e\"\x00\x00\n\x00")
	if err := os.WriteFile(path, append(whole, torn...), 0o600); err != nil {
		t.Fatal(err)
	}
	f = openTestLedger(t, path, true)
	if err := f.put(holding(entry("f", lease.StepStarted))); err != nil {
		t.Fatal(err)
	}
	f.close()
	f = openTestLedger(t, path, true)
	defer f.close()
	if got := requests(f); !slices.Equal(got, append(want, "f started")) {
		t.Error(got)
	}
}

// What could not be written is not kept, and the next change does not rely on the file that failed.
func TestLedgerFileAfterAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), ledgerName)
	f := openTestLedger(t, path, false)
	if err := f.put(holding(entry("a", lease.StepStarted))); err != nil {
		t.Fatal(err)
	}
	f.file.Close()
	if err := f.put(holding(entry("b", lease.StepStarted))); err == nil {
		t.Fatal("written to a closed file")
	}
	if err := os.Mkdir(path+".part", 0o700); err != nil { // nor can a new one be written
		t.Fatal(err)
	}
	if err := f.put(holding(entry("c", lease.StepStarted))); err == nil {
		t.Fatal("written")
	}
	if got := requests(f); !slices.Equal(got, []string{"a started"}) {
		t.Error(got)
	}
	os.Remove(path + ".part")
	if err := f.put(holding(entry("d", lease.StepStarted))); err != nil {
		t.Fatal(err)
	}
	f.close()
	f = openTestLedger(t, path, true)
	defer f.close()
	if got := requests(f); !slices.Equal(got, []string{"a started", "d started"}) {
		t.Error(got)
	}
}

// Steps that come together are all on disk when each is told so, and the file does not grow with their number.
func TestLedgerFileUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), ledgerName)
	f := openTestLedger(t, path, false)
	answer := bytes.Repeat([]byte("x"), 2000)
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := range 50 {
				e := entry(fmt.Sprintf("%d/%d/do/1", w, i), lease.StepAnswered)
				e.Answer = answer
				if err := f.put(holding(e)); err != nil {
					t.Error(err)
				}
				if i > 0 {
					f.later(ledgerLine{Changes: []change{{Drop: fmt.Sprintf("%d/%d/do/1", w, i-1)}}})
				}
			}
		})
	}
	all.Wait()
	f.close()
	if info, err := os.Stat(path); err != nil || info.Size() > 3*ledgerRoom/2 {
		t.Errorf("%d bytes for 16 steps, %v", info.Size(), err)
	}
	f = openTestLedger(t, path, true)
	defer f.close()
	if n := len(f.live); n != 16 {
		t.Errorf("%d steps", n)
	}
}

// content is a ledger file of drawn lines.
func content(t *rapid.T) (data []byte, lines []int) {
	for i := range rapid.IntRange(1, 6).Draw(t, "lines") {
		l := holding(entry(rapid.StringMatching(`[a-d]/[0-9]/do/1`).Draw(t, "request"), rapid.SampledFrom(stepStates).Draw(t, "state")))
		l.Changes = append(l.Changes, change{Drop: rapid.SampledFrom([]string{"", "a/1/do/1"}).Draw(t, "drop")})
		if i == 0 {
			l.Version = ledgerVersion
		}
		line, err := l.encode()
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, line...)
		lines = append(lines, len(data))
	}
	return data, lines
}

// Cut anywhere after its first line, a ledger is what its whole lines say; harmed anywhere before its last,
// it says so.
func TestLedgerFileProperties(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		data, lines := content(t)
		at := rapid.IntRange(lines[0], len(data)).Draw(t, "cut")
		n := 0
		for _, end := range lines {
			if end <= at {
				n = end
			}
		}
		short, good, err := decodeLedger(data[:at])
		want, _, _ := decodeLedger(data[:n])
		if err != nil || good != n || !slices.EqualFunc(short.entries(), want.entries(), func(a, b lease.LedgerEntry) bool { return a.Request == b.Request && a.State == b.State }) {
			t.Fatalf("cut at %d: %d good bytes, %v", at, good, err)
		}
		if len(lines) > 1 {
			harmed := slices.Clone(data)
			last := len(lines) - 2 // of those that are not the last; its end would only make a longer last line
			harmed[rapid.IntRange(0, lines[last]-2).Draw(t, "harm")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if _, _, err := decodeLedger(harmed); err == nil {
				t.Fatal("nobody notices the harm")
			}
		}
	})
}

func FuzzLedgerFile(f *testing.F) {
	first := ledgerLine{Version: ledgerVersion}
	line, _ := first.encode()
	one := holding(entry("a/0/do/1", lease.StepStarted))
	second, _ := one.encode()
	f.Add(line)
	f.Add(append(slices.Clone(line), second...))
	f.Add([]byte("00000000 {}\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, good, err := decodeLedger(data)
		if good > len(data) {
			t.Fatal(good)
		}
		again, all, failed := decodeLedger(data[:good])
		if err == nil && (failed != nil || all != good || len(again.live) != len(c.live)) {
			t.Fatalf("the good part is read otherwise: %v, %d of %d bytes", failed, all, good)
		}
		for _, e := range c.entries() {
			if e.Request == "" {
				t.Fatal("a step without a request")
			}
		}
	})
}

func BenchmarkLedgerFile(b *testing.B) {
	f := openTestLedger(b, filepath.Join(b.TempDir(), ledgerName), false)
	defer f.close()
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := f.put(holding(entry("a/0/do/1", lease.StepStarted))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
