package cloudinit

import (
	"fmt"
	"net/netip"
	"strings"

	"kowabunga/core/fault"
)

// gatewayMetric is the distance between the default routes of a machine with several gateways: the
// first NIC that has one wins, the others stand behind it in order.
const gatewayMetric = 100

// The network configuration, version 2: the format of netplan.
type network struct {
	Version   int                 `json:"version"`
	Ethernets map[string]ethernet `json:"ethernets"`
}

type ethernet struct {
	Match       match        `json:"match"`
	Addresses   []string     `json:"addresses,omitempty"`
	Routes      []route      `json:"routes,omitempty"`
	Nameservers *nameservers `json:"nameservers,omitempty"`
	MTU         int          `json:"mtu,omitempty"`
}

type match struct {
	MAC string `json:"macaddress"`
}

type route struct {
	To     string `json:"to"`
	Via    string `json:"via"`
	Metric int    `json:"metric,omitempty"`
	OnLink bool   `json:"on-link,omitempty"`
}

type nameservers struct {
	Addresses []string `json:"addresses,omitempty"`
	Search    []string `json:"search,omitempty"`
}

func networkConfig(nics []NIC) (network, error) {
	n := network{Version: 2, Ethernets: map[string]ethernet{}}
	gateways := 0
	for i, nic := range nics {
		field := fmt.Sprintf("nics[%d]", i)
		if nic.MAC == "" {
			return n, fault.Bad(field+".mac", "is missing; cards are found by it")
		}
		e := ethernet{Match: match{MAC: strings.ToLower(nic.MAC)}, MTU: nic.MTU}
		for j, address := range nic.Addresses {
			if !address.IsValid() {
				return n, fault.Bad(fmt.Sprintf("%s.addresses[%d]", field, j), "is not an address with its length")
			}
			e.Addresses = append(e.Addresses, address.String())
		}
		if nic.Gateway.IsValid() {
			to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if nic.Gateway.Is6() {
				to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			e.Routes = append(e.Routes, nic.route(Route{To: to, Via: nic.Gateway, Metric: gateways * gatewayMetric}))
			gateways++
		}
		for j, r := range nic.Routes {
			if !r.To.IsValid() || !r.Via.IsValid() {
				return n, fault.Bad(fmt.Sprintf("%s.routes[%d]", field, j), "needs a destination and a next hop")
			}
			e.Routes = append(e.Routes, nic.route(r))
		}
		if len(nic.DNS)+len(nic.Search) > 0 {
			e.Nameservers = &nameservers{Search: nic.Search}
			for j, server := range nic.DNS {
				if !server.IsValid() {
					return n, fault.Bad(fmt.Sprintf("%s.dns[%d]", field, j), "is not an address")
				}
				e.Nameservers.Addresses = append(e.Nameservers.Addresses, server.String())
			}
		}
		n.Ethernets[fmt.Sprintf("nic%d", i)] = e
	}
	return n, nil
}

// route marks a next hop outside the card's own subnets as on-link; without the mark the guest's
// kernel refuses the route.
func (nic NIC) route(r Route) route {
	out := route{To: r.To.String(), Via: r.Via.String(), Metric: r.Metric, OnLink: true}
	for _, address := range nic.Addresses {
		if address.Masked().Contains(r.Via) {
			out.OnLink = false
		}
	}
	return out
}
