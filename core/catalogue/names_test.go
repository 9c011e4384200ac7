package catalogue_test

import (
	"encoding/json"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestNamesInBodiesBecomeIDs(t *testing.T) {
	const id = "0123456789abcdef01234567"
	resolve := func(kind model.Kind, name string) (model.ID, error) {
		if name == "none" {
			return "", fault.Bad("", "no such %s", kind)
		}
		return model.ID("ffffffff" + id[:16]), nil
	}
	for _, c := range []struct {
		kind             model.Kind
		body, want, fail string
	}{
		{model.KindProject, ` {"name":"web","teams":["t1","` + id + `"], "regions":["eu"]}`, `{"name":"web","teams":["ffffffff0123456789abcdef","` + id + `"],"regions":["ffffffff0123456789abcdef"]}`, ""},
		{model.KindProject, `{"teams":["` + id + `"],"x":1}`, `{"teams":["` + id + `"],"x":1}`, ""},
		{model.KindProject, `{"teams":["` + id + `","none"]}`, "", "invalid teams[1]"},
		{model.KindProject, `{"teams":[7,""],"regions":"eu"}`, `{"teams":[7,""],"regions":"eu"}`, ""},
		{model.KindKawaii, `{"vpc_peerings":[{"subnet":"none"}]}`, "", "invalid vpc_peerings[0].subnet"},
		{model.KindProject, `{"teams":["t1"]`, `{"teams":["t1"]`, ""},
		{model.KindProject, `["t1"]`, `["t1"]`, ""},
		{model.KindProject, ``, ``, ""},
	} {
		got, err := catalogue.Of(c.kind).WithIDs([]byte(c.body), resolve)
		if faultOf(err) != c.fail || c.fail == "" && string(got) != c.want {
			t.Errorf("%s: %s, %v", c.body, got, err)
		}
	}
}

// Replacing names never makes a readable body unreadable, or the other way round.
func FuzzNamesInBodies(f *testing.F) {
	f.Add([]byte(`{"name":"web","teams":["t1"],"regions":["eu"],"vpc_peerings":[{"subnet":"s"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, k := range catalogue.Kinds {
			out, err := k.WithIDs(body, func(model.Kind, string) (model.ID, error) { return "0123456789abcdef01234567", nil })
			if err != nil || json.Valid(out) != json.Valid(body) {
				t.Errorf("%s: %q became %q, %v", k.Name, body, out, err)
			}
		}
	})
}
