package behaviour

import (
	"net/netip"
	"regexp"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/netrule"
	"kowabunga/core/trace"
)

func init() {
	register(model.KindIPsec, catalogue.Create, "", createIPsec)
	register(model.KindIPsec, catalogue.Update, "", replace(changeIPsec))
	register(model.KindIPsec, catalogue.Delete, "", remove(nil))
}

// lastXFRM is the highest interface id of a gateway's tunnels.
const lastXFRM = 255

func createIPsec(d model.Draft, r *Request) (Outcome, error) {
	t := begin(r).(*model.IPsec)
	k, ok := model.Find[*model.Kawaii](d, t.Kawaii)
	if !ok {
		return Outcome{}, fault.New(fault.NotFound, "there is no gateway %s", t.Kawaii)
	}
	if t.PreSharedKey == "" {
		return Outcome{}, fault.Bad("pre_shared_key", "must not be empty; both sides prove themselves with it")
	}
	if err := checkTunnel(d, k, t); err != nil {
		return Outcome{}, err
	}
	var err error
	if t.IP, err = tunnelEnd(d, r, k); err != nil {
		return Outcome{}, err
	}
	if t.XFRMID, err = tunnelID(d, k); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: t.ID, Explain: true}, d.Put(t)
}

// changeIPsec keeps the key when a change leaves it empty, as everybody sends it who may not see it.
func changeIPsec(d model.Draft, r *Request, o model.Object) error {
	t, old := o.(*model.IPsec), r.Target.(*model.IPsec)
	if t.PreSharedKey == "" {
		t.PreSharedKey = old.PreSharedKey
	}
	k, ok := model.Find[*model.Kawaii](d, t.Kawaii)
	if !ok {
		return fault.New(fault.Internal, "tunnel %s has no gateway", t.ID)
	}
	return checkTunnel(d, k, t)
}

// tunnelEnd chooses the public address of the gateway where a tunnel ends: the one with the fewest
// tunnels, of those the lowest.
func tunnelEnd(v model.View, r *Request, k *model.Kawaii) (string, error) {
	tunnels := map[string]int{}
	for t := range model.By[*model.IPsec](v, "kawaii", k.ID) {
		tunnels[t.IP]++
	}
	var best netip.Addr
	for i := range k.VIPs {
		a, err := netip.ParseAddr(k.VIPs[i].Public)
		if err != nil {
			continue
		}
		n, least := tunnels[a.String()], tunnels[best.String()]
		if !best.IsValid() || n < least || n == least && a.Less(best) {
			best = a
		}
	}
	if !best.IsValid() {
		return "", fault.New(fault.Conflict, "gateway %q has no public address that a tunnel could end at; change it once its region has zones and public addresses", k.Name)
	}
	r.Trace.Add("address", k.ID, trace.Chosen, "%s has the fewest tunnels: %d", best, tunnels[best.String()])
	return best.String(), nil
}

// tunnelID is the lowest interface id that no tunnel of the gateway has.
func tunnelID(v model.View, k *model.Kawaii) (int64, error) {
	var taken [lastXFRM + 1]bool
	for t := range model.By[*model.IPsec](v, "kawaii", k.ID) {
		if t.XFRMID >= 0 && t.XFRMID <= lastXFRM {
			taken[t.XFRMID] = true
		}
	}
	for id := int64(1); id <= lastXFRM; id++ {
		if !taken[id] {
			return id, nil
		}
	}
	return 0, fault.New(fault.Exhausted, "gateway %q has %d tunnels, which is all it can have; delete one first", k.Name, lastXFRM)
}

// durationForm is how strongSwan writes durations (swanctl.conf(5), "Time Formats").
var durationForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})[smhd]?$`)

// checkTunnel checks what a tunnel connects and how long things last.
func checkTunnel(v model.View, k *model.Kawaii, t *model.IPsec) error {
	if err := checkPeopleName(t.Name); err != nil {
		return err
	}
	remote, err := netrule.Address("remote_ip", t.RemoteIP)
	switch {
	case err != nil:
		return err
	case remote.IsUnspecified() || remote.IsMulticast() || remote.IsLoopback() || remote == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fault.Bad("remote_ip", "%s is no address of another site", t.RemoteIP)
	}
	for i := range k.VIPs {
		if k.VIPs[i].Public == t.RemoteIP {
			return fault.Bad("remote_ip", "%s is the gateway's own address; name that of the other site", t.RemoteIP)
		}
	}
	behind, err := netrule.Network("remote_subnet", t.RemoteSubnet)
	if err != nil {
		return err
	}
	if s, ok := model.Find[*model.Subnet](v, k.PrivateSubnet); ok {
		if own, err := netip.ParsePrefix(s.CIDR); err == nil && own.Overlaps(behind) {
			return fault.Bad("remote_subnet", "%s overlaps %s, the project's own subnet; the two sites need different networks", t.RemoteSubnet, s.CIDR)
		}
	}
	for _, d := range []struct {
		field, value, standard string
		never                  bool // 0 is allowed and means never
		at                     *string
	}{
		{"dpd_timeout", t.DPDTimeout, "240s", false, &t.DPDTimeout},
		{"rekey_time", t.Rekey, "2h", true, &t.Rekey},
		{"phase1_lifetime", t.Phase1Lifetime, "1h", false, &t.Phase1Lifetime},
		{"phase2_lifetime", t.Phase2Lifetime, "1h", false, &t.Phase2Lifetime},
	} {
		if d.value == "" {
			*d.at = d.standard
			continue
		}
		if !durationForm.MatchString(d.value) {
			return fault.Bad(d.field, "%q is no duration; write a number and s, m, h or d, such as %s", d.value, d.standard)
		}
		if d.value[0] == '0' && !d.never {
			return fault.Bad(d.field, "must be longer than %s", d.value)
		}
	}
	return checkFirewall("firewall", &t.Firewall)
}
