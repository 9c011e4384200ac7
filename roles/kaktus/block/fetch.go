package block

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// source is an open template source.
type source struct {
	io.ReadCloser
	size  int64 // bytes, -1 while unknown
	whole bool  // a cut-off transfer shows by itself
}

var errStalled = errors.New("the download stalled")

// open starts reading a source. Reading fails when the transfer ends early, stalls, or ctx ends.
func (s *Store) open(ctx context.Context, text string) (source, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return source{}, fault.Bad("source", "is not an http, https or file URL") // the cause would show the URL
	}
	s.mu.RLock()
	rules := s.cfg.Import
	s.mu.RUnlock()
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return source{}, fault.Bad("source", "names no host")
		}
		return download(ctx, u, rules)
	case "file":
		return openFile(u, rules.Dirs)
	}
	return source{}, fault.Bad("source", "has the scheme %.20q; http, https and file are known", u.Scheme)
}

func download(ctx context.Context, u *url.URL, rules Import) (source, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return source{}, fault.Bad("source", "is not a URL that can be asked for")
	}
	req.Header.Set("User-Agent", "kowabunga-kaktus")
	watch := time.AfterFunc(rules.Stall, func() { cancel(errStalled) })
	body := &watched{ctx: ctx, watch: watch, stall: rules.Stall, cancel: cancel}
	resp, err := client(rules.Allow).Do(req)
	if err != nil {
		err = body.explain(err)
		body.Close()
		return source{}, err
	}
	body.ReadCloser = resp.Body
	if err := judge(u, resp); err != nil {
		body.Close()
		return source{}, err
	}
	chunked := resp.ProtoMajor >= 2 || slices.Contains(resp.TransferEncoding, "chunked")
	return source{ReadCloser: body, size: resp.ContentLength, whole: resp.ContentLength >= 0 || chunked}, nil
}

// judge refuses answers that are not a disk image.
func judge(u *url.URL, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		code := fault.Invalid
		switch {
		case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
			code = fault.NotFound
		case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
			code = fault.Denied
		case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
			code = fault.Unavailable
		}
		return fault.New(code, "%s answered with status %d", shown(u), resp.StatusCode)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return fault.New(fault.Invalid, "%s is a web page, not a disk image; use the link of the download itself", shown(u))
	}
	if resp.ContentLength == 0 {
		return fault.New(fault.Invalid, "%s is empty", shown(u))
	}
	return nil
}

// watched is a response body that gives up when nothing arrives for a while.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	watch  *time.Timer
	stall  time.Duration
	cancel context.CancelCauseFunc
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.watch.Reset(w.stall)
	}
	if err != nil && err != io.EOF {
		err = w.explain(err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.watch.Stop()
	w.cancel(nil)
	if w.ReadCloser == nil {
		return nil
	}
	return w.ReadCloser.Close()
}

// explain turns a failed transfer into a fault. The error of net/http repeats the URL with its query,
// so only its cause is kept.
func (w *watched) explain(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	switch cause := context.Cause(w.ctx); {
	case errors.Is(cause, errStalled):
		return fault.New(fault.Unavailable, "the source sent nothing for %v", w.stall)
	case cause != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fault.From(cause)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &fault.Error{Code: fault.Unavailable, Message: "the transfer ended before the whole image was there", Err: err}
	}
	return &fault.Error{Code: fault.Unavailable, Message: "the image cannot be fetched from its source", Err: err}
}

// openFile opens a file below one of the allowed directories. Links inside the directory are followed;
// nothing leads out of it, not even a link that changes while it is opened (os.Root).
func openFile(u *url.URL, dirs []string) (source, error) {
	refuse := fault.New(fault.Denied, "the file does not lie in a directory this host imports from; see import.dirs")
	if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || !strings.HasPrefix(u.Path, "/") || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return source{}, refuse
	}
	for _, dir := range dirs {
		name, err := filepath.Rel(dir, filepath.Clean(u.Path))
		if err != nil || !filepath.IsLocal(name) || name == "." {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return source{}, &fault.Error{Code: fault.Unavailable, Message: "the import directory " + dir + " cannot be opened", Err: err}
		}
		defer root.Close()
		// Without O_NONBLOCK a named pipe would hold the import for ever.
		f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return source{}, fault.New(fault.NotFound, "%s does not exist", u.Path)
		case err != nil:
			return source{}, &fault.Error{Code: refuse.Code, Message: refuse.Message, Err: err}
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			f.Close()
			return source{}, fault.New(fault.Invalid, "%s is empty or not a regular file", u.Path)
		}
		return source{ReadCloser: f, size: info.Size(), whole: true}, nil
	}
	return source{}, refuse
}
