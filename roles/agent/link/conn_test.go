package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// echo answers with its parameters, and misbehaves on request.
func echo(ctx context.Context, method string, params json.RawMessage) (any, error) {
	switch method {
	case "echo":
		return params, nil
	case "panic":
		panic("secret detail")
	case "exit":
		runtime.Goexit()
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "huge":
		return strings.Repeat("x", agentproto.MaxMessage), nil
	case "bad":
		return nil, BadParams(method, errors.New("secret detail"))
	case "fault":
		return nil, &fault.Error{Code: fault.Exhausted, Op: "create volume", Field: "size", Message: "the pool is full", Err: errors.New("secret detail")}
	}
	return nil, UnknownMethod(method)
}

// TestEveryCallGetsOneAnswer whatever the handler does.
func TestEveryCallGetsOneAnswer(t *testing.T) {
	_, kahuna := pair(t, GateConfig{}, peer{call: echo}, peer{})
	for _, c := range []struct {
		method string
		code   fault.Code
		text   string
	}{
		{"echo", "", ""},
		{"panic", fault.Internal, "crashed"},
		{"exit", fault.Internal, "crashed"},
		{"huge", fault.Exhausted, "at most"},
		{"bad", fault.Malformed, "cannot be read"},
		{"fault", fault.Exhausted, "the pool is full"},
		{"nothing.such", fault.NotFound, "no method"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := kahuna.Call(ctx, c.method, struct{}{}, nil)
		cancel()
		if fault.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.method, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret detail") {
			t.Errorf("%s: the cause crossed the wire: %v", c.method, err)
		}
	}
	var f *fault.Error
	if err := kahuna.Call(t.Context(), "fault", nil, nil); !errors.As(err, &f) || f.Field != "size" || f.Op != "create volume" {
		t.Errorf("field and operation were lost: %+v", f)
	}
}

// TestCodesOnTheWire: the numbers other implementations would look at.
func TestCodesOnTheWire(t *testing.T) {
	for err, want := range map[error]int64{
		UnknownMethod("x"):                         jsonrpc2.CodeMethodNotFound,
		BadParams("x", nil):                        jsonrpc2.CodeInvalidParams,
		fault.New(fault.Fenced, "old"):             fault.Fenced.RPCCode(),
		errors.New("anything"):                     fault.Internal.RPCCode(),
		context.Canceled:                           fault.Cancelled.RPCCode(),
		fmt.Errorf("%w", context.DeadlineExceeded): fault.Unavailable.RPCCode(),
	} {
		e := wireError(err)
		if e.Code != want {
			t.Errorf("%v travels as %d, want %d", err, e.Code, want)
		}
		if back := fault.CodeOf(fromWire("x", e)); back != fault.CodeOf(err) {
			t.Errorf("%v comes back as %s", err, back)
		}
	}
}

// TestWRPC9NumbersKeepTheirDigits: 2^53+1 is the first integer a float64 cannot hold.
func TestWRPC9NumbersKeepTheirDigits(t *testing.T) {
	agent, kahuna := pair(t, GateConfig{}, peer{call: echo}, peer{call: echo})
	for _, conn := range []*Conn{agent, kahuna} {
		for _, n := range []uint64{1<<53 + 1, 1<<63 + 1, 1<<64 - 1} {
			in, out := map[string]uint64{"n": n}, map[string]uint64{}
			if err := conn.Call(t.Context(), "echo", in, &out); err != nil || out["n"] != n {
				t.Errorf("%d came back as %d (%v)", n, out["n"], err)
			}
		}
	}
}

// TestManyCallsBothWays runs 500 calls each way at once, some of them of a megabyte.
func TestManyCallsBothWays(t *testing.T) {
	agent, kahuna := pair(t, GateConfig{Heartbeat: 20 * time.Millisecond, Silence: patience}, peer{call: echo}, peer{call: echo})
	var wg sync.WaitGroup
	for i := range 1000 {
		conn := agent
		if i%2 == 1 {
			conn = kahuna
		}
		wg.Go(func() {
			in := fmt.Sprintf("call %d", i)
			if i%250 < 2 {
				in += strings.Repeat("x", 1<<20)
			}
			var out string
			if err := conn.Call(t.Context(), "echo", in, &out); err != nil || out != in {
				t.Errorf("call %d: %v, %.20q", i, err, out)
			}
		})
	}
	wg.Wait()
}

// TestWRPC5LateAnswersAreDropped: an answer after its caller left reaches nobody else.
func TestWRPC5LateAnswersAreDropped(t *testing.T) {
	release := make(chan struct{})
	_, kahuna := pair(t, GateConfig{}, peer{call: func(ctx context.Context, method string, params json.RawMessage) (any, error) {
		if method == "slow" {
			<-release
			return "late", nil
		}
		return echo(ctx, method, params)
	}}, peer{})
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := kahuna.Call(ctx, "slow", nil, nil); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a missed deadline is %v", err)
		}
		cancel()
	}
	close(release)
	for i := range 50 {
		var out int
		if err := kahuna.Call(t.Context(), "echo", i, &out); err != nil || out != i {
			t.Fatalf("call %d got %d (%v)", i, out, err)
		}
	}
	wait(t, "the late answers", func() bool { return len(kahuna.pending) == 0 })
}

