package link

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWRPC15StallsAreTolerated: a peer that answers no ping for a while, but less than the bound, stays.
func TestWRPC15StallsAreTolerated(t *testing.T) {
	d := openDoor(t, GateConfig{Heartbeat: 50 * time.Millisecond, Silence: 5 * time.Second}, false)
	proxy := newStallingProxy(t, strings.TrimPrefix(d.url, "http://"))
	target := d.target()
	target.URL = "http://" + proxy.addr()
	got := make(chan *Conn, 1)
	go func() {
		adm := <-d.admitted
		adm.Welcome(peer{})
		got <- adm.Conn
	}()
	agent, _, err := Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	agent.Start(peer{call: echo})
	kahuna := over(t, "Kahuna's end", got)
	proxy.stall.Lock()
	before := kahuna.LastSeen()
	wait(t, "ten heartbeats without a sign", func() bool { return time.Since(before) > 500*time.Millisecond })
	if kahuna.Err() != nil || agent.Err() != nil {
		t.Fatal("a short stall cut the agent off", kahuna.Err(), agent.Err())
	}
	proxy.stall.Unlock()
	if err := kahuna.Call(t.Context(), "echo", 1, nil); err != nil {
		t.Fatal(err)
	}
	agent.Close("done")
	over(t, "the agent's end", agent.Gone())
	over(t, "Kahuna's end", kahuna.Gone())
}

// TestSilenceIsNoticed: a peer behind a dead network is given up after the bound, not later.
func TestSilenceIsNoticed(t *testing.T) {
	d := openDoor(t, GateConfig{Heartbeat: 20 * time.Millisecond, Silence: 200 * time.Millisecond}, false)
	proxy := newStallingProxy(t, strings.TrimPrefix(d.url, "http://"))
	target := d.target()
	target.URL = "http://" + proxy.addr()
	got := make(chan *Conn, 1)
	go func() {
		adm := <-d.admitted
		adm.Welcome(peer{})
		got <- adm.Conn
	}()
	agent, _, err := Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	agent.Start(peer{})
	kahuna := over(t, "Kahuna's end", got)
	proxy.stall.Lock()
	defer proxy.stall.Unlock()
	over(t, "Kahuna's notice", kahuna.Done())
	over(t, "the agent's notice", agent.Done())
	for _, c := range []*Conn{agent, kahuna} {
		if !strings.Contains(c.Err().Error(), "sign of life") && !strings.Contains(c.Err().Error(), "ended") {
			t.Errorf("given up because: %v", c.Err())
		}
		over(t, "the end of all goroutines", c.Gone())
	}
}

// stallingProxy forwards TCP while its lock is free.
type stallingProxy struct {
	to       string
	listener net.Listener
	stall    sync.RWMutex
}

func newStallingProxy(t *testing.T, to string) *stallingProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &stallingProxy{to: to, listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.to)
			if err != nil {
				in.Close()
				return
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					defer way[0].Close()
					defer way[1].Close()
					buf := make([]byte, 4096)
					for {
						n, err := way[0].Read(buf)
						p.stall.RLock()
						if n > 0 {
							way[1].Write(buf[:n])
						}
						p.stall.RUnlock()
						if err != nil {
							return
						}
					}
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return p
}

func (p *stallingProxy) addr() string { return p.listener.Addr().String() }
