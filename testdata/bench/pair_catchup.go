package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/roles/kahuna"
	"kowabunga/store"
)

// How far the standby is behind, and the state that one from nothing gets.
const (
	behindBy    = 1_000_000
	behindTeams = 10_000 // that these records change
	stateBytes  = 1_000_000_000
	textBytes   = 4000 // of each object in that
	sayEvery    = 5 * time.Second
	catchUpMax  = 5 * time.Minute
)

// catchUp stops both, writes records into the journal of one as that would, and measures how the other one gets
// them.
func (c *couple) catchUp() ([]figure, error) {
	acts, other, _, err := c.acting()
	if err != nil {
		return nil, err
	}
	other.proc.stop()
	if err := c.await("a primary alone", time.Minute, func(st *nodes.Status) bool { return !together(st) && len(st.Pending) == 0 }); err != nil {
		return nil, err
	}
	acts.proc.stop()
	began := time.Now()
	journal, err := lag(c.ctx, acts.dir)
	if err != nil {
		return nil, err
	}
	wrote := time.Since(began)
	if err := acts.start("--journal-size", "8GiB"); err != nil {
		return nil, err
	}
	if err := c.await("the primary", time.Minute, func(*nodes.Status) bool { return true }); err != nil {
		return nil, err
	}
	before, err := acts.status()
	if err != nil {
		return nil, err
	}
	if before.Store.Cut.Index > before.Store.Index-behindBy {
		return nil, fmt.Errorf("the primary's journal begins after record %d of %d: it does not reach back so far", before.Store.Cut.Index, before.Store.Index)
	}
	images, err := acts.moved("snapshot", "sent")
	if err != nil {
		return nil, err
	}
	memory, err := peakOf(acts.proc.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	began = time.Now()
	if err := other.start("--journal-size", "8GiB"); err != nil {
		return nil, err
	}
	follows, err := peakOf(other.proc.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if err := c.followed(acts); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	if now, err := acts.moved("snapshot", "sent"); err != nil || now > images {
		return nil, fmt.Errorf("the records came as a snapshot (%v)", err)
	}
	figures := []figure{
		{name: fmt.Sprintf("a standby that is %d records (%.0f MB) behind: in sync after", behindBy, journal/1e6), value: took, unit: "s"},
		{name: "records", value: behindBy / took, unit: "/s"},
		{name: "written before by the store alone", value: behindBy / wrote.Seconds(), unit: "/s"},
	}
	peaks, err := memoryOf(memory, follows)
	return append(figures, peaks...), err
}

// memoryOf are the figures of the memory of both.
func memoryOf(primary, standby *peak) (out []figure, err error) {
	for _, of := range []struct {
		name string
		p    *peak
	}{{"the primary", primary}, {"the standby", standby}} {
		anonymous, resident, e := of.p.end()
		err = errors.Join(err, e)
		out = append(out, figure{name: "peak of anonymous memory of " + of.name, value: anonymous, unit: "MB"}, figure{name: "the same, with what it maps of files", value: resident, unit: "MB"})
	}
	return out, err
}

// followed waits until both have everything, and says how far it is.
func (c *couple) followed(acts *node) error {
	said := time.Now()
	var last error
	if err := poll(c.ctx, catchUpMax, func() (bool, error) {
		var st kahuna.Status
		if st, last = acts.status(); last != nil {
			return false, nil
		}
		if time.Since(said) > sayEvery {
			said = time.Now()
			sent, err := acts.moved("snapshot", "sent")
			for _, n := range st.Pair.Nodes {
				if !n.Self && err == nil {
					say("the standby has %d of %d records; %.2f GB of a snapshot were sent", n.Acked, st.Pair.Published, sent/1e9)
				}
			}
		}
		return together(st.Pair), nil
	}); err != nil {
		return fmt.Errorf("the other one in sync: %w (%v)", err, last)
	}
	return nil
}

// lag makes the journal of a Kahuna that does not run longer, a record for each change of a team as the API makes
// it, and returns by how many bytes.
func lag(ctx context.Context, dir string) (bytes float64, err error) {
	s, err := opened(dir, store.Retention{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	before := s.Status().JournalBytes
	draw := model.NewDraw([32]byte{2}, time.Now())
	ids := make([]model.ID, behindTeams)
	for i := range ids {
		ids[i] = draw.ID()
	}
	var next atomic.Int64
	err = inParallel(ctx, 512, func() (bool, error) {
		n := int(next.Add(1)) - 1
		if n >= behindBy {
			return false, nil
		}
		team := n % behindTeams
		_, err := s.Update(ctx, store.Cause{Actor: "bench", What: "change team"}, func(d model.Draft) error {
			return d.Put(&model.Team{Meta: model.Meta{ID: ids[team], Name: fmt.Sprintf("behind-%d", team), Description: fmt.Sprintf("change %d", n)}})
		})
		return true, err
	}, func() { say("%d of %d records written", min(next.Load(), behindBy), behindBy) })
	return float64(s.Status().JournalBytes - before), err
}

// inParallel calls f from n goroutines until it has nothing more to do or fails, and tells now and then.
func inParallel(ctx context.Context, n int, f func() (more bool, err error), tell func()) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				more, err := f()
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
				if err != nil || !more {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	for tick := time.NewTicker(sayEvery); ; {
		select {
		case <-done:
			tick.Stop()
			return errors.Join(failed, ctx.Err())
		case <-tick.C:
			tell()
		}
	}
}

// fromNothing measures a standby that is made when the primary holds much, and how the primary answers meanwhile.
func fromNothing(ctx context.Context, program string) ([]figure, error) {
	b, api, err := initialised(ctx, program)
	if err != nil {
		return nil, err
	}
	defer b.end()
	c, err := newCouple(b, api)
	if err != nil {
		return nil, err
	}
	acts, other := c.nodes[0], c.nodes[1]
	ids, err := swell(ctx, acts.dir)
	if err != nil {
		return nil, err
	}
	say("starting the primary with %d objects", len(ids))
	if err := acts.start(); err != nil {
		return nil, err
	}
	urls := make([]string, 500)
	for i := range urls {
		urls[i] = api.url + "/api/v2/teams/" + string(ids[i*len(ids)/len(urls)])
	}
	quiet, err := attack(ctx, 100, 3*time.Second, api.key, urls...)
	if err != nil {
		return nil, err
	}
	rest, _, err := memory(acts.proc.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	primary, err := peakOf(acts.proc.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	over := make(chan struct{})
	attacked := meanwhile(func() (float64, error) { return attackUntil(ctx, 100, over, api.key, urls...) })
	began := time.Now()
	if err := other.start(); err != nil {
		return nil, err
	}
	standby, err := peakOf(other.proc.cmd.Process.Pid)
	if err == nil {
		err = c.followed(acts)
	}
	took := time.Since(began).Seconds()
	close(over)
	p99, failed := attacked()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	bytes, err := acts.moved("snapshot", "sent")
	if err != nil {
		return nil, err
	}
	if bytes < stateBytes {
		return nil, fmt.Errorf("the standby got a snapshot of %.0f octets, less than the state has", bytes)
	}
	figures := []figure{
		{name: fmt.Sprintf("a standby from nothing, snapshot of %.2f GB: in sync after", bytes/1e9), value: took, unit: "s"},
		{name: "that is", value: bytes / 1e6 / took, unit: "MB/s"},
		{name: "GET one of the primary at 100 requests/s, p99, before", value: quiet, unit: "ms"},
		{name: "and meanwhile", value: p99, unit: "ms"},
		{name: "anonymous memory of the primary before", value: rest, unit: "MB"},
	}
	peaks, err := memoryOf(primary, standby)
	if err != nil {
		return nil, err
	}
	after, _, err := memory(other.proc.cmd.Process.Pid)
	return append(append(figures, peaks...), figure{name: "anonymous memory of the standby when it is in sync", value: after, unit: "MB"}), err
}

// swell makes the state of a Kahuna that does not run large. Its journal keeps next to nothing of that, so that a
// standby needs a snapshot.
func swell(ctx context.Context, dir string) (ids []model.ID, err error) {
	s, err := opened(dir, store.Retention{Bytes: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	draw := model.NewDraw([32]byte{3}, time.Now())
	chance := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, textBytes/2)
	said := time.Now()
	for len(ids)*textBytes < stateBytes {
		if _, err := s.Update(ctx, store.Cause{Actor: "bench", What: "fill"}, func(d model.Draft) error {
			for range 500 {
				for i := 0; i < len(text); i += 8 {
					binary.NativeEndian.PutUint64(text[i:], chance.Uint64())
				}
				ids = append(ids, draw.ID())
				if err := d.Put(&model.Team{Meta: model.Meta{ID: ids[len(ids)-1], Name: fmt.Sprintf("large-%d", len(ids)), Description: hex.EncodeToString(text)}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if time.Since(said) > sayEvery {
			said = time.Now()
			say("%.2f of %.2f GB written", float64(len(ids)*textBytes)/1e9, stateBytes/1e9)
		}
	}
	return ids, nil
}
