package agent

import (
	"context"
	"errors"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
)

// settle bounds how long, after the drain, called off calls and the closing of the connection may
// take. Together with Drain's default it stays below 15 s.
const settle = 3 * time.Second

// Run applies the last good states, connects to Kahuna and serves it until ctx ends; a lost connection
// is made again. At the end new calls are refused, running ones may finish for Drain, then are called
// off, and the connection closes politely. Run returns nil after an orderly end. An Agent runs once.
func (a *Agent) Run(ctx context.Context) error {
	defer a.disk.close()
	if failed := a.states.restore(ctx); len(failed) > 0 {
		a.tasks.Go(func() { a.keepTrying(ctx, failed) })
	}
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		err := a.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) >= a.cfg.Backoff.Stable {
			failures = 0
		}
		delay := a.nextDelay(err, &failures)
		a.log.Info("connecting again later", "in", delay.Round(time.Millisecond), "why", err)
		select {
		case <-a.cfg.Backoff.After(delay):
		case <-ctx.Done():
		}
	}
	a.shutDown()
	a.tasks.Wait()
	return nil
}

// nextDelay explains what went wrong where a person can help, and chooses the wait.
func (a *Agent) nextDelay(err error, failures *int) time.Duration {
	b := a.cfg.Backoff
	switch {
	case fault.Is(err, fault.Unauthenticated):
		a.log.Error("Kahuna does not accept this agent's key: it was revoked, replaced or has expired. Put the new key into the key file; the agent keeps trying", "key_file", a.cfg.KeyFile)
		return b.slow()
	case fault.Is(err, fault.Fenced):
		a.log.Error("this Kahuna was replaced by a newer one that the agent already obeys; the agent keeps trying", "error", err)
		return b.slow()
	case errors.Is(err, link.ErrSuperseded):
		a.log.Error("another process connected as this agent; two hosts may have the same id and key")
		return b.slow()
	}
	delay := b.Delay(*failures)
	*failures++
	return delay
}

// serve dials and serves one connection until it ends or ctx does. The error is why it ended.
func (a *Agent) serve(ctx context.Context) error {
	key, err := a.cfg.Key()
	if err != nil {
		a.counters.dialFailures.Add(1)
		return err
	}
	conn, welcome, err := link.Dial(ctx, link.Target{URL: a.cfg.URL, CAFile: a.cfg.CAFile, Key: key, Hello: a.hello(), Log: a.log})
	if err != nil {
		a.counters.dialFailures.Add(1)
		return err
	}
	if err := a.obey(welcome.Epoch); err != nil {
		conn.Revoke("the epoch is not obeyed")
		<-conn.Gone()
		return err
	}
	a.counters.connects.Add(1)
	a.conn.Store(conn)
	conn.Start(session{a})
	a.log.Info("connected", "release", welcome.Release, "epoch", welcome.Epoch.String(), "cluster", welcome.Cluster)
	if a.cfg.OnConnect != nil {
		a.cfg.OnConnect(welcome)
	}
	a.tasks.Go(func() { a.sendEvents(conn) })
	select {
	case <-conn.Done():
	case <-ctx.Done():
		return nil // shutDown still needs the connection
	}
	a.conn.CompareAndSwap(conn, nil)
	<-conn.Gone()
	if a.cfg.OnDisconnect != nil {
		a.cfg.OnDisconnect(conn.Err())
	}
	return conn.Err()
}

// shutDown drains, then closes. What does not end when called off is left behind and named in the log.
func (a *Agent) shutDown() {
	quiet := a.replies.drain()
	if n := a.replies.running(); n > 0 {
		a.log.Info("waiting for running calls before the shutdown", "calls", n, "at_most", a.cfg.Drain)
	}
	patience := time.NewTimer(a.cfg.Drain)
	defer patience.Stop()
	select {
	case <-quiet:
	case <-patience.C:
	}
	a.endWork(fault.New(fault.Unavailable, "the agent is shutting down; repeat the call when it is back"))
	patience.Reset(settle)
	select {
	case <-quiet:
	case <-patience.C:
		a.log.Error("some calls do not end; leaving them behind", "calls", a.replies.running())
	}
	conn := a.conn.Swap(nil)
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	_ = conn.Quiesce(ctx) // the last answers are on their way out
	cancel()
	conn.Close("the agent is shutting down")
	<-conn.Gone()
	if a.cfg.OnDisconnect != nil {
		a.cfg.OnDisconnect(conn.Err())
	}
}
