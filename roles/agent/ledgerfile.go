package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
)

// ledgerFile is the ledger of steps on disk: lines of changes, each with its checksum, appended and synced.
// Changes that come together share a line and its sync. A line that was cut short was never acted upon; it
// can only be the last. The file is written anew when most of it is superseded.
type ledgerFile struct {
	path string

	mu   sync.Mutex // of next
	next *page      // changes that wait to be written

	writing sync.Mutex // of the rest; held while something is written
	file    *os.File   // nil: the file must be written anew before anything is appended
	size    int64
	anew    int64 // size when it was last written anew
	closed  bool
	ledgerContent
}

// ledgerContent is what a ledger holds.
type ledgerContent struct {
	live map[string]numbered
	last uint64
	lost bool // something was there that is missing
}

// numbered is an entry and when it was kept, compared to others.
type numbered struct {
	lease.LedgerEntry
	n uint64
}

// page is what is written at once.
type page struct {
	ledgerLine
	done bool
	err  error
}

// ledgerLine is the JSON of a line: "CHECKSUM JSON", the checksum CRC-32C of the JSON in eight hex digits.
type ledgerLine struct {
	Version int      `json:"version,omitempty"` // of the format, in the first line alone
	Lost    *bool    `json:"lost,omitempty"`
	Changes []change `json:"changes,omitempty"` // in order
}

// change is one of both.
type change struct {
	Keep *lease.LedgerEntry `json:"keep,omitempty"`
	Drop string             `json:"drop,omitempty"` // a request
}

const (
	ledgerName    = "steps"
	ledgerVersion = 1
	ledgerRoom    = 1 << 20 // bytes below which the file is never written anew
	maxSteps      = 1 << 16 // entries; no more is begun beyond
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The points at which an agent's death must be harmless: around each change of the ledger.
var (
	fpLedgerWrite   = failpoint.Register("agent.ledger.before-write")
	fpLedgerSync    = failpoint.Register("agent.ledger.before-sync")
	fpLedgerSynced  = failpoint.Register("agent.ledger.after-sync")
	fpLedgerRewrite = failpoint.Register("agent.ledger.before-rewrite")
	fpLedgerAnew    = failpoint.Register("agent.ledger.before-rename")
	fpLedgerRenamed = failpoint.Register("agent.ledger.after-rename")
)

// openLedger reads the ledger of a directory, or makes one. there tells that one was made before. why is
// empty unless something is missing; then what is damaged is moved aside and the content says lost.
func openLedger(path string, there bool) (f *ledgerFile, why string, err error) {
	f = &ledgerFile{path: path}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.ledgerContent = ledgerContent{live: map[string]numbered{}, lost: there}
		if there {
			why = path + " is missing"
		}
	case err != nil:
		return nil, "", fault.Wrap(err, fault.Unavailable, "read the agent's ledger of steps")
	default:
		var good int
		f.ledgerContent, good, err = decodeLedger(data)
		if err != nil {
			why = path + " is damaged (kept as " + ledgerName + ".damaged): " + err.Error()
			f.lost = true
			if err := os.Rename(path, path+".damaged"); err != nil {
				return nil, "", fault.Wrap(err, fault.Unavailable, "move the damaged ledger of steps aside")
			}
		} else if good == len(data) {
			f.size, f.anew = int64(good), int64(good)
			f.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			return f, "", fault.Wrap(err, fault.Unavailable, "open the agent's ledger of steps")
		}
	}
	if err := f.rewrite(); err != nil {
		return nil, "", fault.Wrap(err, fault.Unavailable, "write the agent's ledger of steps")
	}
	return f, why, nil
}

// decodeLedger reads what was written. good is the number of bytes before a last line that was cut short.
// The error is that something is damaged which cannot have been cut short; the content is what is left.
func decodeLedger(data []byte) (c ledgerContent, good int, err error) {
	c.live = map[string]numbered{}
	bad := -1 // where a line is that makes no sense
	for at := 0; at < len(data); {
		line, _, whole := bytes.Cut(data[at:], []byte("\n"))
		var l ledgerLine
		switch ok := whole && l.read(line); {
		case !ok && bad < 0:
			bad = at
		case !ok:
		case bad >= 0:
			err = fault.New(fault.Internal, "what stands at byte %d makes no sense, and more follows", bad)
			c.apply(l)
		case at == 0 && l.Version != ledgerVersion:
			err = fault.New(fault.Internal, "its format is not that of this release")
			c.apply(l)
		default:
			c.apply(l)
		}
		at += len(line) + 1
	}
	good = len(data)
	if bad >= 0 {
		good = bad
	}
	if good == 0 && err == nil {
		err = fault.New(fault.Internal, "it has no beginning") // the first line is in place before the file is
	}
	return c, good, err
}

