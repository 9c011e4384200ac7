package pair

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// seat is a transport behind a server.
type seat struct {
	*Transport
	url string

	mu  sync.Mutex
	got []any
	new chan struct{}
}

func newSeat(t *testing.T, id lease.NodeID, key string) *seat {
	s := &seat{new: make(chan struct{}, 1000)}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	s.Transport = NewTransport(TransportConfig{Self: func() lease.Node { return lease.Node{ID: id, Address: s.url} }, Release: "test", Key: key, Log: slog.New(slog.DiscardHandler),
		Receive: func(_ lease.NodeID, m any) {
			s.mu.Lock()
			s.got = append(s.got, m)
			s.mu.Unlock()
			s.new <- struct{}{}
		},
		Bulk: func(ctx context.Context, what string, p *link.Pipe) error {
			return sendBulk(ctx, p, func(w io.Writer) (any, error) {
				if what != forSnapshots {
					return nil, fault.New(fault.NotFound, "there is no %s", what)
				}
				_, err := w.Write(bytes.Repeat([]byte("snapshot"), 100_000))
				return snapshotEnd{End: lease.Position{Index: 7}}, err
			})
		}})
	server.Config.Handler = s.Transport
	server.Start()
	t.Cleanup(func() { s.Transport.Close(); server.Close() })
	return s
}

// reach waits until one has a connection to another.
func (s *seat) reach(t *testing.T, to lease.NodeID) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !s.Reaches(to); {
		if time.Now().After(deadline) {
			t.Fatalf("no connection to %s within 20 s", to)
		}
		<-time.After(time.Millisecond)
	}
}

func TestNodesSpeakOverOneConnectionWhoeverDialled(t *testing.T) {
	key := link.NewPairKey()
	a, b := newSeat(t, "a", key), newSeat(t, "b", key)
	b.Keep([]string{a.url})
	b.reach(t, "a")
	a.reach(t, "b")
	if !b.Send(lease.NodeID(a.url), lease.Leave{Log: "x"}) || !a.Send("b", lease.Leave{Log: "y"}) {
		t.Fatal("not sent")
	}
	<-a.new
	<-b.new
	if a.got[0] != (lease.Leave{Log: "x"}) || b.got[0] != (lease.Leave{Log: "y"}) {
		t.Errorf("arrived: %v, %v", a.got, b.got)
	}
	if a.Send("c", lease.Leave{}) {
		t.Error("a message to nobody was taken")
	}
	var image bytes.Buffer
	var end snapshotEnd
	if err := b.Fetch(t.Context(), "a", forSnapshots, &image, &end); err != nil || image.Len() != 800_000 || end.End.Index != 7 {
		t.Errorf("%d bytes of a snapshot up to %d, %v", image.Len(), end.End.Index, err)
	}
	b.Traffic(func(what string, received, sent uint64) {
		if got := map[string]bool{forMessages: received > 0 && received < 1000 && sent > 0, forSnapshots: received > 800_000 && received < 801_000}; !got[what] {
			t.Errorf("%s: %d bytes received, %d sent", what, received, sent)
		}
	})
	if err := b.Fetch(t.Context(), "a", forSecrets, io.Discard, &end); err == nil {
		t.Error("a refusal was not noticed")
	}
}

func TestConnectionComesBack(t *testing.T) {
	key := link.NewPairKey()
	a, b := newSeat(t, "a", key), newSeat(t, "b", key)
	b.Keep([]string{a.url})
	a.reach(t, "b")
	old := a.find("b")
	old.end()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if now := a.find("b"); now != nil && now != old {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no other connection within 20 s")
		}
		<-time.After(time.Millisecond)
	}
}

// A node that ends every connection as soon as it is made is asked again after a pause, which grows.
func TestConnectionThatEndsAtOnceIsNotMadeAtOnce(t *testing.T) {
	key := link.NewPairKey()
	a, b := newSeat(t, "a", key), newSeat(t, "b", key)
	pauses := make(chan time.Duration)
	b.rest = func(ctx context.Context, d time.Duration) {
		select {
		case pauses <- d:
		case <-ctx.Done():
		}
	}
	b.Keep([]string{a.url})
	for want := firstRetry; want < lastRetry; want *= 2 {
		b.reach(t, "a")
		b.find("a").pipe.Close()
		if got := <-pauses; got < want/2 || got >= want*3/2 {
			t.Errorf("a pause of %v, want about %v", got, want)
		}
	}
}

func TestAnotherKeyIsNoNode(t *testing.T) {
	a, b := newSeat(t, "a", link.NewPairKey()), newSeat(t, "b", link.NewPairKey())
	if _, _, err := b.dial(t.Context(), a.url, forMessages); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got in, or %v", err)
	}
}

func TestNodeDoesNotTalkToItself(t *testing.T) {
	key := link.NewPairKey()
	a := newSeat(t, "a", key)
	if _, _, err := a.dial(t.Context(), a.url, forMessages); err == nil {
		t.Error("a node was greeted by itself")
	}
}
