package compute

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// lookEvery is how often a wait looks for itself, should an event have been lost.
const lookEvery = 5 * time.Second

// Details of libvirt's lifecycle events (virDomainEventStoppedDetailType and
// virDomainEventShutdownDetailType).
const (
	stoppedShutdown  = 0
	stoppedDestroyed = 1
	shutdownByHost   = 2
)

// observe takes one lifecycle event.
func (h *Host) observe(e libvirt.DomainEventLifecycleMsg) {
	id, ours := machineID(e.Dom)
	if !ours {
		return
	}
	h.mu.Lock()
	decided := false
	switch libvirt.DomainEventType(e.Event) {
	case libvirt.DomainEventStarted:
		delete(h.signaled, id)
	case libvirt.DomainEventShutdown:
		// The host ends its QEMUs when it goes down; the machine should run again when it is back.
		if e.Detail == shutdownByHost {
			h.signaled[id] = true
		}
	case libvirt.DomainEventStopped:
		decided = e.Detail == stoppedDestroyed || e.Detail == stoppedShutdown && !h.signaled[id]
		decided = decided && h.acting[id] == 0
		delete(h.signaled, id)
	}
	h.mu.Unlock()
	if decided {
		if err := h.book.change(id, func(r *record) { r.Run, r.Ran = false, false }); err != nil {
			h.log.Error("machine's record cannot be written", "machine", id, "error", err)
		}
	}
	h.wake(id)
	h.report(id)
}

// report tells a machine's status when it is another than was told before.
func (h *Host) report(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), lookEvery)
	defer cancel()
	st, err := h.State(ctx, id)
	if err != nil {
		h.log.Warn("state of a machine cannot be told", "machine", id, "error", err)
		return
	}
	h.tell(st)
}

func (h *Host) tell(st agentproto.MachineStatus) {
	h.mu.Lock()
	last, told := h.reported[st.Machine]
	fresh := last != st && (told || st.Known) // that it is gone is told once
	if st.Known {
		h.reported[st.Machine] = st
	} else {
		delete(h.reported, st.Machine)
	}
	h.mu.Unlock()
	if fresh {
		h.log.Info("machine changed", "machine", st.Machine, "state", st.State, "reason", st.Reason)
		h.cfg.Report(st)
	}
}

// wake lets who waits for a machine look again.
func (h *Host) wake(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch := h.news[id]; ch != nil {
		close(ch)
		delete(h.news, id)
	}
}

func (h *Host) listen(id string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.news[id]
	if ch == nil {
		ch = make(chan struct{})
		h.news[id] = ch
	}
	return ch
}

// await waits until a machine's status satisfies ok, and returns it. When within passes first the last
// status is returned with false.
func (h *Host) await(ctx context.Context, id string, within time.Duration, ok func(agentproto.MachineStatus) bool) (agentproto.MachineStatus, bool, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		news := h.listen(id) // before looking, so that nothing slips between
		st, err := h.State(ctx, id)
		if err != nil {
			return st, false, err
		}
		if ok(st) {
			return st, true, nil
		}
		select {
		case <-news:
		case <-look.C:
		case <-limit.C:
			return st, false, nil
		case <-ctx.Done():
			return st, false, fault.From(context.Cause(ctx))
		}
	}
}

// Tally counts the machines by the state last told, without asking libvirt.
func (h *Host) Tally() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	states := map[string]int{}
	for _, st := range h.reported {
		states[st.State]++
	}
	return states
}