// read takes a line without its end. False: it is not whole.
func (l *ledgerLine) read(line []byte) bool {
	if len(line) < 9 || line[8] != ' ' {
		return false
	}
	if string(line[:8]) != checksum(line[9:]) || json.Unmarshal(line[9:], l) != nil {
		return false
	}
	return !slices.ContainsFunc(l.Changes, func(c change) bool {
		return c.Keep != nil && (c.Keep.Request == "" || !slices.Contains(stepStates, c.Keep.State))
	})
}

var stepStates = []lease.EntryState{lease.StepStarted, lease.StepAnswered, lease.StepSettled}

func (l *ledgerLine) encode() ([]byte, error) {
	text, err := json.Marshal(release.More(l))
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(checksum(text)), []byte(" "), text, []byte("\n")), nil
}

func checksum(text []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)) }

func (c *ledgerContent) apply(l ledgerLine) {
	for _, one := range l.Changes {
		if e := one.Keep; e != nil {
			c.last++
			c.live[e.Request] = numbered{*e, c.last}
		}
		delete(c.live, one.Drop)
	}
	if l.Lost != nil {
		c.lost = *l.Lost
	}
}

// entries are what is kept, in the order it was.
func (c *ledgerContent) entries() []lease.LedgerEntry {
	sorted := slices.SortedFunc(maps.Values(c.live), func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	out := make([]lease.LedgerEntry, len(sorted))
	for i, e := range sorted {
		out[i] = e.LedgerEntry
	}
	return out
}

// put returns once a change is on disk, or with an error: then it may be there all the same.
func (f *ledgerFile) put(l ledgerLine) error {
	p := f.later(l)
	f.writing.Lock()
	defer f.writing.Unlock()
	f.flush(p)
	return p.err
}

// later has a change written together with the next that is put, at the latest when the ledger is closed.
func (f *ledgerFile) later(l ledgerLine) *page {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = &page{}
	}
	f.next.Changes = append(f.next.Changes, l.Changes...)
	if l.Lost != nil {
		f.next.Lost = l.Lost
	}
	return f.next
}

// flush writes a page unless somebody did.
func (f *ledgerFile) flush(p *page) {
	if p.done {
		return
	}
	f.mu.Lock()
	f.next = nil // it is p: a page is written by the first of those who wait for it, and there is no other
	f.mu.Unlock()
	p.err, p.done = f.write(p.ledgerLine), true
}

func (f *ledgerFile) write(l ledgerLine) error {
	if f.closed {
		return fault.New(fault.Unavailable, "the agent is shutting down")
	}
	if f.file == nil || f.size > max(ledgerRoom, 4*f.anew) {
		before := f.ledgerContent
		f.live = maps.Clone(f.live)
		f.apply(l)
		err := f.rewrite()
		if err != nil {
			f.ledgerContent = before
		}
		return err
	}
	line, err := l.encode()
	if err == nil {
		err = fpLedgerWrite.Hit()
	}
	if err == nil {
		_, err = f.file.Write(line)
	}
	if err == nil {
		err = fpLedgerSync.Hit()
	}
	if err == nil {
		err = f.file.Sync()
	}
	if err == nil {
		err = fpLedgerSynced.Hit()
	}
	if err != nil { // what the disk holds now nobody knows, and a second sync might say yes to what is lost
		f.file.Close()
		f.file = nil
		return err
	}
	f.size += int64(len(line))
	f.apply(l)
	return nil
}

// rewrite puts a new file with what is kept in the place of the old one.
func (f *ledgerFile) rewrite() error {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
	if err := fpLedgerRewrite.Hit(); err != nil {
		return err
	}
	size := int64(0)
	err := durable.Fill(f.path, 0o600, func(w io.Writer) error {
		first := ledgerLine{Version: ledgerVersion}
		if f.lost {
			first.Lost = &f.lost
		}
		for _, l := range append([]ledgerLine{first}, pages(f.entries())...) {
			line, err := l.encode()
			if err != nil {
				return err
			}
			size += int64(len(line))
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return fpLedgerAnew.Hit()
	})
	if err == nil {
		err = fpLedgerRenamed.Hit()
	}
	if err != nil {
		return err
	}
	f.size, f.anew = size, size
	f.file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

func pages(entries []lease.LedgerEntry) []ledgerLine {
	out := make([]ledgerLine, len(entries))
	for i := range entries {
		out[i].Changes = []change{{Keep: &entries[i]}}
	}
	return out
}

// close writes what waits. Nothing is kept any more afterwards.
func (f *ledgerFile) close() {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	p := f.next
	f.mu.Unlock()
	if p != nil {
		f.flush(p) // should it fail, steps stay open that are settled; Kahuna says it again
	}
	f.closed = true
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
