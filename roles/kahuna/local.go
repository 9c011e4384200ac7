package kahuna

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

func operations(v model.View) []*operation.Operation {
	var out []*operation.Operation
	for op := range model.All[*operation.Operation](v) {
		out = append(out, op)
	}
	return out
}

// errNotRunning says that no server answers on the socket of the directory.
var errNotRunning = errors.New("no server answers")

// ask calls the server of a directory through its socket. The error is errNotRunning when there is none.
func ask(ctx context.Context, c *Config, method, path string, body any) (io.ReadCloser, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://kahuna"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialLocal(ctx, c)
	}}}
	answer, err := client.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, os.ErrNotExist) {
			return nil, errNotRunning
		}
		return nil, fault.Wrap(err, fault.Unavailable, "ask the running server")
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var f fault.Error
	if err := json.NewDecoder(answer.Body).Decode(&f); err != nil {
		return nil, fault.New(fault.Internal, "the running server answered %s", answer.Status)
	}
	return nil, &f
}

func dialLocal(ctx context.Context, c *Config) (net.Conn, error) {
	var d net.Dialer
	path := c.socket()
	if len(path) > 100 {
		dir, err := os.Open(c.Dir)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = "/proc/self/fd/" + itoa(int(dir.Fd())) + "/kahuna.sock"
	}
	return d.DialContext(ctx, "unix", path)
}

// get asks the running server and decodes the answer.
func get(ctx context.Context, c *Config, path string, into any) error {
	body, err := ask(ctx, c, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return fault.Wrap(json.NewDecoder(body).Decode(into), fault.Internal, "read the server's answer")
}
