package metadata

import (
	"strings"
	"testing"

	"kowabunga/core/metadata"
	"kowabunga/core/model"
)

// Machines of two projects may have the same address, and ids follow one another. Each reads what is its
// own with its own secret; knowing the other's id and address is of no use.
func TestA9MachinesReadOnlyTheirOwnMetadata(t *testing.T) {
	r := newRig(t)
	const other, otherSecret = model.ID("00000000000000000000000a"), "ABCDEFGHIJKMNOPQRSTUVWXYZabcdefg"
	r.commit(func(d model.Draft) error {
		const vnet, subnet, card, project = "00000000000000000000000b", "00000000000000000000000c", "00000000000000000000000d", "00000000000000000000000e"
		for _, o := range []model.Object{
			&model.Project{Meta: model.Meta{ID: project, Name: "bank"}, Regions: []model.ID{"000000000000000000000003"}},
			&model.VNet{Meta: model.Meta{ID: vnet, Name: "lan2"}, Region: "000000000000000000000003", Private: true},
			&model.Subnet{Meta: model.Meta{ID: subnet, Name: "lan2"}, VNet: vnet, Project: project, CIDR: "10.0.0.0/26"},
			&model.Adapter{Meta: model.Meta{ID: card, Name: "lan2"}, Subnet: subnet, MAC: "da:1e:70:00:00:02", Addresses: []string{address}},
			&model.Instance{Meta: model.Meta{ID: other, Name: "vault"}, Project: project, Zone: "000000000000000000000004", Kaktus: "000000000000000000000005", Adapters: []model.ID{card}, SecretHash: metadata.Hash(otherSecret)},
		} {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		what, id, secret string
		status           int
		name             string
	}{
		{"itself", string(machineID), secret, 200, "web-1"},
		{"the other itself", string(other), otherSecret, 200, "vault"},
		{"the other's id with the own secret", string(other), secret, 401, ""},
		{"the other's id without a secret", string(other), "", 401, ""},
		{"the own id with the other's secret", string(machineID), otherSecret, 401, ""},
		{"the next id", "00000000000000000000000b", secret, 401, ""},
	} {
		got := r.ask("GET", "", headers(metadata.HeaderInstance, c.id, metadata.HeaderSecret, c.secret))
		if got.status != c.status || c.name != "" && !strings.Contains(got.body, `"`+c.name+`"`) || c.name != "vault" && strings.Contains(got.body, "vault") {
			t.Errorf("%s: %d %s", c.what, got.status, got.body)
		}
	}
}
