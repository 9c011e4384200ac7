package apitest

import (
	"fmt"
	"net/http"
	"strings"
)

// n is a name of this walk.
func (w *walk) n(name string) string { return w.target.Prefix + "-" + name }

// one is a query of one parameter.
func one(name, value string) map[string]string { return map[string]string{name: value} }

func (w *walk) infrastructure() {
	w.make("region", "Region", "CreateRegion", "", nil, fmt.Sprintf(`{"name":%q,"description":"","domain":"walk.test"}`, w.n("region")), "ListRegions")
	w.make("zone", "Zone", "CreateZone", "region", nil, fmt.Sprintf(`{"name":%q,"description":"first \"floor\""}`, w.n("zone")), "ListZones", "ListRegionZones region")
	w.make("agent", "Agent", "CreateAgent", "", nil, fmt.Sprintf(`{"name":%q,"type":"Kaktus"}`, w.n("agent")), "ListAgents")
	token := w.call("SetAgentApiToken", "agent", one("expire", "false"), "")
	w.ids["token"], _ = token["id"].(string)
	w.call("SetAgentApiToken", "agent", map[string]string{"expire": "true", "expiration_date": "2199-12-31"}, "")
	w.call("ListApiTokens", "", nil, "")
	w.call("UpdateApiToken", "token", nil, text(w.call("ReadApiToken", "token", nil, "")))
	w.make("kaktus", "Kaktus", "CreateKaktus", "zone", nil, fmt.Sprintf(`{"name":%q,"cpu_cost":{"price":0,"currency":"EUR"},"memory_cost":{"price":1.5,"currency":"USD"},"agents":[%q]}`, w.n("kaktus"), w.ids["agent"]),
		"ListKaktuss", "ListZoneKaktuses zone")
	if w.target.Connect != nil {
		w.target.Connect(w.t, w.ids["agent"], w.ids["kaktus"])
	}
	w.call("ReadKaktusCaps", "kaktus", nil, "")
	w.make("public", "VNet", "CreateVNet", "region", nil, fmt.Sprintf(`{"name":%q,"vlan":0,"interface":"brpub","private":false}`, w.n("public")), "ListVNets", "ListRegionVNets region")
	w.make("vnet", "VNet", "CreateVNet", "region", nil, fmt.Sprintf(`{"name":%q,"vlan":201,"interface":"br201","private":true}`, w.n("vnet")))
	w.make("outside", "Subnet", "CreateSubnet", "public", nil, fmt.Sprintf(`{"name":%q,"cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`, w.n("outside")))
	w.make("subnet", "Subnet", "CreateSubnet", "vnet", nil, fmt.Sprintf(`{"name":%q,"cidr":"10.201.0.0/24","gateway":"10.201.0.1","dns":"10.201.0.1","extra_routes":["10.99.0.0/16"],"reserved":[{"first":"10.201.0.2","last":"10.201.0.9"}],"gw_pool":[{"first":"10.201.0.240","last":"10.201.0.249"}],"application":"user"}`, w.n("subnet")),
		"ListSubnets", "ListVNetSubnets vnet")
	w.call("SetVNetDefaultSubnet", "vnet subnet", nil, "")
	w.make("pool", "StoragePool", "CreateStoragePool", "region", nil, fmt.Sprintf(`{"name":%q,"pool":%q,"ceph_address":"","cost":{"price":10,"currency":"EUR"},"agents":[%q]}`, w.n("pool"), w.target.Pool, w.ids["agent"]),
		"ListStoragePools", "ListRegionStoragePools region")
	w.call("SetRegionDefaultStoragePool", "region pool", nil, "")
	w.make("template", "Template", "CreateTemplate", "pool", nil, fmt.Sprintf(`{"name":%q,"os":"linux","source":%q}`, w.n("template"), w.target.Source), "ListTemplates", "ListStoragePoolTemplates pool")
	w.call("SetStoragePoolDefaultTemplate", "pool template", nil, "")
}

