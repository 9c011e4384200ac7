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

// How much load there is: some 200 writes a second, if they are answered as fast as that.
const (
	writers  = 16
	readers  = 4
	every    = 80 * time.Millisecond // of each writer
	register = 48                    // objects that are written again and again
)

// load is clients at work, and what they were told.
type load struct {
	p       *pair
	name    string
	rec     *history.Recorder
	objects []string
	work    context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	acked   atomic.Int64

	mu    sync.Mutex
	wrong []string // answers that nobody should get
}

// load starts clients on objects of a name. They are told of both nodes.
func (p *pair) load(name string) *load {
	l := &load{p: p, name: name, rec: history.NewRecorder()}
	l.work, l.stop = context.WithCancel(context.Background())
	for i := range register {
		l.objects = append(l.objects, fmt.Sprintf("%s-%d", name, i))
	}
	for i := range writers + readers {
		c := p.client()
		l.running.Go(func() {
			defer c.Close()
			tick := time.NewTicker(every)
			defer tick.Stop()
			for serial := 0; l.work.Err() == nil; serial++ {
				object := l.objects[(i*7+serial*5)%register]
				switch {
				case i >= writers:
					l.read(c, i, object)
				case serial%8 == 7: // one that is new
					object = fmt.Sprintf("%s-new-%d-%d", name, i, serial)
					l.write(c, i, object, "new", client.Request{Method: "POST", Path: "/teams", Body: body(map[string]any{"name": object, "description": "new", "users": []string{}})})
				default:
					value := fmt.Sprintf("%d-%d", i, serial)
					l.write(c, i, object, value, client.Request{Method: "PUT", Path: "/teams/" + object, Body: body(map[string]any{"description": value, "users": []string{}})})
				}
				select {
				case <-tick.C:
				case <-l.work.Done():
				}
			}
		})
	}
	return l
}

func body(o any) []byte {
	b, _ := json.Marshal(o) // of maps of strings
	return b
}

func (l *load) write(c *client.Client, who int, object, value string, r client.Request) {
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

// more waits for so many more acknowledged writes.
func (l *load) more(n int64) {
	l.p.t.Helper()
	from := l.acked.Load()
	eventually(l.p.t, "writes are acknowledged", func() error {
		if got := l.acked.Load() - from; got < n {
			return fmt.Errorf("%d of %d, %d so far in all", got, n, l.acked.Load())
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
	unknown := 0
	for _, o := range ops {
		written[o.Object] = written[o.Object] || o.Write
		if o.Unknown {
			unknown++
		}
	}
	begin := l.rec.Now()
	there, err := l.all()
	if err != nil {
		t.Fatal(err)
	}
	for object := range written {
		l.rec.Add(history.Op{Client: writers + readers, Object: object, Value: there[object], Begin: begin, End: l.rec.Now(), Request: "at the end"})
	}
	if err := history.Check(l.rec.Ops(), time.Minute); err != nil {
		t.Errorf("%s: %v", l.name, err)
	}
	if len(l.wrong) > 0 {
		t.Errorf("%s: %d answers that nobody should get, such as: %s", l.name, len(l.wrong), strings.Join(l.wrong[:min(5, len(l.wrong))], "; "))
	}
	seconds := slices.MaxFunc(ops, func(a, b history.Op) int { return int(a.Begin - b.Begin) }).Begin.Seconds()
	t.Logf("%s: %d writes acknowledged (%.0f/s), %d without an answer, %d operations in all", l.name, l.acked.Load(), float64(l.acked.Load())/seconds, unknown, len(ops))
}

// all are the descriptions of the objects of the load.
func (l *load) all() (map[string]string, error) {
	c := l.p.client()
	defer c.Close()
	items, err := c.Items(context.Background(), "list", "/teams", nil)
	there := map[string]string{}
	for _, item := range items {
		var o struct{ Name, Description string }
		err = errors.Join(err, json.Unmarshal(item, &o))
		if strings.HasPrefix(o.Name, l.name+"-") {
			there[o.Name] = o.Description
		}
	}
	return there, err
}
