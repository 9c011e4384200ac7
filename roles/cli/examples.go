package cli

import (
	"fmt"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/cli/form"
)

// sample is a name for an object of each kind in examples.
var sample = map[model.Kind]string{
	model.KindRegion: "eu", model.KindZone: "eu-a", model.KindAgent: "host-1-agent", model.KindToken: "host-1-agent", model.KindKaktus: "host-1",
	model.KindVNet: "private", model.KindSubnet: "web-net", model.KindAdapter: "web-nic", model.KindPool: "ssd", model.KindTemplate: "debian-12",
	model.KindVolume: "data-1", model.KindTeam: "web-team", model.KindUser: "ann", model.KindProject: "web", model.KindInstance: "db-1", model.KindKompute: "web-1",
	model.KindKiwi: "eu-net", model.KindNFS: "shares", model.KindKylo: "home", model.KindRecord: "www", model.KindKawaii: "web-gw", model.KindIPsec: "to-office", model.KindKonvey: "web-lb",
}

// nameOf is a name for an object of a kind in examples.
func nameOf(kind model.Kind) string {
	if name := sample[kind]; name != "" {
		return name
	}
	return string(kind) + "-1"
}

// creating is what follows "kowabunga KIND create " in help.
var creating = map[model.Kind][]string{
	model.KindRegion:   {"eu --domain eu.example.org"},
	model.KindZone:     {"eu-a --region eu"},
	model.KindAgent:    {"host-1-agent --type Kaktus"},
	model.KindKaktus:   {"host-1 --zone eu-a --agents host-1-agent", "host-2 --zone eu-a --agents host-2-agent --cpu-cost price=120,currency=EUR"},
	model.KindVNet:     {"private --region eu --vlan 201 --interface br201"},
	model.KindSubnet:   {"web-net --vnet private --cidr 10.20.0.0/24 --gateway 10.20.0.1 --reserved 10.20.0.2-10.20.0.9 --gw-pool 10.20.0.240-10.20.0.249"},
	model.KindAdapter:  {"web-nic --subnet web-net --assign-ip"},
	model.KindPool:     {"ssd --region eu --pool dir:ssd --agents host-1-agent"},
	model.KindTemplate: {"debian-12 --pool ssd --source https://images.example.org/debian-12.qcow2"},
	model.KindVolume:   {"data-1 --project web --region eu --type raw --size 100GiB"},
	model.KindTeam:     {"web-team --users ann,bob"},
	model.KindUser:     {"ann --email ann@example.org --role projectAdmin"},
	model.KindProject:  {"web --teams web-team --regions eu --quotas vcpus=16,memory=64GiB", "-f web.yaml"},
	model.KindInstance: {"db-1 --project web --zone eu-a --vcpus 4 --memory 8GiB --volumes db-os,db-data --adapters db-nic"},
	model.KindKonvey:   {`web-lb --project web --region eu --endpoints '{"name":"https","port":443,"backends":{"hosts":["web-1"],"port":8443}}'`, "-f web-lb.yaml"},
	model.KindIPsec: {"to-office --kawaii web-gw --remote-ip 203.0.113.7 --remote-subnet 192.168.10.0/24 --pre-shared-key-file office.key" +
		" --phase1-dh-group-number 19 --phase1-integrity-algorithm SHA256 --phase1-encryption-algorithm AES256" +
		" --phase2-dh-group-number 19 --phase2-integrity-algorithm SHA256 --phase2-encryption-algorithm AES256", "-f to-office.yaml"},
	model.KindKawaii:  {"web-gw --project web --region eu --dnat destination=10.20.0.10,ports=443 --set firewall.ingress[+].ports=443"},
	model.KindKompute: {"web-1 --project web --zone eu-a --vcpus 2 --memory 2GiB --disk 20GiB", "web-2 --project web --zone eu-a --vcpus 2 --memory 2GiB --disk 20GiB --no-wait"},
}

