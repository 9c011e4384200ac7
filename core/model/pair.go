package model

// KindPair is the one object that tells how the Kahunas of an installation stand to each other.
const KindPair Kind = "pair"

// Pair is what the Kahunas last agreed on, in words, so that each change of it is an event. The Kahuna
// that acts writes it afterwards; it decides nothing.
type Pair struct {
	Meta
	Epoch     string   `json:"epoch"`
	Primary   string   `json:"primary"` // address of the one that acts
	Nodes     []string `json:"nodes"`   // addresses
	InSync    []string `json:"inSync"`  // of those that have every acknowledged write
	Witnesses []string `json:"witnesses"`
	Mode      string   `json:"mode"`
}

func (*Pair) Kind() Kind      { return KindPair }
func (o *Pair) Clone() Object { c := *o; return &c }
