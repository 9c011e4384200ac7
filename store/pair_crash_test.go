package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"kowabunga/core/model"
)

// halves are the options of the two stores of a folder.
func halves(dir string) (a, b Options) {
	return pairing(filepath.Join(dir, "a")), pairing(filepath.Join(dir, "b"))
}

// halfway leaves two closed stores in a folder: a with records 1 to 6, b with 1 to 4 of them; 1 to 3 are
// published. It returns the positions 3, 4 and 6.
func halfway(t *testing.T, dir string) (shown, common, end Position) {
	t.Helper()
	of, other := halves(dir)
	a, b := create(t, of), create(t, other)
	begin(t, a, 1)
	later(t, a, "", put(region(1), pool(2, region(1), "old")))
	later(t, a, "", put(region(3)))
	later(t, a, "", put(region(4)))
	common = ship(t, a, b)
	a.Publish(3)
	b.Publish(3)
	later(t, a, "", func(d model.Draft) error {
		p, _ := model.Find[*model.Pool](d, pool(2, region(1), "").ID)
		p = model.Edit(p)
		p.CephSecretUUID = "new"
		return d.Put(p)
	})
	later(t, a, "", func(d model.Draft) error { return d.Delete(model.KindRegion, region(3).ID) })
	shown, end = a.Tip(), a.End()
	shut(t, a)
	shut(t, b)
	return shown, common, end
}

// forkOf is where a step writes its fork.
func forkOf(dir string) string { return filepath.Join(dir, "forks", "x.fork") }

// pairStep does one thing with the two stores of a folder, twice, and prints what it was told.
func pairStep(dir, what string) int {
	of, other := halves(dir)
	a, err := Open(of)
	if err != nil {
		fmt.Println("open", err)
		return 1
	}
	ctx := context.Background()
	step := func() error { return nil }
	switch b, err := Open(other); {
	case err != nil:
		fmt.Println("open", err)
		return 1
	case what == "begin":
		step = func() error { _, err := b.Begin(ctx, Epoch{Counter: 2, Node: "there"}); return err }
	case what == "append":
		step = func() error {
			records, err := a.Tail(b.End().Index+1, a.End().Index, 1<<20)
			if err == nil {
				_, err = b.Append(ctx, records)
			}
			return err
		}
	case what == "log" || what == "fold": // each record by itself, so that the second goes to the log
		step = func() error {
			for b.End().Index < a.End().Index {
				records, err := a.Tail(b.End().Index+1, a.End().Index, 1)
				if err == nil {
					_, err = b.Append(ctx, records)
				}
				if err != nil {
					return err
				}
			}
			if what == "fold" {
				return b.Probe(ctx)
			}
			return nil
		}
	case what == "cut":
		step = func() error { return a.Cut(ctx, b.End(), forkOf(dir)) }
	case what == "install":
		if err := b.Close(); err != nil {
			fmt.Println("close", err)
			return 1
		}
		step = func() error {
			var text bytes.Buffer
			_, err := a.Snapshot(ctx, &text)
			if err == nil {
				err = Install(ctx, &text, other)
			}
			return err
		}
	}
	for range 2 {
		fmt.Println(what, step())
	}
	return 0
}