// updating is what follows "kowabunga KIND update " in help.
var updating = map[model.Kind][]string{
	model.KindRegion:   {"eu --domain eu.example.net"},
	model.KindZone:     {"eu-a --description 'first floor'"},
	model.KindAgent:    {"host-1-agent --name host-1"},
	model.KindKaktus:   {"host-1 --overcommit-cpu-ratio 4"},
	model.KindToken:    {"host-1-agent --expire --expiration-date 2030-12-31"},
	model.KindVNet:     {"private --description 'machines of projects'"},
	model.KindSubnet:   {"web-net --reserved 10.20.0.2-10.20.0.19"},
	model.KindAdapter:  {"web-nic --addresses 10.20.0.30"},
	model.KindPool:     {"ssd --cost price=80"},
	model.KindTemplate: {"debian-12 --name debian"},
	model.KindVolume:   {"data-1 --size 200GiB"},
	model.KindTeam:     {"web-team --users ann,bob,eve"},
	model.KindUser:     {"ann --role user"},
	model.KindProject:  {"web --quotas memory=128GiB", "web --tags production,eu"},
	model.KindInstance: {"db-1 --memory 16GiB"},
	model.KindKompute:  {"web-1 --vcpus 4 --memory 4GiB"},
	model.KindKawaii:   {"web-gw --set firewall.ingress[+].ports=8000-8080"},
	model.KindKonvey:   {"web-lb --set endpoints[0].backends.hosts[+]=web-2"},
}

func createExamples(k *catalogue.Kind) string {
	lines := creating[k.Name]
	if lines == nil {
		line := nameOf(k.Name)
		for i := range k.Parents {
			line += fmt.Sprintf(" --%s %s", k.Parents[i].Kind, nameOf(k.Parents[i].Kind))
		}
		for i := range k.Fields {
			if f := &k.Fields[i]; f.Name != "name" && needed(f) && !f.ReadOnly {
				line += fmt.Sprintf(" --%s %s", form.FlagName(f.Name, f.Secret), valueOf(f))
			}
		}
		lines = []string{line, "-f " + string(k.Name) + ".yaml"}
	}
	return examples(k, "create", lines)
}

func updateExamples(k *catalogue.Kind) string {
	lines := updating[k.Name]
	if lines == nil {
		lines = []string{nameOf(k.Name) + " --description 'what it is for'", nameOf(k.Name) + " -f " + string(k.Name) + ".yaml"}
	}
	return examples(k, "update", lines)
}

// valueOf is a value of a field in examples, in the form its flag takes.
func valueOf(f *catalogue.Field) string {
	switch {
	case f.Secret:
		return strings.ReplaceAll(f.Name, "_", "-") + ".txt"
	case f.Ref != "":
		return nameOf(f.Ref)
	case len(f.Enum) > 0:
		return f.Enum[0]
	case f.Bytes:
		return "4GiB"
	}
	switch f.Type {
	case catalogue.Integer, catalogue.Number:
		return strconv.FormatInt(max(1, f.Min), 10)
	case catalogue.Boolean:
		return "true"
	case catalogue.Date:
		return "2030-12-31"
	case catalogue.Object:
		return pairsOf(f.Fields)
	case catalogue.Array:
		if f.Items == catalogue.Object {
			return pairsOf(f.Fields)
		}
	}
	switch {
	case strings.Contains(f.Name, "cidr"), strings.Contains(f.Name, "subnet"):
		return "10.20.0.0/24"
	case strings.Contains(f.Name, "ip"), strings.Contains(f.Name, "address"):
		return "10.20.0.5"
	case strings.Contains(f.Name, "port"):
		return "443"
	}
	return "TEXT"
}

func pairsOf(fields []catalogue.Field) string {
	if form.Deep(fields) {
		return "'{…}'"
	}
	if form.IsRange(fields) {
		return "10.20.0.2-10.20.0.9"
	}
	if form.IsPair(fields) {
		return "KEY=VALUE"
	}
	var out []string
	for i := range fields {
		if f := &fields[i]; needed(f) && f.Type != catalogue.Object && f.Type != catalogue.Array {
			out = append(out, f.Name+"="+valueOf(f))
		}
	}
	return strings.Join(out, ",")
}

func examples(k *catalogue.Kind, verb string, lines []string) string {
	var out []string
	for _, line := range lines {
		out = append(out, "  kowabunga "+string(k.Name)+" "+verb+" "+line)
	}
	return strings.Join(out, "\n")
}
