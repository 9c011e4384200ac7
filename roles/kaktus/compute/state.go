package compute

import (
	"context"
	"encoding/hex"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Reasons that decide something.
const (
	reasonUnknown = "unknown"
	shutDown      = "shut down"
	forcedOff     = "forced off"
)

// states gives libvirt's states (virDomainState) the names of API v1.
var states = map[libvirt.DomainState]string{
	libvirt.DomainNostate:     agentproto.StateNone,
	libvirt.DomainRunning:     agentproto.StateRunning,
	libvirt.DomainBlocked:     agentproto.StateBlocked,
	libvirt.DomainPaused:      agentproto.StatePaused,
	libvirt.DomainShutdown:    agentproto.StateShutdown,
	libvirt.DomainShutoff:     agentproto.StateShutoff,
	libvirt.DomainCrashed:     agentproto.StateCrashed,
	libvirt.DomainPmsuspended: agentproto.StateSuspended,
}

// reasons gives libvirt's reasons (virDomainRunningReason and so on) names, by state.
var reasons = map[libvirt.DomainState][]string{
	libvirt.DomainRunning: {reasonUnknown, "booted", "migrated", "restored", "from snapshot", "resumed", "migration cancelled", "save cancelled", "woken up", "crashed", "post-copy", "post-copy failed"},
	libvirt.DomainPaused: {reasonUnknown, "by request", "migrating", "saving", "dumping", "disk error", "watchdog", "from snapshot", "shutting down", "taking a snapshot", "crashed", "starting", "post-copy", "post-copy failed",
		"API error"},
	libvirt.DomainShutdown: {reasonUnknown, "by request"},
	libvirt.DomainShutoff:  {reasonUnknown, shutDown, forcedOff, "crashed", "migrated away", "saved", "failed to start", "from snapshot", "libvirt lost it"},
	libvirt.DomainCrashed:  {reasonUnknown, "kernel panic"},
}

// stopped tells whether a reason of being off is somebody's decision.
func stopped(reason string) bool { return reason == shutDown || reason == forcedOff }

// machineID tells which of our machines a domain is.
func machineID(d libvirt.Domain) (string, bool) {
	u := hex.EncodeToString(d.UUID[:])
	id, ok := agentproto.MachineID(u[:8] + "-" + u[8:12] + "-" + u[12:16] + "-" + u[16:20] + "-" + u[20:])
	return id, ok && d.Name == domainName(id)
}

func domainName(id string) string { return "kb-" + id }

// status puts libvirt's state and our record together.
func (h *Host) status(id string, state, reason int32) agentproto.MachineStatus {
	st := agentproto.MachineStatus{MachineRef: agentproto.MachineRef{Machine: id}, Known: true, State: agentproto.StateNone, Reason: reasonUnknown}
	if name, ok := states[libvirt.DomainState(state)]; ok {
		st.State = name
	}
	if names := reasons[libvirt.DomainState(state)]; reason >= 0 && int(reason) < len(names) {
		st.Reason = names[reason]
	}
	if r, ok := h.book.get(id); ok {
		st.Run, st.Accel, st.Firmware, st.Note = r.Run, r.Accel, r.firmware(), r.Note
	}
	return st
}

// absent is the status of a machine that libvirt does not know.
func absent(id string) agentproto.MachineStatus {
	return agentproto.MachineStatus{MachineRef: agentproto.MachineRef{Machine: id}, State: agentproto.StateNone, Reason: "no such machine here"}
}

// lookup finds a machine's domain. That it is not there is NotFound; that libvirt cannot tell is not.
func lookup(lv *libvirt.Libvirt, id string) (libvirt.Domain, error) {
	text, err := agentproto.MachineUUID(id)
	if err != nil {
		return libvirt.Domain{}, fault.Bad("machine", "%.64q is not 24 lower-case hex digits", id)
	}
	var uuid libvirt.UUID
	compact := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(uuid[:], []byte(compact)); err != nil {
		return libvirt.Domain{}, fault.Bad("machine", "%.64q is not 24 lower-case hex digits", id)
	}
	d, err := lv.DomainLookupByUUID(uuid)
	if err == nil && d.Name != domainName(id) {
		return d, fault.New(fault.Conflict, "a domain with this machine's UUID has another name (%.64q); it is not touched", d.Name)
	}
	return d, err
}

// State tells what a machine does; one that libvirt does not know is not an error.
func (h *Host) State(ctx context.Context, id string) (agentproto.MachineStatus, error) {
	st := absent(id)
	err := h.conn.do(ctx, "look at machine "+id, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if libvirt.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		state, reason, err := lv.DomainGetState(d, 0)
		if libvirt.IsNotFound(err) {
			return nil
		}
		if err == nil {
			st = h.status(id, state, reason)
		}
		return err
	})
	return st, err
}
