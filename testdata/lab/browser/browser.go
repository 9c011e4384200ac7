// Package browser gives tests Chromium with one page, and all that was seen of that page: what it asked for,
// what its console said, how often it was loaded.
package browser

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Bounds of waiting, long because the machine that runs this may be busy; nothing waits for their end.
const (
	patience = 90 * time.Second
	once     = 20 * time.Second // for one thing that a page does: one that hangs is no page
)

// Browser is Chromium with a page.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	said   []string
	asked  []*Request
	byID   map[network.RequestID]*Request
	loaded int
	paused chan *fetch.EventRequestPaused
}

// Request is one that the page made.
type Request struct {
	Method, URL string
	Headers     map[string]any
	Status      int    // 0 without an answer
	Failure     string // of the network, as Chromium calls it
}

// program is Chromium, or Chrome. Ubuntu has no package of either, only a snap, which sees no files of a test:
// there the test says that it checked nothing.
func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && !strings.HasPrefix(path, "/snap/") {
			return path
		}
	}
	if system, _ := os.ReadFile("/etc/os-release"); strings.Contains(string(system), "\nID=ubuntu\n") {
		t.Skip("NOT CHECKED: there is no browser here, and Ubuntu has no package of one; Google's package google-chrome-stable does")
	}
	t.Fatal("there is no browser here: apt-get install --no-install-recommends chromium")
	return ""
}

// Open starts Chromium, which believes what a certificate authority (PEM) signed, and asks nobody else than
// its page for anything. It ends with the test.
func Open(t testing.TB, authority string) *Browser {
	t.Helper()
	path := program(t)
	block, _ := pem.Decode([]byte(authority))
	if block == nil {
		t.Fatal("the authority is no certificate in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	home := t.TempDir()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.Env("HOME=" + home),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
	})
	started, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(started)
	t.Cleanup(end)
	b := &Browser{t: t, ctx: ctx, byID: map[network.RequestID]*Request{}, paused: make(chan *fetch.EventRequestPaused, 100)}
	if err := b.listen(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(b.leave)
	return b
}

// listen starts the browser, and has it tell what happens to its page.
func (b *Browser) listen() error {
	if err := chromedp.Listen(b.ctx, b.heard); err != nil {
		return err
	}
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(b.ctx, runtime.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(b.ctx, page.Enable, page.EnableParams{})
	}
	return err
}

// heard writes down what happens to the page.
func (b *Browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	say := func(format string, args ...any) { b.said = append(b.said, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, strings.Trim(string(a.Value), `"`)+a.Description)
		}
		say("console %s: %s", e.Type, strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		say("exception: %s %s:%d", thrown(e.ExceptionDetails), e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber+1)
	case *log.EventEntryAdded:
		say("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		r := &Request{Method: e.Request.Method, URL: e.Request.URL, Headers: e.Request.Headers}
		b.asked, b.byID[e.RequestID] = append(b.asked, r), r
	case *network.EventResponseReceived:
		if r := b.byID[e.RequestID]; r != nil {
			r.Status = int(e.Response.Status)
		}
	case *network.EventLoadingFailed:
		if r := b.byID[e.RequestID]; r != nil {
			r.Failure = e.ErrorText
		}
	case *fetch.EventRequestPaused:
		select {
		case b.paused <- e:
		default: // nobody waits for so many
		}
	case *page.EventFrameNavigated:
		if e.Frame.ParentID != "" {
			return
		}
		b.loaded++
		for _, r := range b.asked { // of the document before; nobody tells of them any more
			if r.Status == 0 && r.Failure == "" {
				r.Failure = "its document was left"
			}
		}
	}
}

// thrown is an exception in words.
func thrown(e *runtime.ExceptionDetails) string {
	if e.Exception != nil && e.Exception.Description != "" {
		return e.Exception.Description
	}
	return e.Text
}

// Console is what was said so far: on the console, of exceptions, of the content security policy, and of
// requests that failed.
func (b *Browser) Console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said)
}

// Requests are those that were made so far, in order.
func (b *Browser) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Request, len(b.asked))
	for i, r := range b.asked {
		all[i] = *r
	}
	return all
}

// Loaded is how many documents the page has been so far.
func (b *Browser) Loaded() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded
}

// Do has the browser act, or fails the test.
func (b *Browser) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, once)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// Eval is the value of an expression of the page, which may be a promise.
func Eval[T any](b *Browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, once)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits until an expression is true in the page. If it never is, the test ends and tells what the page
// shows.
func (b *Browser) Until(what, expression string) {
	b.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var is bool
		if is, err = Eval[bool](b, "Boolean("+expression+")"); err == nil && is {
			return
		}
	}
	b.t.Fatalf("%s: never (%v)", what, err)
}

// Quiet waits until there is an answer to everything that the page asked for, or none will come.
func (b *Browser) Quiet() {
	b.t.Helper()
	var open []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		open = nil
		for _, r := range b.Requests() {
			if r.Status == 0 && r.Failure == "" {
				open = append(open, r.Method+" "+r.URL)
			}
		}
		if len(open) == 0 {
			return
		}
	}
	b.t.Fatalf("no answers: %s", strings.Join(open, ", "))
}

// Text is what the page shows.
func (b *Browser) Text() string {
	text, err := Eval[string](b, "document.body.innerText")
	if err != nil {
		return err.Error()
	}
	return text
}

// Picture writes a PNG of what the page shows.
func (b *Browser) Picture(file string) error {
	ctx, cancel := context.WithTimeout(b.ctx, once)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}

// leave leaves what tells why a test failed; the picture stays if go test is run with -artifacts.
func (b *Browser) leave() {
	if !b.t.Failed() {
		return
	}
	file := filepath.Join(b.t.ArtifactDir(), "page.png")
	b.t.Logf("the page in the end: %s %v", file, b.Picture(file))
	b.t.Logf("the page showed:\n%s", b.Text())
	said := b.Console()
	b.t.Logf("its console in the end:\n%s", strings.Join(said[max(0, len(said)-40):], "\n"))
	var lines []string
	for _, r := range b.Requests() {
		lines = append(lines, fmt.Sprintf("%s %s: %d %s", r.Method, r.URL, r.Status, r.Failure))
	}
	b.t.Logf("its requests in the end:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
}
