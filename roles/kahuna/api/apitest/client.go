package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
)

// client calls operations by id through the official SDK and keeps the last exchange's bytes.
type client struct {
	sdk  *sdk.APIClient
	last *exchange
	next http.RoundTripper
}

type exchange struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
}

// RoundTrip passes a request on and keeps what came back.
func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.last = &exchange{request: r, status: resp.StatusCode, header: resp.Header, body: body}
	return resp, nil
}

// newClient makes a client that sends one header with every request.
func newClient(address string, transport http.RoundTripper, header, value string) (*client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	c := &client{next: transport}
	cfg := sdk.NewConfiguration()
	cfg.Host, cfg.Scheme = u.Host, u.Scheme
	cfg.HTTPClient = &http.Client{Transport: c}
	if header != "" {
		cfg.AddDefaultHeader(header, value)
	}
	c.sdk = sdk.NewAPIClient(cfg)
	return c, nil
}

// call runs an operation with path parameters in the path's order. The SDK's own types carry body and
// result, so that its decoder, which refuses every undeclared key, judges the answer.
func (c *client) call(op *Operation, ids []string, query map[string]string, body string) (any, error) {
	c.last = nil
	request, err := c.request(op, ids)
	if err != nil {
		return nil, err
	}
	for name, value := range query {
		if request, err = set(request, camel(name), value); err != nil {
			return nil, err
		}
	}
	if op.Request != nil {
		m := request.MethodByName(*op.Request)
		if !m.IsValid() {
			return nil, fmt.Errorf("the SDK's %s takes no %s", op.ID, *op.Request)
		}
		sent := reflect.New(m.Type().In(0))
		if err := json.Unmarshal([]byte(body), sent.Interface()); err != nil {
			return nil, fmt.Errorf("the SDK cannot send %s: %w", body, err)
		}
		request = m.Call([]reflect.Value{sent.Elem()})[0]
	}
	out := request.MethodByName("Execute").Call(nil)
	if err, failed := out[len(out)-1].Interface().(error); failed {
		if c.last != nil {
			return nil, fmt.Errorf("%w (%d %s)", err, c.last.status, c.last.body)
		}
		return nil, err
	}
	if len(out) == 3 {
		return out[0].Interface(), nil
	}
	return nil, nil
}

// request finds the SDK's function for an operation among its services.
func (c *client) request(op *Operation, ids []string) (reflect.Value, error) {
	services := reflect.ValueOf(c.sdk).Elem()
	for i := range services.NumField() {
		if !services.Type().Field(i).IsExported() {
			continue
		}
		m := services.Field(i).MethodByName(op.ID)
		if !m.IsValid() {
			continue
		}
		in := []reflect.Value{reflect.ValueOf(context.Background())}
		for _, id := range ids {
			in = append(in, reflect.ValueOf(id))
		}
		if m.Type().NumIn() != len(in) {
			return reflect.Value{}, fmt.Errorf("%s takes %d ids, not %d", op.ID, m.Type().NumIn()-1, len(ids))
		}
		return m.Call(in)[0], nil
	}
	return reflect.Value{}, fmt.Errorf("the SDK has no %s", op.ID)
}

func set(request reflect.Value, method, value string) (reflect.Value, error) {
	m := request.MethodByName(method)
	if !m.IsValid() {
		return request, fmt.Errorf("the SDK's %s has no %s", request.Type(), method)
	}
	v := reflect.New(m.Type().In(0)).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(value)
	case reflect.Bool:
		v.SetBool(value == "true")
	default:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return request, err
		}
		v.SetInt(n)
	}
	return m.Call([]reflect.Value{v})[0], nil
}

func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
