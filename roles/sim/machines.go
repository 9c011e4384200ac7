package sim

import (
	"context"
	"crypto/rand"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// machine is a pretended virtual machine.
type machine struct {
	agentproto.Machine
	state  string
	reason string
	output []byte // what its serial console printed
}

// maxConsole bounds what a console keeps, and one answer.
const maxConsole = 1 << 20

func (m *machine) status() agentproto.MachineStatus {
	st := agentproto.MachineStatus{MachineRef: m.MachineRef, State: m.state, Reason: m.reason, Run: m.Run, Known: true, Accel: "tcg", Firmware: agentproto.FirmwareBIOS}
	if m.UEFI {
		st.Firmware = agentproto.FirmwareUEFI
	}
	return st
}

func (k *Kaktus) defineMachine(_ context.Context, _ *agent.Call, want agentproto.Machine) (agentproto.MachineStatus, error) {
	none := agentproto.MachineStatus{}
	if _, err := agentproto.MachineUUID(want.Machine); err != nil {
		return none, &fault.Error{Code: fault.Invalid, Field: "machine", Message: "not an id", Err: err}
	}
	if want.VCPUs <= 0 || want.Memory <= 0 {
		return none, fault.Bad("vcpus", "a machine needs processors and memory")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range want.Disks {
		if _, ok := k.volumes[d.VolumeRef]; !ok {
			return none, missing(d.VolumeRef)
		}
	}
	if want.Seed != nil {
		if _, ok := k.seeds[*want.Seed]; !ok {
			return none, missing(*want.Seed)
		}
	}
	for _, n := range want.NICs {
		if !slices.ContainsFunc(k.state.Bridges, func(b agentproto.Bridge) bool { return b.Name == n.Bridge }) {
			return none, fault.New(fault.Unavailable, "bridge %s is not up on this host", n.Bridge)
		}
	}
	m, ok := k.machines[want.Machine]
	if !ok {
		m = &machine{state: agentproto.StateShutoff, reason: "Shutdown"}
		k.machines[want.Machine] = m
	}
	m.Machine = want
	return m.status(), nil
}

func (k *Kaktus) deleteMachine(_ context.Context, _ *agent.Call, ref agentproto.MachineRef) (agentproto.Empty, error) {
	k.mu.Lock()
	_, ok := k.machines[ref.Machine]
	delete(k.machines, ref.Machine)
	k.mu.Unlock()
	if ok {
		k.tell(agentproto.MachineStatus{MachineRef: ref, State: agentproto.StateNone, Reason: "Deleted"})
	}
	return agentproto.Empty{}, nil
}

func (k *Kaktus) machineState(_ context.Context, _ *agent.Call, ref agentproto.MachineRef) (agentproto.MachineStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m, ok := k.machines[ref.Machine]; ok {
		return m.status(), nil
	}
	return agentproto.MachineStatus{MachineRef: ref, State: agentproto.StateNone}, nil
}

// outcome is what an action makes of a machine.
type outcome struct {
	state, reason string
	boots         bool
	run           *bool // nil: what should run stays
}

var yes, no = true, false

// act says what an action does to a machine in a state; a fault when it cannot be done.
func act(action agentproto.Power, state string) (outcome, error) {
	off := state == agentproto.StateShutoff || state == agentproto.StateCrashed
	conflict := fault.New(fault.Conflict, "the machine is %s", state)
	switch action {
	case agentproto.PowerStart:
		if off {
			return outcome{agentproto.StateRunning, "Booted", true, &yes}, nil
		}
		return outcome{agentproto.StateRunning, "Unpaused", false, &yes}, nil
	case agentproto.PowerShutdown:
		return outcome{agentproto.StateShutoff, "Shutdown", false, &no}, nil
	case agentproto.PowerStop:
		return outcome{agentproto.StateShutoff, "Destroyed", false, &no}, nil
	case agentproto.PowerReboot, agentproto.PowerReset:
		if off {
			return outcome{}, conflict
		}
		return outcome{agentproto.StateRunning, "Booted", true, &yes}, nil
	case agentproto.PowerSuspend:
		if off {
			return outcome{}, conflict
		}
		return outcome{agentproto.StatePaused, "User", false, nil}, nil
	case agentproto.PowerResume:
		if off {
			return outcome{}, conflict
		}
		return outcome{agentproto.StateRunning, "Unpaused", false, nil}, nil
	}
	return outcome{}, fault.Bad("action", "%q is not a power action", action)
}

func (k *Kaktus) powerMachine(_ context.Context, _ *agent.Call, want agentproto.MachinePower) (agentproto.MachineStatus, error) {
	k.mu.Lock()
	m, ok := k.machines[want.Machine]
	if !ok {
		k.mu.Unlock()
		return agentproto.MachineStatus{}, fault.New(fault.NotFound, "this host has no machine %s", want.Machine)
	}
	out, err := act(want.Action, m.state)
	if err != nil {
		k.mu.Unlock()
		return agentproto.MachineStatus{}, err
	}
	before := m.status()
	if out.run != nil {
		m.Run = *out.run
	}
	if m.state != out.state || out.boots {
		m.state, m.reason = out.state, out.reason
	}
	if out.boots {
		m.print("[    0.000000] Booting " + m.Name + "\r\n\r\n" + m.Name + " login: ")
	}
	after := m.status()
	k.mu.Unlock()
	if after != before || out.boots {
		k.tell(after)
	}
	return after, nil
}

// tell reports a machine's state as it changes.
func (k *Kaktus) tell(st agentproto.MachineStatus) { k.Event(agentproto.EventMachine, st.Machine, st) }

// Crash lets a machine's guest fail, as real ones do.
func (k *Kaktus) Crash(id string) {
	k.mu.Lock()
	m, ok := k.machines[id]
	if !ok {
		k.mu.Unlock()
		return
	}
	m.state, m.reason = agentproto.StateCrashed, "Panicked"
	st := m.status()
	k.mu.Unlock()
	k.tell(st)
}

func (m *machine) print(text string) {
	m.output = append(m.output, text...)
	if over := len(m.output) - maxConsole; over > 0 {
		m.output = slices.Clone(m.output[over:])
	}
}

// connect makes a ticket, at which nobody listens.
func (k *Kaktus) connect(_ context.Context, _ *agent.Call, ref agentproto.MachineRef) (agentproto.MachineTicket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.machines[ref.Machine]
	if !ok {
		return agentproto.MachineTicket{}, fault.New(fault.NotFound, "this host has no machine %s", ref.Machine)
	}
	if m.state != agentproto.StateRunning && m.state != agentproto.StatePaused {
		return agentproto.MachineTicket{}, fault.New(fault.Conflict, "the machine is off; start it first")
	}
	return agentproto.MachineTicket{Protocol: "vnc", Host: "127.0.0.1", Port: 5900, Password: rand.Text()[:8], Expires: 60}, nil
}

func (k *Kaktus) console(_ context.Context, _ *agent.Call, want agentproto.MachineConsole) (agentproto.MachineOutput, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.machines[want.Machine]
	if !ok {
		return agentproto.MachineOutput{}, fault.New(fault.NotFound, "this host has no machine %s", want.Machine)
	}
	size := int64(len(m.output))
	from := min(want.Offset, size)
	if want.Offset < 0 {
		from = max(0, size+want.Offset)
	}
	limit := want.Limit
	if limit <= 0 || limit > maxConsole {
		limit = maxConsole
	}
	to := min(size, from+limit)
	return agentproto.MachineOutput{Data: slices.Clone(m.output[from:to]), Next: to}, nil
}
