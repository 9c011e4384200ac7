package model

// KindKwarantine is the kind of anti-affinity groups.
const KindKwarantine Kind = "kwarantine"

// The policies of a group: no two members on one host, no two in one zone, or, for more members than
// there are zones, no zone with more than one member above that of the region that has the fewest.
const (
	ApartByHost = "host"
	ApartByZone = "zone"
	ApartEvenly = "spread"
)

// Kwarantine is a group of a project's machines that must not fail together. Its members are found through Instance.Kwarantine; a Kompute is a member
// through its instance.
type Kwarantine struct {
	Meta
	Project ID     `json:"project"`
	Policy  string `json:"policy"` // ApartByHost, ApartByZone or ApartEvenly
}

func (*Kwarantine) Kind() Kind { return KindKwarantine }

func (o *Kwarantine) Clone() Object { c := *o; return &c }