func (w *walk) people() {
	email := w.n("user") + "@walk.test"
	w.make("user", "User", "CreateUser", "", nil, fmt.Sprintf(`{"name":%q,"email":%q,"role":"user","notifications":false}`, w.n("user"), email), "ListUsers")
	w.make("team", "Team", "CreateTeam", "", nil, fmt.Sprintf(`{"name":%q,"users":[%q]}`, w.n("team"), w.ids["user"]), "ListTeams")
	const password = "seven Wombats juggle 93 lamps"
	w.call("ResetUserPassword", "user", nil, "")
	w.call("ResetPassword", "", nil, fmt.Sprintf(`{"email":%q}`, email))
	w.call("SetUserPassword", "user", nil, fmt.Sprintf(`{"value":%q}`, password))
	w.call("SetUserApiToken", "user", one("expire", "false"), "")
	in := w.call("Login", "", nil, fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
	jwt, _ := in["jwt"].(string)
	if in["email"] != email || in["password"] != "" || strings.Count(jwt, ".") != 2 {
		w.t.Errorf("Login answers %v", in)
	}
	admin := w.api
	defer func() { w.api = admin }()
	var err error
	if w.api, err = newClient(w.target.URL, w.target.Transport, "Authorization", "Bearer "+jwt); err != nil {
		w.t.Fatal(err)
	}
	w.call("ReadUser", "user", nil, "")
	w.call("Logout", "", nil, "")
	op, _ := w.wire.Operation("ReadUser")
	if _, err := w.api.call(op, []string{w.ids["user"]}, nil, ""); err == nil || w.api.last.status != http.StatusUnauthorized {
		w.t.Errorf("after the logout its token still reads: %v", err)
	}
}

// teams are those of the project: the scenes' own, and that of the people who are inside.
func (w *walk) teams() string {
	if w.ids["insiders"] == "" {
		return fmt.Sprintf("%q", w.ids["team"])
	}
	return fmt.Sprintf("%q,%q", w.ids["team"], w.ids["insiders"])
}

func (w *walk) tenant() {
	w.make("project", "Project", "CreateProject", "", one("subnetSize", "26"), fmt.Sprintf(`{"name":%q,"description":"","domain":"p.walk.test","tags":["b","a"],"metadatas":[{"key":"k","value":""}],"quotas":{"vcpus":0,"memory":0,"storage":0,"instances":0},"teams":[%s],"regions":[%q]}`,
		w.n("project"), w.teams(), w.ids["region"]), "ListProjects")
	w.call("ListProjects", "", one("subnetSize", "26"), "")
	made := w.make("adapter", "Adapter", "CreateAdapter", "subnet", one("assignIP", "true"), fmt.Sprintf(`{"name":%q}`, w.n("adapter")), "ListAdapters", "ListSubnetAdapters subnet")
	if addresses, _ := made["addresses"].([]any); len(addresses) != 1 || made["mac"] == "" {
		w.t.Errorf("an adapter with assignIP got %v", made)
	}
	w.make("volume", "Volume", "CreateProjectRegionVolume", "project region", map[string]string{"poolId": w.ids["pool"], "templateId": w.ids["template"]},
		fmt.Sprintf(`{"name":%q,"type":"os","size":4294967296}`, w.n("volume")), "ListVolumes", "ListProjectRegionVolumes project region", "ListStoragePoolVolumes pool")
}

func (w *walk) machines() {
	w.make("instance", "Instance", "CreateProjectZoneInstance", "project zone", nil, fmt.Sprintf(`{"name":%q,"memory":1073741824,"vcpus":1,"adapters":[%q],"volumes":[%q]}`, w.n("instance"), w.ids["adapter"], w.ids["volume"]),
		"ListInstances", "ListProjectZoneInstances project zone", "ListKaktusInstances kaktus")
	made := w.make("kompute", "Kompute", "CreateProjectZoneKompute", "project zone", map[string]string{"poolId": w.ids["pool"], "templateId": w.ids["template"], "public": "false"},
		fmt.Sprintf(`{"name":%q,"memory":1073741824,"vcpus":1,"disk":4294967296,"data_disk":1073741824}`, w.n("kompute")), "ListKomputes", "ListProjectZoneKomputes project zone")
	if made["ip"] == nil || made["ip"] == "" {
		w.t.Errorf("a new kompute has no address: %v", made)
	}
	w.call("ReadInstanceRemoteConnection", "instance", nil, "")
	for _, kind := range []string{"Instance", "Kompute"} {
		for _, action := range []string{"Stop", "Start", "Suspend", "Resume", "Reboot", "Reset", "Shutdown"} {
			w.call(action+kind, strings.ToLower(kind), nil, "")
		}
		w.call("Read"+kind+"State", strings.ToLower(kind), nil, "")
	}
}

// remove deletes everything in an order in which nothing is in use any more.
func (w *walk) remove() {
	for _, step := range []removal{
		{"DeleteKompute", "kompute"}, {"DeleteInstance", "instance"}, {"DeleteVolume", "volume"}, {"DeleteAdapter", "adapter"},
		{"DeleteProject", "project"}, {"DeleteTeam", "team"}, {"DeleteUser", "user"}, {"DeleteTemplate", "template"}, {"DeleteStoragePool", "pool"},
		{"DeleteSubnet", "outside"}, {"DeleteSubnet", "subnet"}, {"DeleteVNet", "vnet"}, {"DeleteVNet", "public"}, {"DeleteKaktus", "kaktus"}, {"DeleteApiToken", "token"},
		{"DeleteAgent", "agent"}, {"DeleteZone", "zone"}, {"DeleteRegion", "region"},
	} {
		w.gone(step)
	}
}

// removal is a deletion of something by its name in the walk.
type removal struct{ op, name string }

// gone deletes something and checks that it cannot be read any more.
func (w *walk) gone(step removal) {
	w.t.Helper()
	w.call(step.op, at(step.name), nil, "")
	op, _ := w.wire.Operation(strings.Replace(step.op, "Delete", "Read", 1))
	if _, err := w.api.call(op, w.path(at(step.name)), nil, ""); err == nil || w.api.last.status != http.StatusNotFound {
		w.t.Errorf("%s: afterwards it is still read: %v", step.op, err)
	} else if err := w.wire.CheckError(http.StatusNotFound, w.api.last.header.Get("Content-Type"), w.api.last.body); err != nil {
		w.t.Errorf("%s: %v", op.ID, err)
	}
}
