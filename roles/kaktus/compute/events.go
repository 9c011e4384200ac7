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

// shutdownByHost is the detail of a shutdown that the host itself caused, by a signal to QEMU
// (virDomainEventShutdownDetailType).
const shutdownByHost = 2

// observe takes one lifecycle event. What the machine does now is looked up rather than concluded:
// events come late.
func (h *Host) observe(e libvirt.DomainEventLifecycleMsg) {
	id, ours := machineID(e.Dom)
	if !ours {
		return
	}
	// The host ends its QEMUs when it goes down; the machine should run again when it is back.
	kind := libvirt.DomainEventType(e.Event)
	byHost := kind == libvirt.DomainEventShutdown && e.Detail == shutdownByHost
	if byHost || kind == libvirt.DomainEventStarted {
		if err := h.book.change(id, func(r *record) { r.Cut = byHost }); err != nil {
			h.log.Error("machine's record cannot be written", "machine", id, "error", err)
		}
	}
	h.report(id)
	h.wake(id)
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
	h.tell(h.settle(st))
}

// settle follows what somebody decided: a machine that its guest or an operator turned off should not
// run. Stops that a power action of ours or the host's own end causes decide nothing.
func (h *Host) settle(st agentproto.MachineStatus) agentproto.MachineStatus {
	h.mu.Lock()
	ours := h.acting[st.Machine] > 0
	h.mu.Unlock()
	r, _ := h.book.get(st.Machine)
	cut := r.Cut && st.Reason == shutDown // libvirt forces off by the same signal, and says so
	if ours || cut || !st.Run || st.State != agentproto.StateShutoff || !stopped(st.Reason) {
		return st
	}
	h.log.Info("machine was turned off by its guest or an operator; it stays off", "machine", st.Machine, "reason", st.Reason)
	if err := h.book.change(st.Machine, func(r *record) { r.Run, r.Ran = false, false }); err != nil {
		h.log.Error("machine's record cannot be written", "machine", st.Machine, "error", err)
		return st
	}
	st.Run = false
	return st
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
