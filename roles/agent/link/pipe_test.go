package link

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"kowabunga/core/fault"
)

func TestPipeNeedsTheSameKeyAtBothEnds(t *testing.T) {
	key := NewPairKey()
	d := NewDoor(key)
	accepted := make(chan *Pipe, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, err := d.Accept(w, r); err == nil {
			accepted <- p
		}
	}))
	defer server.Close()
	dial := func(key string) (*Pipe, error) {
		return DialPipe(t.Context(), PipeTarget{URL: server.URL, Path: "/pair", Name: "node-1", Key: key})
	}
	if p, err := dial(NewPairKey()); !fault.Is(err, fault.Unauthenticated) {
		t.Fatalf("another key got %v, %v", p, err)
	}
	near, err := dial(key)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far := <-accepted
	defer far.Close()
	if far.Name != "node-1" {
		t.Errorf("the name is %q", far.Name)
	}
	want := bytes.Repeat([]byte{0, 1, 255}, 100_000)
	go func() { _ = near.Write(context.Background(), want, time.Minute) }()
	got, err := far.Read(t.Context())
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes arrived, %v", len(got), err)
	}
	near.Close()
	if _, err := far.Read(t.Context()); err == nil {
		t.Error("the end of the connection was not noticed")
	}
}

func TestPipeIsNotForBrowsers(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/pair", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	if _, err := NewDoor(NewPairKey()).Accept(w, r); err == nil || w.Code != http.StatusForbidden {
		t.Errorf("answered %d, %v", w.Code, err)
	}
}
