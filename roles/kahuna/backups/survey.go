package backups

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store"
)

// Chain is a chain as it stands in a target.
type Chain struct {
	Family   string
	Name     string
	Epoch    store.Epoch
	Index    uint64           // of its full backup
	Manifest *Manifest        // none when there is no good one
	Problem  error            // why there is none, when there should be; of the newest one otherwise
	objects  map[string]int64 // all that is there, by name in the chain
	newest   string           // name of the newest manifest
}

// prefix is where its objects are.
func (c *Chain) prefix() string { return c.Family + "/" + c.Name + "/" }

// Missing are the pieces that the manifest names and that are not there, or not of that size.
func (c *Chain) Missing() (out []Piece) {
	if c.Manifest == nil {
		return nil
	}
	for _, p := range c.Manifest.Pieces {
		if size, ok := c.objects[p.Object]; !ok || size != p.Bytes {
			out = append(out, p)
		}
	}
	return out
}

// Counts tells whether the chain was verified and is all there.
func (c *Chain) Counts() bool { return c.Manifest != nil && c.Problem == nil && len(c.Missing()) == 0 }

// leftovers are objects that nothing refers to: attempts that failed, manifests of fewer pieces.
func (c *Chain) leftovers() (out []string) {
	refers := map[string]bool{c.newest: true}
	if c.Manifest != nil {
		for _, p := range c.Manifest.Pieces {
			refers[p.Object] = true
		}
	}
	for name := range c.objects {
		if !refers[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Reaches tells whether a state can be restored from the chain: index 0 and time zero for its end.
func (c *Chain) Reaches(index uint64, at time.Time) bool {
	if !c.Counts() {
		return false
	}
	full, end := &c.Manifest.Pieces[0], c.Manifest.End()
	switch {
	case index != 0:
		return index >= min(full.From, full.To.Index) && index <= end.To.Index
	case !at.IsZero():
		return !at.Before(full.First)
	}
	return true
}

// Families are the families that a target holds chains of.
func Families(ctx context.Context, t Target) ([]string, error) {
	objects, err := t.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range objects {
		part := strings.Split(name, "/")
		if len(part) != 3 || slices.Contains(out, part[0]) {
			continue
		}
		if _, _, ok := parseChain(part[1]); ok {
			out = append(out, part[0])
		}
	}
	slices.Sort(out)
	return out, nil
}

// Survey is every chain of a family in a target, the oldest first: by epoch, then by index. Without a key
// the manifests are not authenticated.
func Survey(ctx context.Context, t Target, family string, key *store.Key) ([]*Chain, error) {
	objects, err := t.List(ctx, family+"/")
	if err != nil {
		return nil, err
	}
	byName := map[string]*Chain{}
	for path, size := range objects {
		part := strings.Split(path, "/")
		if len(part) != 3 {
			continue // not ours
		}
		epoch, index, ok := parseChain(part[1])
		if !ok {
			continue
		}
		c := byName[part[1]]
		if c == nil {
			c = &Chain{Family: family, Name: part[1], Epoch: epoch, Index: index, objects: map[string]int64{}}
			byName[part[1]] = c
		}
		c.objects[part[2]] = size
	}
	chains := make([]*Chain, 0, len(byName))
	for _, c := range byName {
		if err := c.read(ctx, t, key); err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	slices.SortFunc(chains, func(a, b *Chain) int {
		return cmp.Or(cmp.Compare(a.Epoch.Counter, b.Epoch.Counter), cmp.Compare(a.Index, b.Index), strings.Compare(a.Name, b.Name))
	})
	return chains, nil
}

// read reads the newest manifest. Its error is that of the target; what is wrong with the manifest is in
// Problem.
func (c *Chain) read(ctx context.Context, t Target, key *store.Key) error {
	most := -1
	for name := range c.objects {
		if n, ok := parseManifest(name); ok && n > most {
			most, c.newest = n, name
		}
	}
	if most < 0 {
		return nil
	}
	in, err := t.Get(ctx, c.prefix()+c.newest)
	if fault.Is(err, fault.NotFound) {
		// Replaced meanwhile, or a storage that forgets for a moment: no reason to take the chain for a leftover.
		c.Problem = fault.New(fault.NotFound, "%s was in the list and is not there now", c.prefix()+c.newest)
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "read "+c.prefix()+c.newest)
	}
	m, err := decodeManifest(text, key)
	switch {
	case len(text) > maxManifest:
		err = fault.New(fault.Malformed, "the manifest is too large to be one")
	case err == nil && (m.Chain != c.Name || m.Family != c.Family || len(m.Pieces) != most || m.Epoch != c.Epoch || m.Pieces[0].To.Index != c.Index):
		err = fault.New(fault.Malformed, "the manifest is of another chain or place")
	}
	if err != nil {
		c.Problem = fault.Wrap(err, fault.Malformed, c.prefix()+c.newest)
		return nil
	}
	c.Manifest = m
	return nil
}
