package kaktus

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/compute"
)

// DisplayPorts are the ports for screens unless others are named: those RFC 6143's protocol is known by.
const DisplayPorts = "5900-5999"

// doors is where clients of screens come in.
func (c Config) doors() (compute.Doors, error) {
	var d compute.Doors
	text := c.DisplayPorts
	if text == "" {
		text = DisplayPorts
	}
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		last = first
	}
	var err1, err2 error
	d.First, err1 = strconv.Atoi(strings.TrimSpace(first))
	d.Last, err2 = strconv.Atoi(strings.TrimSpace(last))
	if err1 != nil || err2 != nil || d.First < 1 || d.Last < d.First || d.Last > 65535 {
		return d, fault.Bad("display.ports", "%.32q is no range of ports such as %s", text, DisplayPorts)
	}
	if c.DisplayAddress == "" {
		d.Address = towards(c.URLs)
		return d, nil
	}
	if d.Address = net.ParseIP(c.DisplayAddress); d.Address == nil || d.Address.IsUnspecified() {
		return d, fault.Bad("display.address", "%.64q is no address of this host", c.DisplayAddress)
	}
	return d, nil
}

// towards is the address by which this host reaches the first of these URLs that it has a way to, nil when
// that cannot be told now.
func towards(urls []string) net.IP {
	for _, to := range urls {
		if ip := route(to); ip != nil {
			return ip
		}
	}
	return nil
}

// route is the address by which this host reaches a URL. Nothing is sent: connecting a datagram socket only
// asks the routing table.
func route(to string) net.IP {
	u, err := url.Parse(to)
	if err != nil {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil
	}
	defer conn.Close()
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		return a.IP
	}
	return nil
}
