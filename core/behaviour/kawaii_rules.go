package behaviour

import (
	"fmt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/netrule"
)

// anywhere is what a rule means that names no network.
const anywhere = "0.0.0.0/0"

// checkRules checks what a gateway lets pass and forwards. Rules stay in the order and the words they were
// sent in.
func checkRules(k *model.Kawaii, s *model.Subnet) error {
	if err := checkFirewall("firewall", &k.Firewall); err != nil {
		return err
	}
	return checkForwards(k.DNAT, s)
}

// checkFirewall checks the rules of a gateway or tunnel.
func checkFirewall(at string, f *model.Firewall) error {
	for i := range f.Ingress {
		rule := &f.Ingress[i]
		if rule.Source == "" {
			rule.Source = anywhere
		}
		field := fmt.Sprintf("%s.ingress[%d]", at, i)
		if err := checkNetwork(field+".source", rule.Source); err != nil {
			return err
		}
		if err := checkPorts(field+".ports", rule.Ports); err != nil {
			return err
		}
	}
	for i := range f.Egress {
		rule := &f.Egress[i]
		if rule.Destination == "" {
			rule.Destination = anywhere
		}
		field := fmt.Sprintf("%s.egress[%d]", at, i)
		if err := checkNetwork(field+".destination", rule.Destination); err != nil {
			return err
		}
		if err := checkPorts(field+".ports", rule.Ports); err != nil {
			return err
		}
	}
	return nil
}

func checkNetwork(field, text string) error {
	_, err := netrule.Network(field, text)
	return err
}

func checkPorts(field, text string) error {
	_, err := netrule.Ports(field, text)
	return err
}

// checkForwards refuses port forwarding out of the project's subnet, and two rules for the same port: one
// of them would never be used.
func checkForwards(rules []model.DNATRule, s *model.Subnet) error {
	ports := make([][]netrule.Span, len(rules))
	for i := range rules {
		rule := &rules[i]
		at := fmt.Sprintf("dnat[%d]", i)
		to, err := netrule.Address(at+".destination", rule.Destination)
		if err != nil {
			return err
		}
		own, err := netrule.Network("cidr", s.CIDR)
		if err != nil {
			return err
		}
		switch {
		case !own.Contains(to):
			return fault.Bad(at+".destination", "%s is not in %s, the project's subnet in this region", rule.Destination, s.CIDR)
		case to == own.Addr() || !own.Contains(to.Next()):
			return fault.Bad(at+".destination", "%s is the network or broadcast address of %s, not a machine's", rule.Destination, s.CIDR)
		}
		if ports[i], err = netrule.Ports(at+".ports", rule.Ports); err != nil {
			return err
		}
		for j := range i {
			if rules[j].Protocol != rule.Protocol {
				continue
			}
			if common, ok := netrule.Overlap(ports[i], ports[j]); ok {
				return fault.Bad(at+".ports", "dnat[%d] and dnat[%d] both forward %s port %s; leave it to one of them", j, i, rule.Protocol, common)
			}
		}
	}
	return nil
}
