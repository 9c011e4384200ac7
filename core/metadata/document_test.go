package metadata_test

import (
	"encoding/json"
	"flag"
	"iter"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// view is a state of a few objects.
type view map[model.ID]model.Object

func (v view) Index() uint64 { return 1 }
func (v view) Get(k model.Kind, id model.ID) (model.Object, bool) {
	o, ok := v[id]
	return o, ok && o.Kind() == k
}
func (v view) All(model.Kind) iter.Seq[model.Object] { return slices.Values([]model.Object(nil)) }
func (v view) By(_ model.Kind, _, _ string) iter.Seq[model.Object] {
	return slices.Values([]model.Object(nil))
}
func (v view) One(model.Kind, string, string) (model.Object, bool) { return nil, false }
func (v view) Len(model.Kind) int                                  { return 0 }

var _ model.View = view(nil)

func id(n byte) model.ID {
	return model.ID("0000000000000000000000" + string([]byte{'0' + n/10, '0' + n%10}))
}

func world() (view, *model.Instance) {
	named := func(n byte, name string) model.Meta { return model.Meta{ID: id(n), Name: name} }
	o := &model.Instance{Meta: named(1, "web-1"), Project: id(2), Zone: id(3), Kaktus: id(4), VCPUs: 2, Memory: 3<<30 + 1,
		Adapters: []model.ID{id(5), id(6)}, Volumes: []model.ID{id(7)}, SecretHash: metadata.Hash("secret")}
	o.Description = "front"
	v := view{}
	for _, object := range []model.Object{o,
		&model.Project{Meta: named(2, "shop"), Domain: "shop.example", Tags: []string{"a"}, Metadatas: []model.Metadata{{Key: "k", Value: "v"}}},
		&model.Zone{Meta: named(3, "eu-a"), Region: id(8)}, &model.Region{Meta: named(8, "eu")}, &model.Kaktus{Meta: named(4, "host-1")},
		&model.Adapter{Meta: named(5, "pub"), Subnet: id(9), Addresses: []string{"203.0.113.7"}},
		&model.Adapter{Meta: named(6, "lan"), Subnet: id(10), Addresses: []string{"10.0.0.5"}},
		&model.Subnet{Meta: named(9, "wan"), VNet: id(11), CIDR: "203.0.113.0/24"}, &model.Subnet{Meta: named(10, "lan"), VNet: id(12), CIDR: "10.0.0.0/26"},
		&model.VNet{Meta: named(11, "wan")}, &model.VNet{Meta: named(12, "lan"), Private: true},
		&model.Volume{Meta: named(7, "web-1-os"), Type: "os", Template: id(13)}, &model.Template{Meta: named(13, "ubuntu")},
	} {
		v[object.Base().ID] = object
	}
	return v, o
}

// The names of the fields are a contract with what runs in guests.
func TestGoldenDocument(t *testing.T) {
	v, o := world()
	d := metadata.Of(v, o, &model.Cost{Price: 12.5, Currency: "EUR"})
	d.Peers = []string{"10.0.0.6"}
	rule := metadata.Rule{InputInterface: "ens3", OutputInterface: "ens4", Source: "0.0.0.0/0", Destination: "10.0.0.5", Direction: "in", Protocol: "tcp", Ports: "80,443", Action: "accept"}
	vip := metadata.VirtualIP{VRRP: 1, Interface: "ens3", VIP: "203.0.113.9", Priority: 150, Mask: 24, Public: true}
	d.Kawaii = &metadata.Kawaii{PeeringInterfaces: []string{"ens5"}, PublicVIPs: []string{"203.0.113.9"}, VirtualIPs: []metadata.VirtualIP{vip}, InputExtraNetworks: []string{"10.0.0.0/26"},
		InputRules: []metadata.Rule{rule}, OutputRules: []metadata.Rule{}, ForwardRules: []metadata.Rule{}, NATRules: []metadata.NAT{{}}, IPsec: []metadata.Connection{{IngressRules: []metadata.Rule{}}}}
	d.Konvey = &metadata.Konvey{VirtualIPs: []metadata.VirtualIP{}, Endpoints: []metadata.Endpoint{{Backends: []metadata.Backend{{}}}}}
	got, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/document.golden"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the document differs from %s:\n%s", path, got)
	}
}

