//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/sim/history"
)

// How much load there is, besides that of workers: some 200 writes a second, if they are answered as fast as that.
const (
	writers   = 16
	readers   = 4
	every     = 80 * time.Millisecond  // of each writer and reader
	register  = 48                     // objects that are written again and again
	workEvery = 100 * time.Millisecond // of each worker
)

// load is clients at work, and what they were told.
type load struct {
	p       *pair
	name    string
	rec     *history.Recorder
	objects []string
	going   context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	acked   atomic.Int64
	worked  atomic.Int64 // of those, what agents had to carry out step by step

	mu    sync.Mutex
	wrong []string // answers that nobody should get
}

// load starts clients on objects of a name. They are told of both nodes.
func (p *pair) load(name string) *load {
	l := &load{p: p, name: name, rec: history.NewRecorder()}
	l.going, l.stop = context.WithCancel(context.Background())
	for i := range register {
		l.objects = append(l.objects, fmt.Sprintf("%s-%d", name, i))
	}
	for i := range writers {
		l.client(every, func(c *client.Client, turn int) {
			if turn%8 == 7 { // one that is new
				object := fmt.Sprintf("%s-new-%d-%d", name, i, turn)
				l.write(c, i, object, "new", client.Request{Method: "POST", Path: "/teams", Body: body(map[string]any{"name": object, "description": "new", "users": []string{}})})
				return
			}
			object, value := l.object(i, turn), fmt.Sprintf("%d-%d", i, turn)
			l.write(c, i, object, value, client.Request{Method: "PUT", Path: "/teams/" + object, Body: body(map[string]any{"description": value, "users": []string{}})})
		})
	}
	for i := range readers {
		l.client(every, func(c *client.Client, turn int) { l.read(c, writers+i, l.object(writers+i, turn)) })
	}
	for i, do := range p.workers() {
		serial, step := 0, toMake
		l.client(workEvery, func(c *client.Client, _ int) { serial, step = l.work(c, writers+readers+i, do, serial, step) })
	}
	return l
}

// client has a client do something again and again until the load ends.
func (l *load) client(every time.Duration, do func(c *client.Client, turn int)) {
	c := l.p.client()
	l.running.Go(func() {
		defer c.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for turn := 0; l.going.Err() == nil; turn++ {
			do(c, turn)
			select {
			case <-tick.C:
			case <-l.going.Done():
			}
		}
	})
}

// object is what a client writes or reads at a turn.
func (l *load) object(who, turn int) string { return l.objects[(who*7+turn*5)%register] }

func body(o any) []byte {
	b, _ := json.Marshal(o) // of maps of strings
	return b
}

// write makes a request and tells whether it is known to have been carried out.
func (l *load) write(c *client.Client, who int, object, value string, r client.Request) (done bool) {
	r.Op, r.Once = "write", true
	o := history.Op{Client: who, Object: object, Write: true, Value: value, Begin: l.rec.Now()}
	answer, err := c.Do(context.Background(), r)
	o.End = l.rec.Now()
	switch {
	case err == nil:
		o.Request = answer.Request
		l.acked.Add(1)
	case fault.Is(err, fault.Unavailable):
		o.Unknown, o.Request = true, err.Error()
	default:
		o.Unknown, o.Request = true, err.Error()
		l.note("%s %s: %v", r.Method, r.Path, err)
	}
	l.rec.Add(o)
	return !o.Unknown
}

func (l *load) read(c *client.Client, who int, object string) {
	o := history.Op{Client: who, Object: object, Begin: l.rec.Now()}
	answer, err := c.Do(context.Background(), client.Request{Op: "read", Path: "/teams/" + url.PathEscape(object)})
	o.End = l.rec.Now()
	switch {
	case err == nil:
		var got struct{ Description string }
		if err := json.Unmarshal(answer.Body, &got); err != nil {
			l.note("%s: %v", object, err)
			return
		}
		o.Value, o.Request = got.Description, answer.Request
	case fault.Is(err, fault.NotFound):
		o.Value = history.Absent
	case fault.Is(err, fault.Unavailable):
		return
	default:
		l.note("GET %s: %v", object, err)
		return
	}
	l.rec.Add(o)
}

func (l *load) note(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, a...))
}

// more waits until so many more writes are acknowledged, among them some that agents had to carry out.
func (l *load) more(n int64) {
	l.p.t.Helper()
	from, worked, least := l.acked.Load(), l.worked.Load(), int64(0)
	if len(l.p.workers()) > 0 {
		least = fewest
	}
	eventually(l.p.t, "writes are acknowledged", func() error {
		if got, work := l.acked.Load()-from, l.worked.Load()-worked; got < n || work < least {
			return fmt.Errorf("%d of %d, %d of %d that agents carry out, %d so far in all", got, n, work, least, l.acked.Load())
		}
		return nil
	})
}

// end stops the clients, reads everything once more, and judges.
func (l *load) end() {
	t := l.p.t
	t.Helper()
	l.stop()
	l.running.Wait()
	ops := l.rec.Ops()
	written := map[string]bool{}
	unknown, such := 0, ""
	for _, o := range ops {
		written[o.Object] = written[o.Object] || o.Write
		if o.Unknown {
			unknown, such = unknown+1, o.Object+": "+o.Request
		}
	}
	begin := l.rec.Now()
	there, err := l.all()
	if err != nil {
		t.Fatal(err)
	}
	for object := range written {
		l.rec.Add(history.Op{Client: writers + readers + len(l.p.workers()), Object: object, Value: there[object], Begin: begin, End: l.rec.Now(), Request: "at the end"})
	}
	if err := history.Check(l.rec.Ops(), time.Minute); err != nil {
		t.Errorf("%s: %v", l.name, err)
	}
	if len(l.wrong) > 0 {
		t.Errorf("%s: %d answers that nobody should get, such as: %s", l.name, len(l.wrong), strings.Join(l.wrong[:min(5, len(l.wrong))], "; "))
	}
	seconds := slices.MaxFunc(ops, func(a, b history.Op) int { return int(a.Begin - b.Begin) }).Begin.Seconds()
	t.Logf("%s: %d writes acknowledged (%.0f/s), %d without an answer, %d operations in all", l.name, l.acked.Load(), float64(l.acked.Load())/seconds, unknown, len(ops))
	if unknown > 0 {
		t.Logf("%s: without an answer, such as %s", l.name, such)
	}
}

// all are the objects of the load with what was written to them.
func (l *load) all() (map[string]string, error) {
	c := l.p.client()
	defer c.Close()
	there, err := things(c)
	if err != nil {
		return nil, err
	}
	items, err := c.Items(context.Background(), "list", "/teams", nil)
	for _, item := range items {
		var o struct{ Name, Description string }
		err = errors.Join(err, json.Unmarshal(item, &o))
		if strings.HasPrefix(o.Name, l.name+"-") {
			there[o.Name] = o.Description
		}
	}
	return there, err
}
