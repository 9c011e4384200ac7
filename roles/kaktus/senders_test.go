package kaktus

import (
	"fmt"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/roles/kaktus/compute"
)

// What a card may send is what its NIC says and what the host's desired state adds.
func TestA21WhatACardSends(t *testing.T) {
	nic := agentproto.NIC{MAC: "DA:1E:70:00:00:05", Addresses: []string{"10.0.0.5", "2001:db8::5"}}
	for name, c := range map[string]struct {
		nic    agentproto.NIC
		more   agentproto.Card
		want   string
		broken bool
	}{
		"its own":             {nic, agentproto.Card{}, "[da:1e:70:00:00:05] [10.0.0.5/32 2001:db8::5/128] false", false},
		"moving addresses":    {nic, agentproto.Card{MACs: []string{"00:00:5e:00:01:0a"}, Addresses: []string{"10.0.0.60"}}, "[da:1e:70:00:00:05 00:00:5e:00:01:0a] [10.0.0.5/32 2001:db8::5/128 10.0.0.60/32] false", false},
		"a router":            {nic, agentproto.Card{Router: true}, "[da:1e:70:00:00:05] [10.0.0.5/32 2001:db8::5/128] true", false},
		"its subnet":          {agentproto.NIC{MAC: nic.MAC, Addresses: []string{"10.0.0.9/24"}}, agentproto.Card{}, "[da:1e:70:00:00:05] [10.0.0.0/24] false", false},
		"of an older Kahuna":  {agentproto.NIC{MAC: nic.MAC}, agentproto.Card{Addresses: []string{"10.0.0.60"}}, "[da:1e:70:00:00:05] [] false", false},
		"what cannot be read": {nic, agentproto.Card{MACs: []string{"nonsense"}, Addresses: []string{"10.0.0.60", "fe80::1%eth0", "10.0.0.0/33"}}, "[da:1e:70:00:00:05] [10.0.0.5/32 2001:db8::5/128 10.0.0.60/32] false", true},
		"nothing to read":     {agentproto.NIC{MAC: "nonsense", Addresses: []string{"10.0.0.0/33"}}, agentproto.Card{}, "[] [0.0.0.0/32] false", true},
	} {
		got, err := sender(compute.Card{Tap: "kwtap0", NIC: c.nic}, c.more)
		if text := fmt.Sprint(got.MACs, got.Addresses, got.Router); text != c.want || got.Tap != "kwtap0" || (err != nil) != c.broken {
			t.Errorf("%s: %s, %v; want %s", name, text, err, c.want)
		}
	}
}
