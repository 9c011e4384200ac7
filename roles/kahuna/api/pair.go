package api

import (
	"encoding/json"

	"kowabunga/core/model"
)

// appendPair writes how the Kahunas stand to each other, for superAdmins.
func appendPair(b []byte, o *model.Pair) []byte {
	raw, err := json.Marshal(struct {
		ID        model.ID `json:"id"`
		Name      string   `json:"name"`
		Epoch     string   `json:"epoch"`
		Primary   string   `json:"primary"`
		Nodes     []string `json:"nodes"`
		InSync    []string `json:"in_sync"`
		Witnesses []string `json:"witnesses"`
		Mode      string   `json:"mode"`
	}{o.ID, o.Name, o.Epoch, o.Primary, o.Nodes, o.InSync, o.Witnesses, o.Mode})
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, raw...)
}
