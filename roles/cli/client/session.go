package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"kowabunga/core/fault"
)

// Login exchanges an address and a password for the token of a session.
func (c *Client) Login(ctx context.Context, email, password string) (string, error) {
	const op = "log in"
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, op)
	}
	a, err := c.Do(ctx, Request{Op: op, Method: http.MethodPost, Path: "/login", V1: true, Body: body})
	if err != nil {
		return "", err
	}
	return a.session(op)
}

func (a *Answer) session(op string) (string, error) {
	var got struct {
		JWT string `json:"jwt"`
	}
	if err := a.Decode(op, &got); err != nil {
		return "", err
	}
	if got.JWT == "" {
		return "", &fault.Error{Code: fault.Internal, Op: op, Message: "the server answered no token"}
	}
	return got.JWT, nil
}

// Logout ends the session that the client's token belongs to.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.Do(ctx, Request{Op: "log out", Method: http.MethodPost, Path: "/logout", V1: true})
	return err
}

// Device is a login that is confirmed elsewhere (RFC 8628 section 3.2).
type Device struct {
	Code      string `json:"device_code"`
	UserCode  string `json:"user_code"`
	URL       string `json:"verification_uri"`
	FullURL   string `json:"verification_uri_complete"` // with the code in it
	ExpiresIn int    `json:"expires_in"`                // seconds
	Interval  int    `json:"interval"`                  // seconds between questions; 5 when absent
}

// BeginDevice asks for a code that somebody confirms in a browser.
func (c *Client) BeginDevice(ctx context.Context) (Device, error) {
	const op = "begin a login"
	a, err := c.Do(ctx, Request{Op: op, Method: http.MethodPost, Path: "/device"})
	if err != nil {
		return Device{}, err
	}
	var d Device
	if err := a.Decode(op, &d); err != nil {
		return Device{}, err
	}
	if d.Code == "" || d.UserCode == "" || d.URL == "" {
		return Device{}, &fault.Error{Code: fault.Internal, Op: op, Message: "the server answered no code"}
	}
	if d.Interval < 1 {
		d.Interval = 5 // RFC 8628 section 3.2
	}
	return d, nil
}

// AwaitDevice asks until the code is confirmed, as slowly as the server wants it, and returns the token of
// the session. wait passes the time. Faults: Denied when the login was refused, Unauthenticated when nobody
// confirmed it in time.
func (c *Client) AwaitDevice(ctx context.Context, d Device, wait func(context.Context, time.Duration) error) (string, error) {
	const op = "wait for the login"
	body, err := json.Marshal(map[string]string{"device_code": d.Code})
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, op)
	}
	pause := time.Duration(d.Interval) * time.Second
	for first := true; ; first = false {
		// The interval lies between questions (RFC 8628 section 3.5), so that the first may come at once.
		if !first {
			if err := wait(ctx, pause); err != nil {
				return "", fault.Wrap(err, fault.Cancelled, op)
			}
		}
		a, err := c.Do(ctx, Request{Op: op, Method: http.MethodPost, Path: "/device/token", Body: body})
		if err == nil {
			return a.session(op)
		}
		var word Word
		_ = errors.As(err, &word) // none: a fault like any other
		switch word {
		case "authorization_pending":
		case "slow_down":
			pause += 5 * time.Second // RFC 8628 section 3.5
		case "access_denied":
			return "", &fault.Error{Code: fault.Denied, Op: op, Message: "it was refused in the browser"}
		case "expired_token":
			return "", &fault.Error{Code: fault.Unauthenticated, Op: op, Message: "nobody confirmed the code in time; begin again"}
		default:
			if !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
				return "", err
			}
		}
	}
}

// Pause waits, or ends early with why the context ended.
func Pause(ctx context.Context, d time.Duration) error { return pause(ctx, d) }
