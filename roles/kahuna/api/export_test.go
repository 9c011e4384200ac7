package api

import "time"

// LimitEvents sets what an event stream may cost, for tests of those bounds.
func (a *API) LimitEvents(streams int64, buffer int, slow, write, heartbeat time.Duration) {
	a.streams = eventLimits{streams: streams, buffer: buffer, slow: slow, write: write, heartbeat: heartbeat}
}
