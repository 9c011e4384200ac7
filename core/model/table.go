package model

// Table tells the store how to keep one kind: how to make an object to decode into, which keys are
// unique, which are looked up by, what it refers to and which fields are sealed. Index names are
// stored nowhere and may change; Key functions must be pure.
type Table struct {
	Kind    Kind
	New     func() Object
	Unique  []Index
	Indexes []Index
	Refs    []Ref
	// Secrets returns pointers to the secret fields of the object, in a fixed order.
	Secrets func(Object) []*Secret
}

// Index declares keys. An object may have none, one or several keys in an index, unique or not; empty
// keys are not indexed.
type Index struct {
	Name  string
	Keys  func(Object) []string
	Field string // wire field that the refusal of a taken key names; Name when empty
}

// OnDelete says what happens to a referrer when what it refers to is deleted.
type OnDelete int

// The ways to treat referrers.
const (
	Restrict OnDelete = iota // refuse the deletion
	Cascade                  // delete the referrer as well
	Detach                   // remove the id from the referrer (Ref.Drop)
)

// Ref declares a reference from this kind to another. The store refuses ids that point nowhere.
type Ref struct {
	Field    string // for messages: the wire field, or the parent's name
	To       Kind
	IDs      func(Object) []ID // empty ids are skipped
	OnDelete OnDelete
	Drop     func(referrer Object, id ID) // for Detach: change the (cloned) referrer
}
