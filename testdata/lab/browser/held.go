package browser

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Held is answers that have come and that the page does not get.
type Held struct {
	b *Browser
	e *fetch.EventRequestPaused
}

// Hold keeps the answers to requests from the page, from now on, where * in the pattern of their addresses stands for
// anything.
func (b *Browser) Hold(pattern string) *Held {
	b.t.Helper()
	call(b, "hold answers", fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern, RequestStage: fetch.RequestStageResponse}}})
	return &Held{b: b}
}

// Wait waits for the first such answer, and is its status. That to what browsers ask beforehand (CORS) is let through.
func (h *Held) Wait() int {
	h.b.t.Helper()
	for {
		select {
		case h.e = <-h.b.paused:
			if h.e.Request.Method != "OPTIONS" {
				return int(h.e.ResponseStatusCode)
			}
			call(h.b, "let an answer through", fetch.ContinueResponse, fetch.ContinueResponseParams{RequestID: h.e.RequestID})
		case <-time.After(patience):
			h.b.t.Fatal("there is no answer to hold")
		}
	}
}

// Lose has the connection break instead of that answer. No other answer is held any more.
func (h *Held) Lose() {
	h.b.t.Helper()
	call(h.b, "lose an answer", fetch.FailRequest, fetch.FailRequestParams{RequestID: h.e.RequestID, ErrorReason: network.ErrorReasonConnectionReset})
	call(h.b, "hold no more", fetch.Disable, cdp.Empty{})
}

// call has the browser carry out a command of its protocol.
func call[P, R any](b *Browser, what string, command cdp.Command[P, R], params P) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, once)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}
