package machine

import (
	"encoding/json"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// Probe finds out what to do about a call of which an agent does not know whether it was done. Nearly all
// calls are absolute: another attempt finds what is done, and does the rest. To start a machine anew is not.
// Then ask is the call that tells, and again decides from its result: nil, another attempt does no harm;
// Unknown, it might do it twice.
func Probe(c *operation.Call) (ask *operation.Call, again func(result json.RawMessage) error) {
	var want agentproto.MachinePower
	if c.Method != agentproto.MethodMachinePower || json.Unmarshal([]byte(c.Args.Reveal()), &want) != nil ||
		want.Action != agentproto.PowerReboot && want.Action != agentproto.PowerReset {
		return nil, nil
	}
	args, err := json.Marshal(want.MachineRef)
	if err != nil {
		panic(err) // it was JSON
	}
	ask = &operation.Call{Agents: c.Agents, Host: c.Host, Pool: c.Pool, Method: agentproto.MethodMachineState, Args: model.Secret(args), Timeout: quick}
	return ask, func(result json.RawMessage) error {
		var now agentproto.MachineStatus
		if err := json.Unmarshal(result, &now); err != nil {
			return fault.Wrap(err, fault.Internal, "read the state of the machine")
		}
		if now.State == agentproto.StateRunning || now.State == agentproto.StateBlocked {
			return fault.New(fault.Unknown, "the host's agent was interrupted while it did %s, and the machine runs: whether it was started anew is not known; look at it, and ask again if it was not", want.Action)
		}
		return nil // on its way there: off, and to be started
	}
}
