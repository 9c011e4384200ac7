package wire

// KonveySchema is the version of KonveyState that this release writes and reads.
const KonveySchema = 1

// KonveyState is everything one node of a load balancer does.
type KonveyState struct {
	Schema     int             `json:"schema"`
	Node       string          `json:"node"`
	Konvey     string          `json:"konvey"`
	Name       string          `json:"name"`
	Project    string          `json:"project"`
	Region     string          `json:"region"`
	Zone       string          `json:"zone"`
	Problems   []string        `json:"problems"` // what Kahuna could not plan, for people
	Interfaces []Leg           `json:"interfaces"`
	VIPs       []BalancerVIP   `json:"vips"`
	Routes     []WeightedRoute `json:"routes"`
	Resolver   string          `json:"resolver"` // DNS server for the names of backends
	Search     string          `json:"search"`   // domain of names without a dot
	Endpoints  []Endpoint      `json:"endpoints"`
	Backends   []Backend       `json:"backends"`
}

// BalancerVIP is the address a load balancer is reached at. The node that holds it answers; a node whose
// balancer does not work gives it up.
type BalancerVIP struct {
	Address  string `json:"address"` // with prefix length
	VRID     int64  `json:"vrid"`
	Priority int    `json:"priority"` // PriorityOwn on the first node, PriorityOther on the standby
}

// Endpoint is a port that the load balancer listens on. Connections go to the backends that are alive, in
// turn.
type Endpoint struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"` // "tcp" or "udp"
	Port     int64  `json:"port"`
	Check    Check  `json:"check"`
}

// Check is how a backend is known to be alive. Of tcp, a connection to its port must be accepted. UDP has
// no such sign: the machine must answer an ICMP echo, and an ICMP "port unreachable" counts as a failure.
type Check struct {
	Kind     string `json:"kind"`       // "tcp" or "icmp"
	Interval int64  `json:"intervalMs"` // between two checks
	Timeout  int64  `json:"timeoutMs"`  // for an answer
	Rise     int    `json:"rise"`       // successes in a row that make a dead backend alive
	Fall     int    `json:"fall"`       // failures in a row that make a live backend dead
}

// DefaultCheck is the check of every endpoint. Interval, rise and fall are the defaults of HAProxy's
// health checks (its configuration manual, section 5.2); the timeout is half the interval, so that checks
// never overlap.
func DefaultCheck(protocol string) Check {
	kind := "tcp"
	if protocol == "udp" {
		kind = "icmp"
	}
	return Check{Kind: kind, Interval: 2000, Timeout: 1000, Rise: 2, Fall: 3}
}

// Backend is a machine behind an endpoint. Host is what the user wrote: an address, or a name that the
// node resolves again and again. Addresses is what Kahuna knows the name to mean now, so that the node
// can begin before any resolver answers.
type Backend struct {
	Endpoint  string   `json:"endpoint"` // name
	Host      string   `json:"host"`
	Port      int64    `json:"port"`
	Addresses []string `json:"addresses"`
}
