package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"kowabunga/core/fault"
)

// client calls the public API with the sandbox's credentials.
type client struct {
	url, key string
	http     *http.Client
}

// credentials is the file that clients read.
type credentials struct {
	URL    string `json:"url"`
	APIKey string `json:"apiKey"`
}

// newClient trusts the given certificates (a PEM file) and nothing else.
func newClient(c credentials, caFile string) (*client, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "read the certificate of the local CA")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Internal, "%s holds no certificate", caFile)
	}
	return &client{url: c.URL, key: c.APIKey, http: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}}, nil
}

// call makes one call. A failure is a fault with the code of the status and the server's own sentence.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", c.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return fault.From(context.Cause(ctx))
		}
		return &fault.Error{Code: fault.Unavailable, Op: "call Kahuna", Message: "it does not answer at " + c.url, Err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: "call Kahuna", Message: "its answer broke off", Err: err}
	}
	if answer.StatusCode >= 300 {
		return refusal(answer.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return fault.Wrap(json.Unmarshal(text, into), fault.Internal, "read Kahuna's answer")
}

// refusal makes a fault of an answer of either API: {"status","error","reason"} or RFC 9457.
func refusal(status int, text []byte) error {
	var said struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
		Title  string `json:"title"`
		Field  string `json:"field"`
	}
	_ = json.Unmarshal(text, &said) // without a sentence the status has to do
	f := &fault.Error{Code: fault.Internal, Message: said.Reason, Field: said.Field}
	for _, message := range []string{said.Detail, said.Title, http.StatusText(status)} {
		if f.Message == "" {
			f.Message = message
		}
	}
	for _, code := range []fault.Code{fault.Malformed, fault.Unauthenticated, fault.Denied, fault.NotFound, fault.Conflict, fault.Invalid, fault.Throttled, fault.Unavailable, fault.Exhausted} {
		if code.HTTPStatus() == status {
			f.Code = code
		}
	}
	return f
}

// object is what the sandbox reads of the API's objects.
type object struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Phase string `json:"phase"` // API v2: "ready", "creating" and so on
}

// find reads an object by kind and name into one of its own, API v2. Fault: NotFound.
func (c *client) find(ctx context.Context, kind, name string, into any) error {
	return c.call(ctx, http.MethodGet, "/api/v2/"+kind+"/"+url.PathEscape(name), nil, into)
}

// settleWithin is how long something under way in Kahuna may take before the sandbox gives up on it.
const settleWithin = 10 * time.Minute

// ensure answers the id of the named object and makes it through API v1 when there is none. One that is
// being made, because an earlier attempt was interrupted, is joined: the same POST gets its answer.
func (c *client) ensure(ctx context.Context, kind, name, path string, body map[string]any) (id string, made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	body["name"] = name
	op := "make " + kind + " " + name
	for {
		var o object
		err := c.find(ctx, kind, name, &o)
		switch {
		case err == nil && o.Phase == "ready":
			return o.ID, made, nil
		case err == nil && o.Phase == "deleting":
			err = fault.New(fault.Unavailable, "it is being deleted")
		case err == nil || fault.Is(err, fault.NotFound):
			made = true
			if err = c.call(ctx, http.MethodPost, "/api/v1"+path, body, &o); err == nil {
				return o.ID, true, nil
			}
		}
		// Unavailable: whatever is under way goes on by itself. Anything else will not get better.
		if !fault.Is(err, fault.Unavailable) {
			return "", made, fault.Wrap(err, fault.Internal, op)
		}
		if wait := pause(ctx, 250*time.Millisecond); wait != nil {
			return "", made, fault.Wrap(errors.Join(err, wait), fault.Unavailable, op)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fault.From(context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}
