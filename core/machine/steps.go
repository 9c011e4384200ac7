package machine

import (
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// Reached refuses work that no agent could do, before anything is recorded. what is what they have to reach.
func (t To) Reached(what string) error {
	if len(t.agents) == 0 {
		return fault.New(fault.Conflict, "no agent reaches %s; list the host's agent in the pool's agents", what)
	}
	return nil
}

// CreateDisk makes a volume on a host: a copy of its template's image, or empty.
func CreateDisk(v model.View, kaktus model.ID, d *model.Volume) (operation.Step, error) {
	to := DiskOnHost(v, kaktus, d.Pool)
	args := agentproto.VolumeCreate{VolumeRef: DiskRef(d), Size: d.Size, Image: string(d.Template)}
	return operation.Step{Name: "create disk " + d.Name,
		Do:   to.Call(agentproto.MethodVolumeCreate, disk, args),
		Undo: to.Call(agentproto.MethodVolumeDelete, disk, DiskRef(d)),
	}, to.Reached("the disk's pool from the machine's host")
}

// GrowDisk grows a volume; a grown disk is not shrunk again, so undoing only asks how large it is now.
func GrowDisk(to To, d *model.Volume, size int64, machine model.ID) (operation.Step, error) {
	args := agentproto.VolumeResize{VolumeRef: DiskRef(d), Size: size, Machine: string(machine)}
	return operation.Step{Name: "grow disk " + d.Name,
		Do:   to.Call(agentproto.MethodVolumeResize, disk, args),
		Undo: to.Call(agentproto.MethodVolumeStat, quick, DiskRef(d)),
	}, to.Reached("the disk's pool")
}

// DeleteDisk removes a volume for good.
func DeleteDisk(to To, d *model.Volume) (operation.Step, error) {
	return operation.Step{Name: "delete disk " + d.Name,
		Do: to.Call(agentproto.MethodVolumeDelete, disk, DiskRef(d)),
	}, to.Reached("the disk's pool")
}

// Build makes the steps from existing disks to a machine that runs: configuration disk, definition, start.
func Build(v model.View, o *model.Instance, chance Chance, service metadata.Service) ([]operation.Step, error) {
	to := OnHost(v, o.Kaktus)
	seed, err := Seed(v, o, chance, service)
	if err != nil {
		return nil, err
	}
	definition, err := Definition(v, o)
	if err != nil {
		return nil, err
	}
	return []operation.Step{
		{Name: "write configuration disk",
			Do:   to.Call(agentproto.MethodSeedWrite, quick, seed),
			Undo: to.Call(agentproto.MethodSeedDelete, quick, seed.VolumeRef)},
		{Name: "define machine",
			Do:   to.Call(agentproto.MethodMachineDefine, quick, definition),
			Undo: to.Call(agentproto.MethodMachineDelete, quick, definition.MachineRef)},
		{Name: "start machine",
			Do: to.Call(agentproto.MethodMachinePower, quick, power(o, agentproto.PowerStart, 0))},
	}, to.Reached("the machine's host")
}

// Reseed makes the step that writes a machine's configuration disk anew. What an attempt wrote cannot be
// taken back: the old secret is known to nobody but the old disk.
func Reseed(v model.View, o *model.Instance, chance Chance, service metadata.Service) (operation.Step, error) {
	to := OnHost(v, o.Kaktus)
	seed, err := Seed(v, o, chance, service)
	if err != nil {
		return operation.Step{}, err
	}
	return operation.Step{Name: "write configuration disk", Do: to.Call(agentproto.MethodSeedWrite, quick, seed)}, to.Reached("the machine's host")
}

// Reshape makes the steps that give a machine another definition: stop it if it should run, define,
// start again. Undoing brings the old definition back.
func Reshape(v model.View, old, shaped *model.Instance, grace time.Duration) ([]operation.Step, error) {
	to := OnHost(v, old.Kaktus)
	before, err := Definition(v, old)
	if err != nil {
		return nil, err
	}
	after, err := Definition(v, shaped)
	if err != nil {
		return nil, err
	}
	stop := operation.Step{Name: "shut the machine down",
		Do: to.Call(agentproto.MethodMachinePower, margin+grace.Milliseconds(), power(old, agentproto.PowerShutdown, grace))}
	if old.Run {
		stop.Halts = "machine " + old.Name + " is shut down and started again"
		stop.Undo = to.Call(agentproto.MethodMachinePower, quick, power(old, agentproto.PowerStart, 0))
	}
	steps := []operation.Step{stop, {Name: "define machine",
		Do:   to.Call(agentproto.MethodMachineDefine, quick, after),
		Undo: to.Call(agentproto.MethodMachineDefine, quick, before)}}
	if old.Run {
		steps = append(steps, operation.Step{Name: "start machine",
			Do:   to.Call(agentproto.MethodMachinePower, quick, power(old, agentproto.PowerStart, 0)),
			Undo: to.Call(agentproto.MethodMachinePower, margin+grace.Milliseconds(), power(old, agentproto.PowerShutdown, grace))})
	}
	return steps, to.Reached("the machine's host")
}

// Demolish makes the steps that remove a machine and its configuration disk, but no volume.
func Demolish(v model.View, o *model.Instance) ([]operation.Step, error) {
	to := OnHost(v, o.Kaktus)
	definition, err := Definition(v, o)
	if err != nil {
		return nil, err
	}
	steps := []operation.Step{{Name: "remove machine",
		Do: to.Call(agentproto.MethodMachineDelete, quick, definition.MachineRef)}}
	if o.Run {
		steps[0].Halts = "machine " + o.Name + " is switched off and removed"
	}
	if definition.Seed != nil {
		steps = append(steps, operation.Step{Name: "remove configuration disk",
			Do: to.Call(agentproto.MethodSeedDelete, quick, *definition.Seed)})
	}
	return steps, to.Reached("the machine's host")
}

// Act makes the step of a power action. A machine that went on or off is left so; undoing only asks
// whether it should run now.
func Act(v model.View, o *model.Instance, action agentproto.Power, grace time.Duration) (operation.Step, error) {
	to := OnHost(v, o.Kaktus)
	timeout := int64(quick)
	if action == agentproto.PowerShutdown || action == agentproto.PowerReboot {
		timeout = margin + grace.Milliseconds()
	}
	step := operation.Step{Name: string(action) + " machine",
		Do:   to.Call(agentproto.MethodMachinePower, timeout, power(o, action, grace)),
		Undo: to.Call(agentproto.MethodMachineState, quick, agentproto.MachineRef{Machine: string(o.ID)}),
	}
	if how := halting[action]; o.Run && how != "" {
		step.Halts = "machine " + o.Name + " is " + how
	}
	return step, to.Reached("the machine's host")
}

// halting says what the power actions that make a running machine stand still do to it.
var halting = map[agentproto.Power]string{
	agentproto.PowerShutdown: "shut down", agentproto.PowerStop: "switched off", agentproto.PowerReboot: "started anew",
	agentproto.PowerReset: "reset", agentproto.PowerSuspend: "suspended",
}

func power(o *model.Instance, action agentproto.Power, grace time.Duration) agentproto.MachinePower {
	return agentproto.MachinePower{MachineRef: agentproto.MachineRef{Machine: string(o.ID)}, Action: action, Grace: grace.Milliseconds()}
}
