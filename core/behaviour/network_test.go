package behaviour_test

import (
	"testing"

	"kowabunga/core/fault"
)

// Two vnets of a region may have one VLAN, as they always might, and are one segment then; none gets a VLAN that
// makes one segment of cards that must not share one. What is stored is written back as it is.
func TestVNetsOfOneVLAN(t *testing.T) {
	w := newRealm(t)
	w.must("twin", "CreateVNet", "regionId=eu", `{"name":"twin","interface":"br7","vlan":201,"private":true}`)
	w.must("twins", "CreateSubnet", "vnetId=twin", `{"name":"twins","cidr":"10.7.0.0/24","gateway":"10.7.0.1"}`)
	w.must("third", "CreateVNet", "regionId=eu", `{"name":"third","interface":"br8","vlan":201,"private":true}`)
	w.must("thirds", "CreateSubnet", "vnetId=third", `{"name":"thirds","cidr":"10.8.0.0/24","gateway":"10.8.0.1"}`)
	const mac = "da:1e:70:00:00:05"
	// On a subnet of the project, and on one of nobody.
	w.must("card", "CreateAdapter", "subnetId=lan-1", `{"name":"card","mac":"`+mac+`","reserved":true}`)
	w.must("other", "CreateAdapter", "subnetId=twins", `{"name":"other","mac":"`+mac+`","reserved":true}`)
	w.refused(fault.Conflict, "vlan", `vnet "twin" of this region has VLAN 201 as well`, "UpdateVNet", "vnetId=lan", `{"name":"lan","interface":"br0","vlan":201}`)
	w.must("", "UpdateVNet", "vnetId=lan", `{"name":"lan","interface":"br0","vlan":202}`)
	w.must("", "UpdateVNet", "vnetId=third", `{"name":"third","interface":"br8","vlan":202}`)
	w.must("there", "CreateAdapter", "subnetId=thirds", `{"name":"there","mac":"da:1e:70:00:00:06","reserved":true}`)
	w.refused(fault.Conflict, "mac", "outside the project", "CreateAdapter", "subnetId=lan-1", `{"name":"late","mac":"da:1e:70:00:00:06","reserved":true}`)
}
