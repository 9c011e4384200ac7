package backups

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
)

// rehearse restores the first n pieces of a chain, as the options say, into a scratch file below dir and
// removes it.
func rehearse(ctx context.Context, t Target, m *Manifest, n int, dir string, with []age.Identity, o store.RestoreOptions, p Progress) (*store.Restored, error) {
	dir, err := os.MkdirTemp(dir, "rehearsal-")
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "make a scratch folder")
	}
	defer os.RemoveAll(dir)
	got, err := fetch(ctx, t, m, n, dir, with, p)
	if err != nil {
		return nil, err
	}
	o.Dir = filepath.Join(dir, "restored")
	made, _, err := got.restore(ctx, o)
	return made, err
}

// Verdict is what verifying found about a chain.
type Verdict struct {
	Chain    string    `json:"chain"`
	Index    uint64    `json:"index"` // of the state that was restored, 0 when none was
	Time     time.Time `json:"time,omitzero"`
	Pieces   int       `json:"pieces"`
	Bytes    int64     `json:"bytes"`
	Restored bool      `json:"restored"`         // otherwise only checksums were verified
	Findings []string  `json:"findings"`         // what is wrong, each with the object's name
	Unused   []string  `json:"unused,omitempty"` // objects that do not count
	Remark   string    `json:"remark,omitempty"` // why it was not restored
}

// Verifier verifies chains.
type Verifier struct {
	Target     Target
	Key        *store.Key // none: manifests are not authenticated, unless an identity opens the key
	Identities []age.Identity
	Tables     []model.Table
	Scratch    string
	Progress   Progress
}

// Verify reads everything a chain has and restores it into a scratch file. The error is that of the target
// or of this machine; what is wrong with the chain is in the verdict.
func (v *Verifier) Verify(ctx context.Context, c *Chain) (*Verdict, error) {
	out := &Verdict{Chain: c.Name, Findings: []string{}, Unused: c.leftovers()}
	if c.Problem != nil {
		out.Findings = append(out.Findings, public(c.Problem))
		return out, nil
	}
	if c.Manifest == nil {
		out.Remark = "nothing in it counts: its first backup was not finished"
		return out, nil
	}
	m := c.Manifest
	out.Pieces, out.Bytes = len(m.Pieces), m.Bytes()
	dir, err := os.MkdirTemp(v.Scratch, "verify-")
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "make a scratch folder")
	}
	defer os.RemoveAll(dir)
	// One by one, so that every object that is wrong gets named.
	sound := 0
	var done int64
	total := m.Bytes()
	for i := range m.Pieces {
		one := *m
		one.Pieces = m.Pieces[i : i+1]
		_, err := fetch(ctx, v.Target, &one, 1, dir, v.Identities, func(n, _ int64) {
			if v.Progress != nil {
				v.Progress(done+n, total)
			}
		})
		done += m.Pieces[i].Bytes
		switch code := fault.CodeOf(err); {
		case err == nil:
			sound++
		case code == fault.NotFound && i > 0:
			out.Findings = append(out.Findings, fmt.Sprintf("segment %s%s (records %d to %d) is missing", c.prefix(), m.Pieces[i].Object, m.Pieces[i].From, m.Pieces[i].To.Index))
		case code == fault.NotFound, code == fault.Malformed:
			out.Findings = append(out.Findings, public(err))
		default:
			return nil, err
		}
	}
	if sound < len(m.Pieces) {
		return out, nil
	}
	if m.Sealed && len(v.Identities) == 0 {
		out.Remark = "it is encrypted: checksums were verified, but it was not restored; give an identity"
		return out, nil
	}
	got := &pieces{dir, m, v.Identities}
	made, key, err := got.restore(ctx, store.RestoreOptions{Dir: filepath.Join(dir, "restored"), Tables: v.Tables, SealKey: v.Key, Identities: texts(v.Identities)})
	if err != nil {
		if code := fault.CodeOf(err); code != fault.Malformed && code != fault.Denied && code != fault.NotFound {
			return nil, err
		}
		out.Findings = append(out.Findings, c.Name+": "+public(err))
		return out, nil
	}
	if v.Key == nil {
		if err := Authentic(c, v.Target, ctx, key); err != nil {
			out.Findings = append(out.Findings, public(err))
		}
	}
	out.Index, out.Time, out.Restored = made.Reached.Index, made.Moment, true
	return out, nil
}

// texts are identities as store takes them.
func texts(with []age.Identity) (out string) {
	for _, i := range with {
		if x, ok := i.(*age.X25519Identity); ok {
			out += x.String() + "\n"
		}
	}
	return out
}

// Authentic reads the newest manifest of a chain once more and authenticates it.
func Authentic(c *Chain, t Target, ctx context.Context, key store.Key) error {
	again := *c
	again.Manifest, again.Problem = nil, nil
	if err := again.read(ctx, t, &key); err != nil {
		return err
	}
	return again.Problem
}

func public(err error) string {
	f := fault.From(err)
	if f.Op != "" && f.Message != "" {
		return f.Op + ": " + f.Message
	}
	return f.Error()
}
