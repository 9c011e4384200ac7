package cloudinit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"kowabunga/core/fault"
)

// Machine is what a machine has to know about itself at its first start.
type Machine struct {
	InstanceID string // changes when cloud-init should run its once-per-instance steps again
	Hostname   string // a single label; see Hostname for making one of a display name
	Domain     string // DNS domain, may be empty
	RootHash   string // crypt(5) hash of root's password; empty leaves root without one
	User       string // bootstrap user with sudo rights; empty for none
	Keys       []string
	NICs       []NIC
	Region     string   // name, may be empty
	Zone       string   // name, may be empty
	Metadata   Metadata // without a secret the machine gets none of it
	Windows    bool     // has no use for programs of Linux
}

// NIC is a network card, found by its MAC.
type NIC struct {
	MAC       string
	Addresses []netip.Prefix // with the length of their subnet
	Gateway   netip.Addr     // default route; the zero value is none
	Routes    []Route
	DNS       []netip.Addr
	Search    []string
	MTU       int // 0 = leave
}

// Route is a static route.
type Route struct {
	To     netip.Prefix
	Via    netip.Addr
	Metric int // 0 = leave
}

// Documents are the three files of a NoCloud seed.
type Documents struct {
	UserData, MetaData, NetworkConfig string
}

// Render writes the documents. Text that is not UTF-8 and addresses that are not valid are refused,
// because a document that the guest cannot read leaves a machine nobody can log into.
func Render(m Machine) (Documents, error) {
	if m.InstanceID == "" {
		return Documents{}, fault.Bad("instanceId", "a machine needs an instance id")
	}
	if m.Hostname == "" {
		return Documents{}, fault.Bad("hostname", "a machine needs a host name")
	}
	for field, text := range m.texts() {
		if !utf8.ValidString(text) {
			return Documents{}, fault.Bad(field, "is not UTF-8")
		}
	}
	network, err := networkConfig(m.NICs)
	if err != nil {
		return Documents{}, err
	}
	return Documents{
		UserData:      "#cloud-config\n" + document(userData(m)),
		MetaData:      document(metaData(m)),
		NetworkConfig: document(network),
	}, nil
}

func (m Machine) texts() map[string]string {
	texts := map[string]string{"instanceId": m.InstanceID, "hostname": m.Hostname, "domain": m.Domain, "rootHash": m.RootHash, "user": m.User,
		"region": m.Region, "zone": m.Zone, "metadata.uri": m.Metadata.URI, "metadata.localIp": m.Metadata.LocalIP}
	for i, key := range m.Keys {
		texts[fmt.Sprintf("keys[%d]", i)] = key
	}
	for i, nic := range m.NICs {
		texts[fmt.Sprintf("nics[%d].mac", i)] = nic.MAC
		for j, search := range nic.Search {
			texts[fmt.Sprintf("nics[%d].search[%d]", i, j)] = search
		}
	}
	return texts
}

type config struct {
	Hostname    string    `json:"hostname"`
	FQDN        string    `json:"fqdn"`
	SSHPassword bool      `json:"ssh_pwauth"`
	DisableRoot bool      `json:"disable_root"`
	Users       []account `json:"users"`
	ManageHosts bool      `json:"manage_etc_hosts"`
	Growpart    growpart  `json:"growpart"`
	ResizeRoot  bool      `json:"resize_rootfs"`
	Files       []file    `json:"write_files,omitempty"`
}

// growpart makes the root partition follow a disk that was grown.
type growpart struct {
	Mode    string   `json:"mode"`
	Devices []string `json:"devices"`
}

type account struct {
	Name   string   `json:"name"`
	Lock   bool     `json:"lock_passwd"`
	Hash   string   `json:"hashed_passwd,omitempty"`
	Keys   []string `json:"ssh_authorized_keys,omitempty"`
	Sudo   string   `json:"sudo,omitempty"`
	Shell  string   `json:"shell,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

func userData(m Machine) config {
	fqdn := m.Hostname
	if m.Domain != "" {
		fqdn += "." + m.Domain
	}
	c := config{
		Hostname: m.Hostname, FQDN: fqdn, Users: []account{}, ManageHosts: true,
		Growpart: growpart{Mode: "auto", Devices: []string{"/"}}, ResizeRoot: true,
	}
	if m.Metadata.Secret != "" && !m.Windows {
		c.Files = []file{{Path: KwMeta, Permissions: "0755", Content: kwMeta}}
	}
	if m.RootHash != "" {
		c.Users = append(c.Users, account{Name: "root", Hash: m.RootHash})
	}
	if m.User != "" {
		c.Users = append(c.Users, account{
			Name: m.User, Lock: true, Keys: m.Keys, Sudo: "ALL=(ALL) NOPASSWD:ALL", Shell: "/bin/bash",
		})
	}
	return c
}

// document is indented JSON that YAML 1.1 readers take as well. JSON allows some characters that YAML
// calls unprintable and readers refuse the whole document for; those are escaped.
func document(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // only types of this file come here, all of them serialisable
	}
	var out strings.Builder
	for _, r := range b.String() {
		if unprintable(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// unprintable tells what YAML (section 5.1 of either version) does not allow unescaped. NEL is allowed
// but a line break, and a byte order mark inside a document confuses readers.
func unprintable(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff
}
