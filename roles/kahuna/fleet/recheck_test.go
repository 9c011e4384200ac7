package fleet

import (
	"context"
	"testing"
	"time"

	"kowabunga/core/agentproto"
)

// Keys that are taken away together are of no use together: what is still done for one agent does not delay the
// end of the next.
func TestRevokedTogetherAreCutOffTogether(t *testing.T) {
	release, working := make(chan struct{}), make(chan string, 2)
	r := newRig(t, func(c *Config) {
		c.DisconnectTimeout = time.Hour
		c.Handle = func(_ context.Context, agent, _ string, _ agentproto.Envelope) (any, error) {
			working <- agent
			<-release
			return nil, nil
		}
	})
	t.Cleanup(func() { close(release) }) // before the fleet is closed, which waits for them
	hosts := []string{hostA, hostB}
	for _, id := range hosts {
		conn := r.dialBare(id)
		conn.Start(mute{})
		go func() { _ = conn.Call(context.Background(), "stand.still", agentproto.Envelope{}, nil) }()
		over(t, "the beginning of a handler", working)
	}
	for _, id := range hosts {
		r.keys.remove(id)
	}
	done := make(chan struct{})
	go func() { defer close(done); r.fleet.Recheck() }()
	over(t, "the end of the sessions", done)
	for _, id := range hosts {
		if m, _ := r.fleet.Live().Get(id); m.Online || m.Connected {
			t.Errorf("%s is connected", id)
		}
	}
}
