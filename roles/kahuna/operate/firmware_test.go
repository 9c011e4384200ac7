package operate_test

import (
	"context"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// The host is told of the firmware a machine asks for, when it is made and when that changes. A change
// that the host refuses leaves record and definition as they were.
func TestFirmware(t *testing.T) {
	c := newCloud(t)
	machine(c)
	c.kompute("web")
	told := func(o *model.Instance) bool {
		return strings.Contains(c.world.snapshot()["machine "+string(o.ID)], `"uefi":true`)
	}
	for name, change := range map[string]func(uefi string) error{
		"vm": func(uefi string) error {
			_, err := c.ask("UpdateInstance", map[string]string{"instanceId": "vm"}, nil, strings.TrimSuffix(c.instanceBody(1, "os"), "}")+`,"uefi":`+uefi+`}`)
			return err
		},
		"web": func(uefi string) error {
			_, err := c.ask("UpdateKompute", map[string]string{"komputeId": "web"}, nil, strings.TrimSuffix(komputeBody("web"), "}")+`,"uefi":`+uefi+`}`)
			return err
		},
	} {
		is := func(when string, want bool) {
			t.Helper()
			v := c.store.View()
			o, _ := model.One[*model.Instance](v, "name", name)
			if o.UEFI != want || told(o) != want || o.Phase != model.Ready {
				t.Errorf("%s, %s: UEFI %v, told %v, phase %q; want %v", name, when, o.UEFI, told(o), o.Phase, want)
			}
			if k, ok := model.Find[*model.Kompute](v, o.Kompute); ok && k.UEFI != want {
				t.Errorf("%s, %s: the kompute says %v, want %v", name, when, k.UEFI, want)
			}
		}
		is("made through API v2", true)
		c.world.before = func(_ context.Context, call operate.Call) error {
			if call.Method == agentproto.MethodMachineDefine && !strings.Contains(string(call.Args), `"uefi":true`) {
				return fault.New(fault.Conflict, "not here")
			}
			return nil
		}
		if err := change("false"); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
		c.settled()
		is("refused by the host", true)
		c.world.before = nil
		if err := change("false"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		is("changed", false)
	}
}
