package cli

import (
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// sample is a name for an object of each kind in examples.
var sample = map[model.Kind]string{
	model.KindRegion: "eu", model.KindZone: "eu-a", model.KindAgent: "host-1-agent", model.KindToken: "host-1-agent", model.KindKaktus: "host-1",
	model.KindVNet: "private", model.KindSubnet: "web-net", model.KindAdapter: "web-nic", model.KindPool: "ssd", model.KindTemplate: "debian-12",
	model.KindVolume: "data-1", model.KindTeam: "web-team", model.KindUser: "ann", model.KindProject: "web", model.KindInstance: "db-1", model.KindKompute: "web-1",
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
	model.KindKompute:  {"web-1 --project web --zone eu-a --vcpus 2 --memory 2GiB --disk 20GiB", "web-2 --project web --zone eu-a --vcpus 2 --memory 2GiB --disk 20GiB --no-wait"},
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
}

func createExamples(k *catalogue.Kind) string { return examples(k, "create", creating[k.Name]) }
func updateExamples(k *catalogue.Kind) string { return examples(k, "update", updating[k.Name]) }

func examples(k *catalogue.Kind, verb string, lines []string) string {
	var out []string
	for _, line := range lines {
		out = append(out, "  kowabunga "+string(k.Name)+" "+verb+" "+line)
	}
	return strings.Join(out, "\n")
}
