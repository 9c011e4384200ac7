package lease

// Obedience is what an agent keeps on disk of whom it obeys. It is apart from what it promised as a witness.
type Obedience struct {
	Obeyed   Certificate `json:"obeyed,omitzero"`
	Admitted bool        `json:"admitted,omitempty"` // a published record names this identity
}
