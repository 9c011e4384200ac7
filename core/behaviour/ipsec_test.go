package behaviour_test

import (
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const tunnelTail = `"phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA512","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA512","phase2_encryption_algorithm":"AES256"`

// tunnel is a body; more overrides nothing and stands after the name.
func tunnel(name, remote, more string) string {
	return fmt.Sprintf(`{"name":%q,"remote_ip":%q,"remote_subnet":"172.16.1.0/24",%s%s}`, name, remote, more, tunnelTail)
}

func TestATunnelEndsAtTheAddressWithTheFewest(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	path := map[string]string{"kawaiiId": string(k.ID)}
	var ends []string
	for i := range 4 {
		o := c.must("CreateKawaiiIpSec", path, tunnel(fmt.Sprintf("office-%d", i), fmt.Sprintf("5.6.7.%d", i+1), `"pre_shared_key":"s3cret",`)).(*model.IPsec)
		if o.XFRMID != int64(i+1) {
			t.Errorf("interface id %d, want %d", o.XFRMID, i+1)
		}
		ends = append(ends, o.IP)
	}
	if got := strings.Join(ends, " "); got != "203.0.101.2 203.0.101.3 203.0.101.2 203.0.101.3" {
		t.Errorf("tunnels end at %s", got)
	}
	second := c.id(model.KindIPsec, "office-1")
	c.must("DeleteKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID), "KawaiiIpSecId": string(second)}, "")
	if o := c.must("CreateKawaiiIpSec", path, tunnel("again", "9.9.9.9", `"pre_shared_key":"s3cret",`)).(*model.IPsec); o.XFRMID != 2 || o.IP != "203.0.101.3" {
		t.Errorf("what was given back is not used again: %d %s", o.XFRMID, o.IP)
	}
	c.refused(fault.Conflict, "", `gateway "kawaii-shop" still has tunnel`, "DeleteKawaii", path, "")
	c.refused(fault.Conflict, "remote_ip", "", "CreateKawaiiIpSec", path, tunnel("twin", "5.6.7.1", `"pre_shared_key":"s3cret",`))
	c.refused(fault.Conflict, "name", "", "CreateKawaiiIpSec", path, tunnel("again", "5.6.7.99", `"pre_shared_key":"s3cret",`))
}

func TestATunnelHasTheDeclaredDefaults(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	body := strings.NewReplacer(`"SHA512"`, `"SHA2-512"`, `number":14`, `number":5`).Replace(tunnel("office", "5.6.7.8", `"pre_shared_key":"s3cret",`))
	o := c.must("CreateKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID)}, body)
	want := `"dpd_timeout_action":"restart","dpd_timeout":"240s","start_action":"start","rekey_time":"2h","phase1_lifetime":"1h","phase1_dh_group_number":5,"phase1_integrity_algorithm":"SHA512"`
	if shown := c.show(o); !strings.Contains(shown, want) || !strings.Contains(shown, `"ip":"203.0.101.2"`) {
		t.Errorf("API v1 shows %s", shown)
	}
}

func TestAChangeKeepsTheKeyThatItLeavesEmpty(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	o := c.must("CreateKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID)}, tunnel("office", "5.6.7.8", `"pre_shared_key":"s3cret",`))
	path := map[string]string{"kawaiiId": string(k.ID), "KawaiiIpSecId": string(o.Base().ID)}
	for _, x := range []struct{ sent, want string }{{`"pre_shared_key":"",`, "s3cret"}, {``, "s3cret"}, {`"pre_shared_key":"other",`, "other"}} {
		got := c.must("UpdateKawaiiIpSec", path, tunnel("office", "5.6.7.9", `"description":"new","dpd_timeout":"30s",`+x.sent)).(*model.IPsec)
		if got.PreSharedKey.Reveal() != x.want || got.RemoteIP != "5.6.7.9" || got.DPDTimeout != "30s" || got.Description != "new" || got.IP != "203.0.101.2" || got.XFRMID != 1 {
			t.Errorf("after %q: key %q, %+v", x.sent, got.PreSharedKey.Reveal(), got)
		}
	}
	c.refused(fault.Invalid, "pre_shared_key", "must not be empty", "CreateKawaiiIpSec", path, tunnel("b", "5.6.7.1", ``))
	c.refused(fault.Invalid, "pre_shared_key", "must not be empty", "CreateKawaiiIpSec", path, tunnel("b", "5.6.7.1", `"pre_shared_key":"",`))
}

func TestTunnelsThatCannotBeAreRefused(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	own, _ := model.Find[*model.Subnet](c.root, k.PrivateSubnet)
	for _, x := range []struct{ from, to, field, says string }{
		{`5.6.7.8`, `vpn.example.org`, "remote_ip", "is no IPv4 address"},
		{`5.6.7.8`, `0.0.0.0`, "remote_ip", "is no address of another site"},
		{`5.6.7.8`, `239.1.1.1`, "remote_ip", "is no address of another site"},
		{`5.6.7.8`, k.VIPs[0].Public, "remote_ip", "is the gateway's own address"},
		{`172.16.1.0/24`, `172.16.1.1/24`, "remote_subnet", "is written 172.16.1.0/24"},
		{`172.16.1.0/24`, own.CIDR, "remote_subnet", "overlaps"},
		{`"phase1_dh`, `"rekey_time":"2 hours","phase1_dh`, "rekey_time", "is no duration"},
		{`"phase1_dh`, `"dpd_timeout":"-1s","phase1_dh`, "dpd_timeout", "is no duration"},
		{`"phase1_dh`, `"phase1_lifetime":"0","phase1_dh`, "phase1_lifetime", "must be longer"},
		{`number":14`, `number":1`, "phase1_dh_group_number", ""},
		{`"AES256"`, `"3DES"`, "phase1_encryption_algorithm", "is none of"},
		{`"phase1_dh`, `"firewall":{"ingress":[{"ports":"x"}]},"phase1_dh`, "firewall.ingress[0].ports", "is no port"},
	} {
		body := strings.Replace(tunnel("office", "5.6.7.8", `"pre_shared_key":"s3cret",`), x.from, x.to, 1)
		c.refused(fault.Invalid, x.field, x.says, "CreateKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID)}, body)
	}
	o := c.must("CreateKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID)}, strings.Replace(tunnel("office", "5.6.7.8", `"pre_shared_key":"s3cret",`), `"phase1_dh`, `"rekey_time":"0","dpd_timeout":"90","phase1_lifetime":"1d","phase1_dh`, 1)).(*model.IPsec)
	one := c.must("CreateKawaiiIpSec", map[string]string{"kawaiiId": string(k.ID)}, strings.Replace(tunnel("lab", "5.6.7.9", `"pre_shared_key":"s3cret",`), `"phase1_dh`, `"firewall":{"ingress":{"ports":"22"},"egress":{"ports":"25"}},"phase1_dh`, 1)).(*model.IPsec)
	if len(one.Firewall.Ingress) != 1 || len(one.Firewall.Egress) != 1 {
		t.Errorf("one rule for a list of it: %+v", one.Firewall)
	}
	if o.Rekey != "0" || o.DPDTimeout != "90" || o.Phase1Lifetime != "1d" {
		t.Errorf("durations as strongSwan writes them: %+v", o)
	}
}

// The tunnel's other end knows the address; it must not vanish with a zone unnoticed.
func TestAZoneWhereATunnelEndsStays(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
	path := map[string]string{"kawaiiId": string(k.ID)}
	for i := range 3 {
		c.must("CreateKawaiiIpSec", path, tunnel(fmt.Sprintf("office-%d", i), fmt.Sprintf("5.6.7.%d", i+1), `"pre_shared_key":"s3cret",`))
	}
	c.refused(fault.Conflict, "", `tunnel "office-2" of gateway "kawaii-shop" ends at 203.0.101.`, "DeleteZone", map[string]string{"zoneId": "eu-c"}, "")
}
