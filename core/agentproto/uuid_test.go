package agentproto

import (
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func TestMachineUUIDRoundTrip(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[0-9a-f]{24}`).Draw(t, "id")
		uuid, err := MachineUUID(id)
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := MachineID(uuid); !ok || back != id {
			t.Fatalf("%s -> %s -> %s %v", id, uuid, back, ok)
		}
	})
}

func TestMachineUUIDRefusesForeign(t *testing.T) {
	for _, id := range []string{"", "ABCDEF0123456789ABCDEF01", "0123", "zz23456789abcdef01234567"} {
		if _, err := MachineUUID(id); err == nil {
			t.Errorf("id %q was accepted", id)
		}
	}
	for _, uuid := range []string{"", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "01234567-89ab-8cde-8f01-23456700zzzz"} {
		if id, ok := MachineID(uuid); ok {
			t.Errorf("foreign UUID %q taken for machine %s", uuid, id)
		}
	}
}
