package apitest

import "fmt"

// services walks through the gateway of the project with a tunnel, two load balancers, and what people
// ask for by mail.
func (w *walk) services() {
	made := w.make("kawaii", "Kawaii", "CreateProjectRegionKawaii", "project region", nil, `{"description":"way out",
		"firewall":{"ingress":[{"source":"0.0.0.0/0","protocol":"tcp","ports":"22,8000-8080"}],"egress_policy":"accept","egress":[{"destination":"198.51.100.0/24","protocol":"udp","ports":"53"}]},
		"dnat":[{"destination":"10.201.0.20","protocol":"tcp","ports":"443"}],"vpc_peerings":[]}`, "ListKawaiis", "ListProjectRegionKawaiis project region")
	if zones, _ := made["netip"].(map[string]any)["zones"].([]any); made["name"] == "" || len(zones) != 1 {
		w.t.Errorf("a new kawaii is %v", made)
	}
	w.make("ipsec", "KawaiiIpSec", "CreateKawaiiIpSec", "kawaii", nil, fmt.Sprintf(`{"name":%q,"remote_ip":"198.51.100.7","remote_subnet":"192.168.7.0/24","pre_shared_key":"a key that both sides have","dpd_timeout_action":"restart","dpd_timeout":"240s","start_action":"start","rekey_time":"2h",
		"phase1_lifetime":"1h","phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA256","phase1_encryption_algorithm":"AES256","phase2_lifetime":"1h","phase2_dh_group_number":5,"phase2_integrity_algorithm":"SHA512","phase2_encryption_algorithm":"CAMELLIA256",
		"firewall":{"ingress":[{"source":"192.168.7.0/24","protocol":"tcp","ports":"5432"}],"egress_policy":"accept","egress":[]}}`, w.n("ipsec")), "ListKawaiiIpSecs kawaii")
	w.make("konvey", "Konvey", "CreateProjectRegionKonvey", "project region", nil, fmt.Sprintf(`{"name":%q,"failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.20","10.201.0.21"],"port":8080}}]}`, w.n("konvey")),
		"ListKonveys", "ListProjectRegionKonveys project region")
	w.make("zone-konvey", "Konvey", "CreateProjectZoneKonvey", "project zone", nil, fmt.Sprintf(`{"name":%q,"failover":false,"endpoints":[{"name":"dns","port":53,"protocol":"udp","backends":{"hosts":["10.201.0.20"],"port":53}}]}`, w.n("zone-konvey")),
		"ListProjectZoneKonveys project zone")
	for _, ask := range []struct{ op, path, body string }{{"ReadInstanceRemoteConnection", "instance", ""},
		{"ResetPassword", "", fmt.Sprintf(`{"email":"%s@walk.test"}`, w.n("user"))}, {"ResetUserPassword", "user", ""}} {
		w.call(ask.op, ask.path, nil, ask.body)
	}
}

// removeServices deletes what services made.
func (w *walk) removeServices() {
	for _, step := range []removal{{"DeleteKawaiiIpSec", "ipsec"}, {"DeleteKawaii", "kawaii"}, {"DeleteKonvey", "konvey"}, {"DeleteKonvey", "zone-konvey"}} {
		w.gone(step)
	}
}
