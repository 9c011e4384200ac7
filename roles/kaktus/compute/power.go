package compute

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

const (
	started = time.Minute // for a machine to be running after libvirt started it
	// pressEvery is how often the power button is pressed again: a guest that is still booting does
	// not hear it.
	pressEvery = 5 * time.Second
)

// Power acts on a machine. What should be, is recorded before anything is touched; what is already
// so, is done.
func (h *Host) Power(ctx context.Context, want agentproto.MachinePower) (agentproto.MachineStatus, error) {
	id := want.Machine
	op := string(want.Action) + " machine " + id
	release, err := h.turns.Take(ctx, id)
	if err != nil {
		return absent(id), err
	}
	defer release()
	st, err := h.State(ctx, id)
	if err != nil {
		return st, fault.Wrap(err, fault.Internal, op)
	}
	if !st.Known {
		return st, &fault.Error{Code: fault.NotFound, Op: op, Message: "this host has no such machine"}
	}
	defer h.act(id)()
	if run, changes := shouldRun(want.Action); changes {
		if err := h.book.change(id, func(r *record) { r.Run, r.Ran = run, r.Ran && run }); err != nil {
			return st, err
		}
	}
	st, err = h.power(ctx, op, want, st)
	if err != nil {
		return st, fault.Wrap(err, fault.Internal, op)
	}
	if st.State == agentproto.StateRunning {
		if err := h.book.change(id, func(r *record) { r.Ran = true }); err != nil {
			return st, err
		}
	}
	if r, ok := h.book.get(id); ok {
		st.Run = r.Run
	}
	h.tell(st)
	return st, nil
}

func shouldRun(action agentproto.Power) (run, changes bool) {
	switch action {
	case agentproto.PowerStart, agentproto.PowerReboot, agentproto.PowerReset:
		return true, true
	case agentproto.PowerStop, agentproto.PowerShutdown:
		return false, true
	}
	return false, false
}

func (h *Host) power(ctx context.Context, op string, want agentproto.MachinePower, st agentproto.MachineStatus) (agentproto.MachineStatus, error) {
	grace := h.cfg.Grace
	if want.Grace != 0 {
		grace = time.Duration(want.Grace) * time.Millisecond
	}
	switch want.Action {
	case agentproto.PowerStart:
		return h.start(ctx, op, st)
	case agentproto.PowerStop:
		return h.forceOff(ctx, op, want.Machine)
	case agentproto.PowerShutdown:
		return h.shutdown(ctx, op, st, grace)
	case agentproto.PowerReboot:
		// Off and on again, not a reset: so a new definition takes effect.
		st, err := h.shutdown(ctx, op, st, grace)
		if err != nil {
			return st, err
		}
		return h.start(ctx, op, st)
	case agentproto.PowerReset:
		if st.State != agentproto.StateRunning {
			return h.start(ctx, op, st)
		}
		return st, h.call(ctx, op, st.Machine, func(lv *libvirt.Libvirt, d libvirt.Domain) error { return lv.DomainReset(d, 0) })
	case agentproto.PowerSuspend:
		return h.suspend(ctx, op, st)
	case agentproto.PowerResume:
		return h.resume(ctx, op, st)
	}
	return st, fault.Bad("action", "%.32q is not known", string(want.Action))
}

// call runs one libvirt call on a machine's domain.
func (h *Host) call(ctx context.Context, op, id string, f func(*libvirt.Libvirt, libvirt.Domain) error) error {
	return h.conn.do(ctx, op, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err != nil {
			return err
		}
		return f(lv, d)
	})
}

func (h *Host) start(ctx context.Context, op string, st agentproto.MachineStatus) (agentproto.MachineStatus, error) {
	if st.State == agentproto.StateShutdown { // on its way off; it cannot turn back
		var err error
		if st, err = h.off(ctx, op, st, h.cfg.Grace); err != nil {
			return st, err
		}
	}
	switch st.State {
	case agentproto.StateRunning, agentproto.StateBlocked:
		return st, nil
	case agentproto.StatePaused, agentproto.StateSuspended:
		return h.resume(ctx, op, st)
	case agentproto.StateCrashed:
		if _, err := h.forceOff(ctx, op, st.Machine); err != nil {
			return st, err
		}
	}
	h.cfg.Guard() // somebody may have flushed the rules since
	err := h.call(ctx, op, st.Machine, func(lv *libvirt.Libvirt, d libvirt.Domain) error {
		if err := fpStart.Hit(); err != nil {
			return err
		}
		if err := lv.DomainCreate(d); err != nil {
			return err
		}
		return fpStarted.Hit()
	})
	if err != nil && !fault.Is(err, fault.Conflict) { // Conflict: somebody else started it
		return st, err
	}
	now, ok, look := h.await(ctx, st.Machine, started, func(st agentproto.MachineStatus) bool { return st.State == agentproto.StateRunning })
	if look == nil && !ok {
		if err != nil {
			return now, err
		}
		look = fault.New(fault.Unavailable, "it is %s (%s), not running", now.State, now.Reason)
	}
	return now, look
}

