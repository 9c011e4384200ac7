package sim

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// A simulated file system is its agent's own: where several agents of one pool shall serve shares, they
// do not see each other's.

// share is a directory and how it is exported.
type share struct {
	agentproto.Share
	size int64
}

func (s *share) status() agentproto.ShareStatus {
	return agentproto.ShareStatus{ShareRef: s.ShareRef, Size: s.size}
}

// checkShare refuses what no server would export, and an export id that another share has at one of the
// servers. It needs the lock.
func (k *Kaktus) checkShare(want agentproto.Share) error {
	if err := k.pool(want.Pool); err != nil {
		return err
	}
	switch {
	case want.FS == "" || want.Share == "":
		return fault.Bad("share", "a share has a file system and an id")
	case want.Export <= 0 || want.Export > 65535:
		return fault.Bad("export", "%d is no export id", want.Export)
	case want.Access != "RO" && want.Access != "RW":
		return fault.Bad("access", "%q is neither RO nor RW", want.Access)
	case len(want.Protocols) == 0 || slices.ContainsFunc(want.Protocols, func(v int64) bool { return v != 3 && v != 4 }):
		return fault.Bad("protocols", "%v are not versions of NFS", want.Protocols)
	case len(want.Backends) == 0:
		return fault.Bad("backends", "no server exports the share")
	}
	for _, network := range want.Clients {
		if _, err := netip.ParsePrefix(network); err != nil {
			return fault.Bad("clients", "%q is no network", network)
		}
	}
	for id, other := range k.shares {
		if id != want.ShareRef && other.Export == want.Export && slices.ContainsFunc(want.Backends, func(b string) bool { return slices.Contains(other.Backends, b) }) {
			return fault.New(fault.Conflict, "export %d is share %s at these servers", want.Export, other.ShareRef.Share)
		}
	}
	return nil
}

func (k *Kaktus) createShare(_ context.Context, _ *agent.Call, want agentproto.Share) (agentproto.ShareStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.checkShare(want); err != nil {
		return agentproto.ShareStatus{}, err
	}
	if k.shares[want.ShareRef] == nil {
		k.shares[want.ShareRef] = &share{}
	}
	k.shares[want.ShareRef].Share = want
	return k.shares[want.ShareRef].status(), nil
}

func (k *Kaktus) updateShare(_ context.Context, _ *agent.Call, want agentproto.Share) (agentproto.ShareStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.shares[want.ShareRef]
	if s == nil {
		return agentproto.ShareStatus{}, noShare(want.ShareRef)
	}
	if err := k.checkShare(want); err != nil {
		return agentproto.ShareStatus{}, err
	}
	want.Former = nil
	s.Share = want
	return s.status(), nil
}

func (k *Kaktus) deleteShare(_ context.Context, _ *agent.Call, want agentproto.Share) (agentproto.Empty, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.shares, want.ShareRef)
	return agentproto.Empty{}, nil
}

func (k *Kaktus) shareUsage(_ context.Context, _ *agent.Call, ref agentproto.ShareRef) (agentproto.ShareStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.shares[ref]
	if s == nil {
		return agentproto.ShareStatus{}, noShare(ref)
	}
	return s.status(), nil
}

func noShare(ref agentproto.ShareRef) error {
	return fault.New(fault.NotFound, "file system %s has no share %s", ref.FS, ref.Share)
}

// Fill pretends that the files of a share take so many bytes, and reports it.
func (k *Kaktus) Fill(id string, bytes int64) error {
	k.mu.Lock()
	var status agentproto.ShareStatus
	for ref, s := range k.shares {
		if ref.Share == id {
			s.size = bytes
			status = s.status()
		}
	}
	err := k.save()
	k.mu.Unlock()
	if err != nil {
		return err
	}
	if status.Share == "" {
		return fault.New(fault.NotFound, "there is no share %s", id)
	}
	k.Event(agentproto.EventShare, id, status)
	return nil
}

// shareList is what an inventory says of the shares. It needs the lock.
func (k *Kaktus) shareList() []agentproto.ShareStatus {
	var out []agentproto.ShareStatus
	for _, s := range k.shares {
		out = append(out, s.status())
	}
	slices.SortFunc(out, func(a, b agentproto.ShareStatus) int { return compare(a.Pool, b.Pool, a.Share, b.Share) })
	return out
}

// heldShare is a share as it is kept.
type heldShare struct {
	agentproto.Share
	Size int64 `json:"size"`
}

func (h *held) keepShares(shares map[agentproto.ShareRef]*share) {
	for _, s := range shares {
		h.Shares = append(h.Shares, heldShare{s.Share, s.size})
	}
}

func (h *held) recallShares() map[agentproto.ShareRef]*share {
	out := map[agentproto.ShareRef]*share{}
	for _, s := range h.Shares {
		out[s.ShareRef] = &share{s.Share, s.Size}
	}
	return out
}

// Exports are the shares of the agent as they are exported, in order of their ids.
func (k *Kaktus) Exports() []agentproto.Share {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []agentproto.Share
	for _, s := range k.shares {
		out = append(out, s.Share)
	}
	slices.SortFunc(out, func(a, b agentproto.Share) int { return strings.Compare(a.ShareRef.Share, b.ShareRef.Share) })
	return out
}
