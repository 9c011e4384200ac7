package agentproto

import (
	"encoding/hex"
	"fmt"
)

// uuidTail marks the UUIDs made from Kowabunga ids. Together with the version (8) and variant bits it
// fills the 32 bits that a 96-bit id leaves free, so that an agent tells its own domains from others.
const uuidTail = "6b77"

// MachineUUID is the UUID of the libvirt domain of a machine: version 8 of RFC 9562 (custom), the
// 96 bits of the id spread around the version and variant digits, and a fixed mark at the end.
// MachineID is its inverse. An id that is not 24 lower-case hex digits gives an error.
func MachineUUID(id string) (string, error) {
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 12 || hex.EncodeToString(raw) != id {
		return "", fmt.Errorf("machine id %q is not 24 lower-case hex digits", id)
	}
	return id[0:8] + "-" + id[8:12] + "-8" + id[12:15] + "-8" + id[15:18] + "-" + id[18:24] + "00" + uuidTail, nil
}

// MachineID returns the id inside a UUID made by MachineUUID, and whether it was one.
func MachineID(uuid string) (string, bool) {
	if len(uuid) != 36 || uuid[14] != '8' || uuid[19] != '8' || uuid[30:] != "00"+uuidTail {
		return "", false
	}
	id := uuid[0:8] + uuid[9:13] + uuid[15:18] + uuid[20:23] + uuid[24:30]
	if back, err := MachineUUID(id); err != nil || back != uuid {
		return "", false
	}
	return id, true
}
