package wire

import (
	"encoding/json"

	"kowabunga/core/fault"
)

// DecodeKiwi reads and validates a KiwiState. Faults: Malformed; Invalid for another schema or contents
// that cannot be carried out.
func DecodeKiwi(data []byte) (*KiwiState, error) {
	s := new(KiwiState)
	if err := decode(data, KiwiSchema, s); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// DecodeServices reads and validates a ServicesState. Faults: Malformed; Invalid for another schema, that
// of a node included, or contents that cannot be carried out.
func DecodeServices(data []byte) (*ServicesState, error) {
	s := new(ServicesState)
	if err := decode(data, ServicesSchema, s); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

func decode(data []byte, schema int, into any) error {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return &fault.Error{Code: fault.Malformed, Message: "the desired state is no JSON object", Err: err}
	}
	if err := known("schema", head.Schema, schema); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &fault.Error{Code: fault.Malformed, Message: "the desired state has a member of another type", Err: err}
	}
	return nil
}

// known refuses a schema that this release cannot read.
func known(field string, got, want int) error {
	if got != want {
		return fault.Bad(field, "the desired state has schema %d, this release reads %d; run the release of Kahuna on this host", got, want)
	}
	return nil
}
