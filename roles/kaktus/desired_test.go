package kaktus

import (
	"reflect"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
)

// A VLAN travels on the host's uplink; a host without one keeps the bridge and says what is missing.
func TestVLANsTravelOnTheUplink(t *testing.T) {
	want := []agentproto.Bridge{{Name: "br0"}, {Name: "br102", VLAN: 102}}
	got, problems := uplinked(want, []string{"eth1", "eth2"})
	if !reflect.DeepEqual(got, []agentproto.Bridge{{Name: "br0"}, {Name: "br102", VLAN: 102, Uplink: "eth1"}}) || len(problems) != 0 {
		t.Errorf("%+v, problems %v", got, problems)
	}
	got, problems = uplinked(want, nil)
	if !reflect.DeepEqual(got, []agentproto.Bridge{{Name: "br0"}, {Name: "br102"}}) || len(problems) != 1 || !strings.Contains(problems[0], "bridges.uplinks") {
		t.Errorf("%+v, problems %v", got, problems)
	}
}
