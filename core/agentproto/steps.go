package agentproto

// FeatureLedger is offered by an agent that keeps a ledger of steps on disk, and by a Kahuna that tells it
// which of them are settled. A step is a call whose request id is neither empty nor begins with ReadPrefix.
// Where both offer it, the agent has a step on disk before its effect and its answer before that leaves,
// and keeps both until told settled. A repeat of the request, after a restart too, is given that answer; it
// waits for it while the step runs; and it is answered with the code fault.Unknown when the step was begun
// and its answer is lost. A request that is settled is refused (Conflict). Where one does not offer it,
// answers are kept in the agent's memory, the latest of them.
const FeatureLedger = "ledger"

// The methods of a session with FeatureLedger.
const (
	MethodOpenSteps = "steps.open"   // OpenSteps -> OpenStepsList; of any Kahuna, whatever its epoch
	MethodSettle    = "steps.settle" // Settled -> {}
)

// MaxOpenSteps is how many requests one OpenStepsList has at most.
const MaxOpenSteps = 4096

// OpenSteps asks for the requests that are not settled, in order, after one.
type OpenSteps struct {
	After string `json:"after,omitempty"`
}

// OpenStepsList is a part of them. Lost says that the ledger was damaged: until a Settled is Whole the
// agent answers whatever it does not know as unknown, as it may have been asked before.
type OpenStepsList struct {
	Requests []string `json:"requests"`
	More     bool     `json:"more,omitempty"`
	Lost     bool     `json:"lost,omitempty"`
}

// Settled names requests whose outcome Kahuna has recorded, or that it will never ask for again. Whole says
// that Open has all others that Kahuna may have asked for.
type Settled struct {
	Requests []string `json:"requests,omitempty"`
	Open     []string `json:"open,omitempty"`
	Whole    bool     `json:"whole,omitempty"`
}
