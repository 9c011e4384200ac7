package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
)

// settle bounds how long, after the drain, called off calls and the closing of the connection may
// take. Together with Drain's default it stays below 15 s.
const settle = 3 * time.Second

// Run applies the last good states, connects to every Kahuna it knows and serves them until ctx ends; a
// lost connection is made again. At the end new calls are refused, running ones may finish for Drain,
// then are called off, and the connections close politely. Run returns nil after an orderly end. An Agent
// runs once.
func (a *Agent) Run(ctx context.Context) error {
	defer a.disk.close()
	if failed := a.states.restore(ctx); len(failed) > 0 {
		a.tasks.Go(func() { a.keepTrying(ctx, failed) })
	}
	events, stop := context.WithCancel(context.WithoutCancel(ctx)) // what ends during the drain is told too
	defer stop()
	a.tasks.Go(func() { a.sendEvents(events) })
	var loops sync.WaitGroup
	dialling := map[string]context.CancelFunc{}
	for ctx.Err() == nil {
		changed, wanted := a.kahunas.watch(), a.kahunas.targets()
		for _, url := range wanted {
			if dialling[url] == nil {
				mine, end := context.WithCancel(ctx)
				dialling[url] = end
				loops.Go(func() { a.keep(ctx, mine, url) })
			}
		}
		for url, end := range dialling {
			if !slices.Contains(wanted, url) {
				end()
				delete(dialling, url)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	for _, end := range dialling {
		end()
	}
	loops.Wait()
	a.shutDown()
	stop()
	a.tasks.Wait()
	a.obedience.close()
	return nil
}

// keep keeps a session with the Kahuna at one URL, unless it has one by another, until mine ends. all is
// the agent's own context: at its end the session stays for the drain.
func (a *Agent) keep(all, mine context.Context, url string) {
	failures := 0
	for mine.Err() == nil {
		changed := a.kahunas.watch()
		if a.kahunas.covered(url) {
			select {
			case <-changed:
			case <-mine.Done():
			}
			continue
		}
		began := time.Now()
		err := a.serve(all, mine, url)
		if mine.Err() != nil || a.kahunas.covered(url) {
			continue
		}
		if time.Since(began) >= a.cfg.Backoff.Stable {
			failures = 0
		}
		delay := a.nextDelay(err, &failures)
		a.log.Info("connecting again later", "url", url, "in", delay.Round(time.Millisecond), "why", err)
		select {
		case <-a.cfg.Backoff.After(delay):
		case <-mine.Done():
		}
	}
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
	if len(a.kahunas.targets()) > 1 {
		b.Most = min(b.Most, mostOfSeveral)
	}
	delay := b.Delay(*failures)
	*failures++
	return delay
}

// mostOfSeveral bounds the wait while there is another Kahuna: whichever takes over commands, and is voted for
// by, only those that have come back to it.
const mostOfSeveral = 10 * time.Second

// serve dials and serves one connection until it ends or mine does. The error is why it ended.
func (a *Agent) serve(all, mine context.Context, url string) error {
	key, err := a.cfg.Key()
	if err != nil {
		a.counters.dialFailures.Add(1)
		return err
	}
	conn, welcome, err := link.Dial(mine, link.Target{URL: url, CAFile: a.cfg.CAFile, Key: key, Hello: a.hello(), Log: a.log})
	if err != nil {
		a.counters.dialFailures.Add(1)
		return err
	}
	s := &session{a: a, conn: conn, kahunas: welcome.Kahunas}
	s.ledger = a.steps != nil && slices.Contains(welcome.Features, agentproto.FeatureLedger)
	if slices.Contains(welcome.Features, agentproto.FeatureLease) && welcome.Node != "" {
		s.leased, s.node = true, welcome.Node
		// Until an epoch is announced as won, a welcome proves nothing; only who knows no Kahuna takes its word.
		// Nor does the list of another node's: it may be older.
		if welcome.Epoch == a.Obeyed() && welcome.Epoch.Node == welcome.Node || len(a.kahunas.last().Kahunas) == 0 {
			a.learn(agentproto.KahunaList{Epoch: welcome.Epoch, Kahunas: welcome.Kahunas})
		}
	} else if err := a.obey(welcome.Epoch); err != nil {
		conn.Revoke("the epoch is not obeyed")
		<-conn.Gone()
		return err
	}
	a.counters.connects.Add(1)
	a.kahunas.add(url, s)
	conn.Start(s)
	a.log.Info("connected", "url", url, "release", welcome.Release, "epoch", welcome.Epoch.String(), "cluster", welcome.Cluster)
	if a.cfg.OnConnect != nil {
		a.cfg.OnConnect(welcome)
	}
	select {
	case <-conn.Done():
	case <-mine.Done():
		if all.Err() != nil {
			return nil // shutDown still needs the connection
		}
		conn.Close("this Kahuna is not one any more")
	}
	a.kahunas.remove(s)
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range a.kahunas.live() {
		_ = s.conn.Quiesce(ctx) // the last answers are on their way out
		s.conn.Close("the agent is shutting down")
	}
	for _, s := range a.kahunas.live() {
		a.kahunas.remove(s)
		<-s.conn.Gone()
		if a.cfg.OnDisconnect != nil {
			a.cfg.OnDisconnect(s.conn.Err())
		}
	}
}
