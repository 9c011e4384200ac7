package model

// KindKwarantine is the kind of anti-affinity groups.
const KindKwarantine Kind = "kwarantine"

// The policies of a group: what no two members share.
const (
	ApartByHost = "host"
	ApartByZone = "zone"
)

// Kwarantine is a group of a project's machines that must not fail together: no two members are placed
// on one host, or in one zone. Its members are found through Instance.Kwarantine; a Kompute is a member
// through its instance.
type Kwarantine struct {
	Meta
	Project ID     `json:"project"`
	Policy  string `json:"policy"` // ApartByHost or ApartByZone
}

func (*Kwarantine) Kind() Kind { return KindKwarantine }

func (o *Kwarantine) Clone() Object { c := *o; return &c }
