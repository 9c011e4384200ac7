package kaktus

import (
	"context"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// Lanes keep long work from holding up short work. An import takes the network and the disk for
// minutes; a power action mostly waits for its guest, so many may.
const (
	laneImports  = "imports"
	laneVolumes  = "volumes"
	laneMachines = "machines"
	lanePower    = "power"
)

var lanes = map[string]int{laneImports: 2, laneVolumes: 4, laneMachines: 8, lanePower: 32}

// methods is what a Kaktus answers.
func (k *kaktus) methods() agent.Methods {
	quick := func(h agent.Handler) agent.Method { return agent.Method{Handle: h} }
	on := func(lane string, h agent.Handler) agent.Method { return agent.Method{Handle: h, Lane: lane} }
	return agent.Methods{
		agentproto.MethodInventory:      quick(agent.Handle(k.inventory)),
		agentproto.MethodImageImport:    on(laneImports, agent.Handle(k.importImage)),
		agentproto.MethodImageDelete:    on(laneVolumes, agent.Handle(k.deleteImage)),
		agentproto.MethodVolumeCreate:   on(laneVolumes, agent.Handle(k.createVolume)),
		agentproto.MethodVolumeResize:   on(laneVolumes, agent.Handle(k.resizeVolume)),
		agentproto.MethodVolumeDelete:   on(laneVolumes, agent.Handle(k.deleteVolume)),
		agentproto.MethodVolumeStat:     quick(agent.Handle(k.statVolume)),
		agentproto.MethodSeedWrite:      on(laneVolumes, agent.Handle(k.writeSeed)),
		agentproto.MethodSeedDelete:     on(laneVolumes, agent.Handle(k.deleteSeed)),
		agentproto.MethodMachineDefine:  on(laneMachines, agent.Handle(k.defineMachine)),
		agentproto.MethodMachineDelete:  on(laneMachines, agent.Handle(k.deleteMachine)),
		agentproto.MethodMachinePower:   on(lanePower, agent.Handle(k.powerMachine)),
		agentproto.MethodMachineState:   quick(agent.Handle(k.machineState)),
		agentproto.MethodMachineConnect: on(laneMachines, agent.Handle(k.connectMachine)),
		agentproto.MethodMachineConsole: quick(agent.Handle(k.machineConsole)),
		agentproto.MethodShareCreate:    quick(noShares),
		agentproto.MethodShareUpdate:    quick(noShares),
		agentproto.MethodShareDelete:    quick(noShares),
		agentproto.MethodShareUsage:     quick(noShares),
	}
}

// noShares answers what is asked about NFS shares. The code is one that undoing takes for done.
func noShares(context.Context, *agent.Call) (any, error) {
	return nil, fault.New(fault.NotFound, "NFS shares are not part of this release of kaktus")
}

func (k *kaktus) inventory(ctx context.Context, _ *agent.Call, _ agentproto.Empty) (agentproto.Inventory, error) {
	inv := agentproto.Inventory{Caps: k.host.Capabilities(), Pools: k.store.Status(), Bridges: k.bridges.Names(), Cards: k.host.Defined()}
	inv.Images, inv.Volumes, inv.Seeds = k.store.Inventory()
	var err error
	inv.Machines, inv.Foreign, err = k.host.Inventory(ctx)
	return inv, err // an inventory without its machines would look as if they were gone
}

func (k *kaktus) importImage(ctx context.Context, call *agent.Call, want agentproto.ImageImport) (agentproto.Image, error) {
	defer k.look()
	return k.store.ImportImage(ctx, want, func(done, total int64) {
		if call.Progress != nil {
			call.Progress(done, total, "bytes")
		}
	})
}

func (k *kaktus) deleteImage(ctx context.Context, _ *agent.Call, ref agentproto.ImageRef) (agentproto.Empty, error) {
	defer k.look()
	return agentproto.Empty{}, k.store.DeleteImage(ctx, ref)
}

func (k *kaktus) createVolume(ctx context.Context, _ *agent.Call, want agentproto.VolumeCreate) (agentproto.Volume, error) {
	defer k.look()
	return k.store.Create(ctx, want)
}

func (k *kaktus) resizeVolume(ctx context.Context, _ *agent.Call, want agentproto.VolumeResize) (agentproto.Volume, error) {
	return k.store.Resize(ctx, want)
}

func (k *kaktus) deleteVolume(ctx context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Empty, error) {
	defer k.look()
	return agentproto.Empty{}, k.store.Delete(ctx, ref)
}

func (k *kaktus) statVolume(_ context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Volume, error) {
	return k.store.Stat(ref)
}

func (k *kaktus) writeSeed(ctx context.Context, _ *agent.Call, want agentproto.Seed) (agentproto.Volume, error) {
	return k.store.WriteSeed(ctx, want)
}

func (k *kaktus) connectMachine(ctx context.Context, _ *agent.Call, want agentproto.MachineRef) (agentproto.MachineTicket, error) {
	return k.host.Connect(ctx, want)
}

func (k *kaktus) deleteSeed(ctx context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Empty, error) {
	return agentproto.Empty{}, k.store.DeleteSeed(ctx, ref)
}

func (k *kaktus) defineMachine(ctx context.Context, _ *agent.Call, m agentproto.Machine) (agentproto.MachineStatus, error) {
	st, err := k.host.Define(ctx, m)
	return st, k.noted(err)
}

func (k *kaktus) deleteMachine(ctx context.Context, _ *agent.Call, ref agentproto.MachineRef) (agentproto.Empty, error) {
	return agentproto.Empty{}, k.noted(k.host.Delete(ctx, ref.Machine))
}

func (k *kaktus) powerMachine(ctx context.Context, _ *agent.Call, want agentproto.MachinePower) (agentproto.MachineStatus, error) {
	st, err := k.host.Power(ctx, want)
	return st, k.noted(err)
}

func (k *kaktus) machineState(ctx context.Context, _ *agent.Call, ref agentproto.MachineRef) (agentproto.MachineStatus, error) {
	return k.host.State(ctx, ref.Machine)
}

func (k *kaktus) machineConsole(_ context.Context, _ *agent.Call, want agentproto.MachineConsole) (agentproto.MachineOutput, error) {
	return k.host.Console(want)
}

// noted logs what libvirt said, which does not leave this host.
func (k *kaktus) noted(err error) error {
	if err != nil && !fault.Is(err, fault.Cancelled) {
		k.log.Warn("libvirt", "error", err)
	}
	return err
}
