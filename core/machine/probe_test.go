package machine

import (
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestProbeOfWhatIsUnknown(t *testing.T) {
	to := To{Host: "host", agents: []model.ID{"agent"}}
	for _, action := range []agentproto.Power{agentproto.PowerStart, agentproto.PowerShutdown, agentproto.PowerStop, agentproto.PowerSuspend, agentproto.PowerResume} {
		if ask, _ := Probe(to.Call(agentproto.MethodMachinePower, 0, agentproto.MachinePower{Action: action})); ask != nil {
			t.Errorf("%s may be repeated", action)
		}
	}
	if ask, _ := Probe(to.Call(agentproto.MethodVolumeCreate, 0, agentproto.VolumeCreate{})); ask != nil {
		t.Error("a volume that is there is found")
	}
	for _, action := range []agentproto.Power{agentproto.PowerReboot, agentproto.PowerReset} {
		ask, again := Probe(to.Call(agentproto.MethodMachinePower, 0, agentproto.MachinePower{MachineRef: agentproto.MachineRef{Machine: "m"}, Action: action}))
		if ask == nil || ask.Method != agentproto.MethodMachineState || ask.Args.Reveal() != `{"machine":"m"}` || ask.Host != "host" {
			t.Fatalf("%s: %+v", action, ask)
		}
		for state, code := range map[string]fault.Code{agentproto.StateRunning: fault.Unknown, agentproto.StateShutoff: "", agentproto.StateShutdown: ""} {
			if err := again([]byte(`{"state":"` + state + `"}`)); fault.CodeOf(err) != code {
				t.Errorf("%s of a machine that is %s: %v", action, state, err)
			}
		}
		if err := again([]byte("[]")); !fault.Is(err, fault.Internal) {
			t.Error(err)
		}
	}
}