// TestCallsFailAtOnceWhenTheConnectionDrops, with ErrLost inside, so that they may be repeated.
func TestCallsFailAtOnceWhenTheConnectionDrops(t *testing.T) {
	agent, kahuna := pair(t, GateConfig{}, peer{call: echo}, peer{})
	failed := make(chan error, 1)
	go func() { failed <- kahuna.Call(context.Background(), "hang", nil, nil) }()
	wait(t, "the call's arrival", func() bool { return len(agent.slots) == 1 })
	agent.sock.cut()
	if err := over(t, "the failure of the call", failed); !errors.Is(err, ErrLost) || !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if err := kahuna.Call(t.Context(), "echo", 1, nil); !errors.Is(err, ErrLost) {
		t.Fatalf("a call on a dead connection: %v", err)
	}
}

// TestWRPC17MessagesAreBounded in both directions: the sender refuses, and a peer that sends anyway is
// cut off.
func TestWRPC17MessagesAreBounded(t *testing.T) {
	agent, kahuna := pair(t, GateConfig{}, peer{call: echo}, peer{})
	if err := kahuna.Call(t.Context(), "echo", strings.Repeat("x", agentproto.MaxMessage), nil); !fault.Is(err, fault.Exhausted) {
		t.Fatalf("an oversize call: %v", err)
	}
	if err := kahuna.Call(t.Context(), "echo", strings.Repeat("x", agentproto.MaxMessage-2*paramsSlack), nil); err != nil {
		t.Fatalf("the largest call: %v", err)
	}
	go agent.sock.write(context.Background(), []byte(`{"jsonrpc":"2.0","method":"x","params":"`+strings.Repeat("x", agentproto.MaxMessage)+`"}`), patience)
	over(t, "the end", kahuna.Done())
	if err := kahuna.Err(); !fault.Is(err, fault.Exhausted) {
		t.Fatalf("cut off because: %v", err)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	for _, garbage := range []string{"garbage", "[]", "{}", `{"jsonrpc":"2.0","id":{},"method":"x"}`} {
		agent, kahuna := pair(t, GateConfig{}, peer{call: echo}, peer{})
		if err := agent.sock.write(t.Context(), []byte(garbage), patience); err != nil {
			t.Fatal(err)
		}
		over(t, "the end", kahuna.Done())
		if err := kahuna.Err(); !fault.Is(err, fault.Malformed) {
			t.Errorf("%s: %v", garbage, err)
		}
	}
}

// TestD4SlowReaderHarmsOnlyItself: a peer that stops reading, with large messages queued and pings due,
// is given up without a crash, without blocking callers past their deadlines, and its goroutines end.
func TestD4SlowReaderHarmsOnlyItself(t *testing.T) {
	d := openDoor(t, GateConfig{Heartbeat: 10 * time.Millisecond, Silence: 400 * time.Millisecond}, false)
	got := make(chan *Conn, 1)
	go func() {
		adm := <-d.admitted
		adm.Welcome(peer{})
		got <- adm.Conn
	}()
	agent, _, err := Dial(t.Context(), d.target()) // never started, so it never reads
	if err != nil {
		t.Fatal(err)
	}
	kahuna := over(t, "Kahuna's end", got)
	big := strings.Repeat("x", 3<<20)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := kahuna.Call(ctx, "echo", big, nil); err == nil {
				t.Error("a peer that does not read answered")
			}
		})
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		wg.Wait()
	}()
	over(t, "calls past their deadlines", called)
	over(t, "the end of the silent peer", kahuna.Gone())
	agent.Close("done")
	over(t, "its own end", agent.Gone())
}

// TestQuiesceWaitsForTheLastAnswer, which then still leaves before the connection closes.
func TestQuiesceWaitsForTheLastAnswer(t *testing.T) {
	release := make(chan struct{})
	agent, kahuna := pair(t, GateConfig{}, peer{call: func(context.Context, string, json.RawMessage) (any, error) {
		<-release
		return "the last", nil
	}}, peer{})
	answer := make(chan string, 1)
	go func() {
		var out string
		if err := kahuna.Call(context.Background(), "slow", nil, &out); err != nil {
			out = err.Error()
		}
		answer <- out
	}()
	wait(t, "the call's arrival", func() bool { return len(agent.slots) == 1 })
	go close(release)
	if err := agent.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent.Close("done")
	if got := over(t, "the answer", answer); got != "the last" {
		t.Fatal(got)
	}
}

// TestNotificationsKeepTheirOrder and survive a panicking handler.
func TestNotificationsKeepTheirOrder(t *testing.T) {
	var next atomic.Int64
	agent, _ := pair(t, GateConfig{}, peer{}, peer{notify: func(_ string, params json.RawMessage) {
		var n int64
		json.Unmarshal(params, &n)
		if n == 50 {
			defer panic("a notification's handler fails")
		}
		next.CompareAndSwap(n, n+1)
	}})
	for i := range 100 {
		if err := agent.Notify(t.Context(), "n", i); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "all notifications in order", func() bool { return next.Load() == 100 })
}

func BenchmarkRoundTrip(b *testing.B) {
	d := openDoor(b, GateConfig{}, true)
	d.trust(b)
	go func() { (<-d.admitted).Welcome(peer{call: echo}) }()
	agent, _, err := Dial(b.Context(), d.target())
	if err != nil {
		b.Fatal(err)
	}
	agent.Start(peer{})
	b.ReportAllocs()
	for b.Loop() {
		if err := agent.Call(b.Context(), "echo", struct{}{}, nil); err != nil {
			b.Fatal(err)
		}
	}
	agent.Close("done")
	<-agent.Gone()
}
