package agentproto

import "encoding/json"

// FeatureLease is offered by an agent and a Kahuna that know that there may be two Kahunas. Where both
// offer it (Hello.Features, Welcome.Features) a session is as below; where one does not, as ever: the
// agent obeys the epoch of the welcome and of each call, if it is not lower than the one it obeys.
//
// The agent keeps one session to each Kahuna it knows, whatever epoch that has. It obeys the highest epoch
// announced to it as won: calls of any other are answered Fenced, notifications of any other are ignored,
// and what it has to say goes to the node of that epoch. The methods below but MethodKahunas are
// for every Kahuna. Their params and results are the messages of package core/lease as
// JSON, without an Envelope. A failure to keep what must survive is an Unavailable, and no answer.
const FeatureLease = "lease"

// The methods of a session with FeatureLease.
const (
	MethodPrevote  = "lease.prevote"  // lease.Prevote -> lease.PrevoteReply
	MethodPromise  = "lease.promise"  // lease.Promise -> lease.PromiseReply
	MethodAccept   = "lease.accept"   // lease.Accept -> lease.AcceptReply
	MethodRenew    = "lease.renew"    // lease.Renew -> lease.RenewReply
	MethodAnnounce = "lease.announce" // lease.Announce -> Announced, or a fault: see below

	MethodKahunas = "agent.kahunas" // notification KahunaList: the Kahunas that there are now
)

// MethodAnnounce is answered when the epoch is obeyed, which may take as long as older work takes to end,
// at most some 20 seconds. It may be repeated. Its faults: Fenced, a higher epoch is obeyed; Denied, the
// certificate is not signed by a Kahuna that the agent was told of; Unavailable, the agent is new and the
// announcement does not admit its identity (publish a record that names it, then announce again with
// Admits), or the inventory cannot be taken now.

// Kahuna is one of the Kahunas, as lease.Node.
type Kahuna struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"` // URL at which agents reach it
	Key     []byte `json:"key,omitempty"`     // public key of its certificates, Ed25519
}

// KahunaList is the Kahunas that an epoch knows. An agent keeps that of the highest epoch on disk and
// dials all in it besides those of its configuration. Within an epoch a list of a lower record does not
// replace one of a higher; where one does not say which, the later replaces the earlier.
type KahunaList struct {
	Epoch   Epoch    `json:"epoch"`
	Seq     uint64   `json:"seq,omitempty"` // number of the record in its epoch, as lease.Record, plus one; 0: not said
	Kahunas []Kahuna `json:"kahunas"`
}

// Announced is an agent's answer to a won epoch, true from then on: no work of a lower epoch begins, and
// none runs but what Stuck names. The rest is as of then.
type Announced struct {
	Epoch       Epoch             `json:"epoch"`
	Identity    string            `json:"identity"`
	Stuck       []StuckCall       `json:"stuck,omitempty"`       // could not be ended; EventEnded tells when one did
	Generations map[string]uint64 `json:"generations,omitempty"` // as in Hello
	Epochs      map[string]Epoch  `json:"epochs,omitempty"`
	Inventory   json.RawMessage   `json:"inventory,omitempty"` // result of MethodInventory, of agents that have it
}

// StuckCall is work of a lower epoch that does not end.
type StuckCall struct {
	Request string `json:"request,omitempty"`
	Method  string `json:"method"`
	Epoch   Epoch  `json:"epoch"`
}

// EventEnded tells that work ended that an Announced had named; its subject is the request id.
const EventEnded = "ended"
