package link

import (
	"context"
	"time"

	"kowabunga/core/fault"
)

// schedule arms the next heartbeat.
func (c *Conn) schedule() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.work.Add(1)
	c.beat = time.AfterFunc(c.beats, func() {
		defer c.work.Done()
		if c.alive() {
			c.schedule()
		}
	})
}

// alive pings the peer. Only silence decides: a peer that is slow to answer a ping but sends data, or
// answers within the bound, is alive.
func (c *Conn) alive() bool {
	left := c.silence - time.Since(c.sock.lastSeen())
	if left > 0 {
		ctx, cancel := context.WithTimeout(c.ctx, left)
		err := c.sock.ping(ctx)
		cancel()
		if err == nil || c.ctx.Err() != nil {
			return err == nil
		}
	}
	if since := time.Since(c.sock.lastSeen()); since >= c.silence {
		c.end(fault.New(fault.Unavailable, "the peer gave no sign of life for %s", since.Round(time.Millisecond)), closeGoing, "silence", false)
		return false
	}
	return true
}

// Close ends the connection politely: what is queued is sent first, for at most a second. It returns
// at once; Gone tells when it is finished.
func (c *Conn) Close(reason string) {
	c.end(fault.New(fault.Unavailable, "closed: %s", reason), closeNormal, reason, true)
}

// Revoke ends the connection at once because the peer may not be connected any more. When it returns
// nothing of the peer is acted upon.
func (c *Conn) Revoke(reason string) {
	c.end(fault.New(fault.Denied, "closed: %s", reason), closePolicy, reason, false)
}

// Supersede ends the connection at once because a newer one of the same agent took its place.
func (c *Conn) Supersede() {
	c.end(&fault.Error{Code: fault.Conflict, Message: "a newer session took over", Err: ErrSuperseded}, closeSuperseded, "a newer session of this agent took over", false)
}

// end is the only way a connection ends; the first reason stays.
func (c *Conn) end(cause error, code int, text string, flush bool) {
	c.endOnce.Do(func() {
		c.mu.Lock()
		c.cancel(cause)
		if c.beat != nil && c.beat.Stop() {
			c.work.Done()
		}
		c.mu.Unlock()
		if !flush {
			c.out.drop()
		}
		started := false
		select {
		case <-c.started:
			started = true // calls that wait see the end of c.ctx; the reader closes the library's connection
		default:
		}
		go c.tearDown(code, text, started)
	})
}

// tearDown closes the socket and waits for all goroutines.
func (c *Conn) tearDown(code int, text string, started bool) {
	patience := time.NewTimer(linger)
	defer patience.Stop()
	select {
	case <-c.out.flushed():
	case <-patience.C:
	}
	c.out.drop()
	closed := make(chan struct{})
	go func() {
		c.sock.close(code, text)
		close(closed)
	}()
	patience.Reset(linger)
	select {
	case <-closed:
	case <-patience.C:
	}
	c.sock.cut()
	<-closed
	if started {
		<-c.readerDone
	}
	<-c.out.flushed()
	c.work.Wait()
	close(c.gone)
}

// Quiesce waits until no call of the peer is being answered; calls that arrive meanwhile are refused
// as Throttled. It is for the end of a connection: its slots stay taken.
func (c *Conn) Quiesce(ctx context.Context) error {
	for range maxInflight {
		select {
		case c.slots <- struct{}{}:
		case <-c.ctx.Done():
			return c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// AfterDone runs f in a goroutine of its own once the connection is over.
func (c *Conn) AfterDone(f func()) { context.AfterFunc(c.ctx, f) }