// What is unknown is left empty, and lists are never null.
func TestDocumentOfNothing(t *testing.T) {
	raw, err := json.Marshal(metadata.Of(view{}, &model.Instance{}, &model.Cost{Price: math.NaN()}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"instance-id":"","local-hostname":"","description":"","kaktus":"","vcpu":0,"mem_gb":0,"local-ipv4":"","subnet_cidr":"","template":"","monthly_cost":"",` +
		`"project":"","domain":"","zone":"","region":"","tags":[],"metadatas":[],"peers":[]}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

// Whatever people write into names, descriptions and metadata, a guest reads back exactly that.
func TestWordsCannotBreakTheDocument(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"`, "\n", `\`, `","kaktus":"evil`, "{{.}}", "\u2028", "\x00", "</script>"}))
	chance.Check(t, func(t *rapid.T) {
		v, o := world()
		o.Description = text.Draw(t, "description")
		p := v[id(2)].(*model.Project)
		p.Name, p.Domain, p.Tags = text.Draw(t, "project"), text.Draw(t, "domain"), []string{text.Draw(t, "tag")}
		p.Metadatas = []model.Metadata{{Key: text.Draw(t, "key"), Value: text.Draw(t, "value")}}
		raw, err := json.Marshal(metadata.Of(v, o, nil))
		if err != nil {
			t.Fatal(err)
		}
		var back metadata.Document
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if back.Description != o.Description || back.Project != p.Name || back.Domain != p.Domain || back.Tags[0] != p.Tags[0] ||
			back.Metadatas[0] != metadata.Metadata(p.Metadatas[0]) || back.Kaktus != "host-1" {
			t.Fatalf("%q became %s", o.Description, raw)
		}
	})
}

func TestProve(t *testing.T) {
	v, o := world()
	other := *o
	other.ID, other.SecretHash, other.Adapters = id(20), "", []model.ID{id(21)}
	v[other.ID] = &other
	v[id(21)] = &model.Adapter{Meta: model.Meta{ID: id(21)}, Addresses: []string{"10.0.0.9"}}
	whole := metadata.Claim{SourceIP: "10.0.0.5", Instance: string(o.ID), Secret: "secret"}
	for _, good := range []string{"10.0.0.5", "203.0.113.7", "::ffff:10.0.0.5"} {
		c := whole
		c.SourceIP = good
		if got, err := metadata.Prove(v, c); err != nil || got != o {
			t.Errorf("%s: %v", good, err)
		}
	}
	const same = "X-Kowabunga-Source-Ip, X-Kowabunga-Instance-Id and X-Kowabunga-Secret are not those of one machine"
	for name, c := range map[string]struct {
		spoil func(*metadata.Claim)
		says  string
	}{
		"nothing at all":               {func(c *metadata.Claim) { *c = metadata.Claim{} }, same},
		"no secret":                    {func(c *metadata.Claim) { c.Secret = "" }, same},
		"another secret":               {func(c *metadata.Claim) { c.Secret = "secret2" }, same},
		"the hash for the secret":      {func(c *metadata.Claim) { c.Secret = o.SecretHash }, same},
		"no address":                   {func(c *metadata.Claim) { c.SourceIP = "" }, same},
		"a neighbour's address":        {func(c *metadata.Claim) { c.SourceIP = "10.0.0.9" }, same},
		"no id":                        {func(c *metadata.Claim) { c.Instance = "" }, same},
		"an id of nothing":             {func(c *metadata.Claim) { c.Instance = string(id(19)) }, same},
		"an id of another kind":        {func(c *metadata.Claim) { c.Instance = string(id(2)) }, same},
		"a neighbour's id":             {func(c *metadata.Claim) { c.Instance = string(other.ID) }, same},
		"a machine without secret":     {func(c *metadata.Claim) { c.Instance, c.SourceIP, c.Secret = string(other.ID), "10.0.0.9", "" }, ""},
		"a secret where there is none": {func(c *metadata.Claim) { c.Instance, c.SourceIP = string(other.ID), "10.0.0.9" }, ""},
	} {
		claim := whole
		c.spoil(&claim)
		got, err := metadata.Prove(v, claim)
		f := fault.From(err)
		if got != nil || f == nil || f.Code != fault.Unauthenticated || (c.says != "") != (f.Public() == same) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
