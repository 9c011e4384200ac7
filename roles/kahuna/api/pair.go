package api

import (
	"encoding/json"
	"net/http"

	"kowabunga/core/access/gate"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// PairPath is where a Kahuna tells how it stands as a node. Each answers that itself, whichever acts.
const PairPath = BaseV2 + "/pair"

// pair answers how this Kahuna stands as a node, to superAdmins.
func (a *API) pair(c *call) error {
	if _, err := (gate.Policy{}).Authorize(a.Views.View(), c.who, &catalogue.ReadPair, nil); err != nil {
		return err
	}
	if a.Pair == nil {
		return fault.New(fault.Unavailable, "this server does not know how the Kahunas stand to each other")
	}
	raw, err := json.Marshal(a.Pair())
	if err != nil {
		return fault.Wrap(err, fault.Internal, "write how the Kahunas stand to each other")
	}
	c.buffer = append(c.buffer[:0], raw...)
	c.json(http.StatusOK, c.buffer)
	return nil
}

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