// shutdown asks the guest in both ways there are and, when the grace is over, forces.
func (h *Host) shutdown(ctx context.Context, op string, st agentproto.MachineStatus, grace time.Duration) (agentproto.MachineStatus, error) {
	if off(st) {
		return st, nil
	}
	if st.State == agentproto.StatePaused || st.State == agentproto.StateSuspended {
		// A guest that stands still hears nothing.
		var err error
		if st, err = h.resume(ctx, op, st); err != nil {
			return st, err
		}
	}
	return h.off(ctx, op, st, grace)
}

// off presses the power button until the machine is off.
func (h *Host) off(ctx context.Context, op string, st agentproto.MachineStatus, grace time.Duration) (agentproto.MachineStatus, error) {
	deadline := time.Now().Add(grace)
	var asked <-chan struct{}
	for {
		left := time.Until(deadline)
		if left <= 0 {
			h.log.Warn("guest did not shut down in time; taking its power", "machine", st.Machine, "grace", grace)
			now, err := h.forceOff(ctx, op, st.Machine)
			settled(ctx, asked)
			return now, err
		}
		h.press(ctx, st.Machine)
		if asked == nil {
			asked = h.askAgent(ctx, st.Machine)
		}
		now, ok, err := h.await(ctx, st.Machine, min(left, pressEvery), off)
		if err != nil || ok {
			settled(ctx, asked)
			return now, err
		}
	}
}

// press presses the ACPI power button. That it fails is no matter, for the grace decides.
func (h *Host) press(ctx context.Context, id string) {
	err := h.call(ctx, "press the power button", id, func(lv *libvirt.Libvirt, d libvirt.Domain) error {
		return lv.DomainShutdownFlags(d, libvirt.DomainShutdownAcpiPowerBtn)
	})
	if err != nil {
		h.log.Debug("power button", "machine", id, "error", err)
	}
}

// askAgent asks the guest's agent, which also reaches guests that ignore the button. libvirt waits up
// to a minute for an agent, and the button must not wait for it; the channel closes when it answered.
func (h *Host) askAgent(ctx context.Context, id string) <-chan struct{} {
	answered := make(chan struct{})
	h.background.Go(func() {
		defer close(answered)
		err := h.call(ctx, "ask the guest agent", id, func(lv *libvirt.Libvirt, d libvirt.Domain) error {
			return lv.DomainShutdownFlags(d, libvirt.DomainShutdownGuestAgent)
		})
		if err != nil {
			h.log.Debug("guest agent did not shut down", "machine", id, "error", err)
		}
	})
	return answered
}

// settled waits for the guest agent's call to be over: late, it would shut down the guest that was
// started meanwhile. libvirt gives it up as soon as the machine is off.
func settled(ctx context.Context, asked <-chan struct{}) {
	if asked == nil {
		return
	}
	select {
	case <-asked:
	case <-ctx.Done():
	}
}

func (h *Host) suspend(ctx context.Context, op string, st agentproto.MachineStatus) (agentproto.MachineStatus, error) {
	switch st.State {
	case agentproto.StatePaused, agentproto.StateSuspended:
		return st, nil
	case agentproto.StateRunning, agentproto.StateBlocked:
	default:
		return st, fault.New(fault.Conflict, "it is %s; only a running machine can be suspended", st.State)
	}
	if err := h.call(ctx, op, st.Machine, func(lv *libvirt.Libvirt, d libvirt.Domain) error { return lv.DomainSuspend(d) }); err != nil {
		return st, err
	}
	return h.reach(ctx, st.Machine, agentproto.StatePaused)
}

func (h *Host) resume(ctx context.Context, op string, st agentproto.MachineStatus) (agentproto.MachineStatus, error) {
	switch st.State {
	case agentproto.StateRunning, agentproto.StateBlocked:
		return st, nil
	case agentproto.StatePaused, agentproto.StateSuspended:
	default:
		return st, fault.New(fault.Conflict, "it is %s; only a suspended machine can be resumed", st.State)
	}
	err := h.call(ctx, op, st.Machine, func(lv *libvirt.Libvirt, d libvirt.Domain) error {
		if st.State == agentproto.StateSuspended {
			return lv.DomainPmWakeup(d, 0)
		}
		return lv.DomainResume(d)
	})
	if err != nil {
		return st, err
	}
	return h.reach(ctx, st.Machine, agentproto.StateRunning)
}

func (h *Host) reach(ctx context.Context, id, state string) (agentproto.MachineStatus, error) {
	st, ok, err := h.await(ctx, id, started, func(st agentproto.MachineStatus) bool { return st.State == state })
	if err == nil && !ok {
		err = fault.New(fault.Unavailable, "it is %s (%s), not %s", st.State, st.Reason, state)
	}
	return st, err
}
