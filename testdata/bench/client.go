package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// web talks to servers whose certificates were made a moment ago on this machine.
var web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 64}}

type client struct {
	ctx      context.Context
	url, key string
}

// do makes a request and decodes the answer, unless into is text.
func (c client) do(method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(c.ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, text)
	}
	if s, is := into.(*string); is {
		*s = string(text)
		return nil
	}
	return json.Unmarshal(text, into)
}

// metric is what a figure of the server comes to, over all its series that have these labels (NAME="VALUE"), and
// whether there is any.
func (c client) metric(name string, labels ...string) (sum float64, there bool, err error) {
	var text string
	if err := c.do("GET", "/metrics", "", &text); err != nil {
		return 0, false, err
	}
	return readMetric(text, name, labels...)
}

func readMetric(text, name string, labels ...string) (sum float64, there bool, err error) {
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, is := strings.CutPrefix(series, name)
		if !is || rest != "" && rest[0] != '{' || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, false, fmt.Errorf("%q: %w", line, err)
		}
		sum, there = sum+v, true
	}
	return sum, there, nil
}

// await waits until so many agents of hosts are connected, and returns how long that took.
func (c client) await(n int, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := poll(c.ctx, limit, func() (bool, error) {
		connected, _, err := c.metric("kowabunga_agents_connected", `kind="Kaktus"`) // none is there while no agent is
		return connected == float64(n), err
	}); err != nil {
		return 0, fmt.Errorf("%d connected agents: %w", n, err)
	}
	return time.Since(began), nil
}

// poll looks ten times a second whether something came about, for so long at most. An error of look ends it.
func poll(ctx context.Context, limit time.Duration, look func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		if done, err := look(); done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("did not come about within %s", limit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
