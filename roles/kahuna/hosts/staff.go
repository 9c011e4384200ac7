package hosts

import (
	"crypto/rand"

	"kowabunga/core/behaviour"
	"kowabunga/core/holding"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// staff gives gateways the nodes they lack in the zone of a host that is there now: a zone may be younger
// than its gateways, and have had no host when it came.
func (k *Keeper) staff(agent model.ID) {
	for host := range model.By[*model.Kaktus](k.store.View(), "agent", agent) {
		if !behaviour.Understaffed(k.store.View(), host.Zone) {
			continue
		}
		var seed [32]byte
		rand.Read(seed[:])
		live := k.fleet.Live()
		var tr *trace.Trace
		k.update("nodes of gateways", agent, func(d model.Draft) error {
			if holding.Lost(d) {
				return nil // an address may be in use that no record names
			}
			tr = &trace.Trace{}
			now := k.now()
			return behaviour.Staff(d, &behaviour.Request{Now: now, Draw: model.NewDraw(seed, now), Live: func(id model.ID) bool { return live.Online(string(id)) }, Trace: tr}, host.Zone)
		})
		if behaviour.Understaffed(k.store.View(), host.Zone) {
			k.log.Warn("gateways lack nodes in a zone", "zone", host.Zone, "trace", tr)
		}
	}
}

// staffAll does so for all hosts that are there now.
func (k *Keeper) staffAll() {
	for agent, member := range k.fleet.Live().All() {
		if member.Online {
			k.staff(model.ID(agent))
		}
	}
}
