package operate_test

import (
	"errors"
	"strings"
	"testing"

	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
)

// Bad input is refused with the field and the reason, and changes nothing.
func TestBadInputChangesNothing(t *testing.T) {
	c := newCloud(t)
	volumes(c)
	c.kompute("web")
	inRegion := map[string]string{"regionId": "eu"}
	inVNet := map[string]string{"vnetId": "lan"}
	inPool := map[string]string{"poolId": "pool"}
	diskOf := map[string]string{"projectId": "shop", "regionId": "eu"}
	for _, bad := range []struct {
		name, op string
		path     map[string]string
		query    behaviour.Query
		body     string
		code     fault.Code
		field    string
	}{
		{"region of that name", "CreateRegion", nil, nil, `{"name":"eu"}`, fault.Conflict, "name"},
		{"no name", "CreateRegion", nil, nil, `{}`, fault.Invalid, "name"},
		{"no domain", "CreateRegion", nil, nil, `{"name":"x","domain":"a b"}`, fault.Invalid, "domain"},
		{"not JSON", "CreateRegion", nil, nil, `{`, fault.Malformed, ""},
		{"unknown region", "CreateZone", map[string]string{"regionId": "0123456789abcdef01234567"}, nil, `{"name":"z"}`, fault.NotFound, ""},
		{"an agent that is none", "CreateKaktus", map[string]string{"zoneId": "eu-a"}, nil, `{"name":"k","agents":["0123456789abcdef01234567"]}`, fault.Invalid, "agents"},
		{"another host's agent", "CreateKaktus", map[string]string{"zoneId": "eu-a"}, nil, `{"name":"k","agents":["$agent"]}`, fault.Invalid, "agents"},
		{"an agent of no kind", "CreateAgent", nil, nil, `{"name":"a","type":"Kontroller"}`, fault.Invalid, "type"},
		{"bridge name", "CreateVNet", inRegion, nil, `{"name":"n","interface":"a/b"}`, fault.Invalid, "interface"},
		{"bridge in use", "CreateVNet", inRegion, nil, `{"name":"n","interface":"br0"}`, fault.Invalid, "interface"},
		{"VLAN", "CreateVNet", inRegion, nil, `{"name":"n","interface":"br1","vlan":4095}`, fault.Invalid, "vlan"},
		{"network", "CreateSubnet", inVNet, nil, `{"name":"s","cidr":"10.0.0.0/33","gateway":"10.0.0.1"}`, fault.Invalid, "cidr"},
		{"public on a private segment", "CreateSubnet", inVNet, nil, `{"name":"s","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`, fault.Invalid, "cidr"},
		{"gateway elsewhere", "CreateSubnet", inVNet, nil, `{"name":"s","cidr":"10.2.0.0/24","gateway":"10.3.0.1"}`, fault.Invalid, "gateway"},
		{"overlap", "CreateSubnet", inVNet, nil, `{"name":"s","cidr":"10.1.0.0/24","gateway":"10.1.0.1"}`, fault.Conflict, "cidr"},
		{"backward range", "CreateSubnet", inVNet, nil, `{"name":"s","cidr":"10.2.0.0/24","gateway":"10.2.0.1","reserved":[{"first":"10.2.0.9","last":"10.2.0.8"}]}`, fault.Invalid, "reserved[0]"},
		{"another network", "UpdateSubnet", map[string]string{"subnetId": "lan-1"}, nil, `{"name":"lan-1","cidr":"10.7.0.0/26","gateway":"10.7.0.1"}`, fault.Invalid, "cidr"},
		{"address outside", "CreateAdapter", map[string]string{"subnetId": "lan-1"}, nil, `{"name":"n","addresses":["10.9.9.9"]}`, fault.Invalid, "addresses[0]"},
		{"address of the gateway", "CreateAdapter", map[string]string{"subnetId": "lan-1"}, nil, `{"name":"n","addresses":["10.1.0.1"]}`, fault.Invalid, "addresses[0]"},
		{"MAC", "CreateAdapter", map[string]string{"subnetId": "lan-1"}, nil, `{"name":"n","mac":"xx"}`, fault.Invalid, "mac"},
		{"pool name", "CreateStoragePool", inRegion, nil, `{"name":"p","pool":"a/b","agents":[]}`, fault.Invalid, "pool"},
		{"source", "CreateTemplate", inPool, nil, `{"name":"t","source":"ftp://x/y"}`, fault.Invalid, "source"},
		{"source without host", "CreateTemplate", inPool, nil, `{"name":"t","source":"http:///y"}`, fault.Invalid, "source"},
		{"digest", "CreateTemplate", inPool, nil, `{"name":"t","source":"http://x/y#sha256=12"}`, fault.Invalid, "source"},
		{"template in use", "DeleteTemplate", map[string]string{"templateId": "image"}, nil, ``, fault.Conflict, ""},
		{"subnet size", "CreateProject", nil, behaviour.Query{"subnetSize": "16"}, `{"name":"p","teams":[],"regions":["$eu"]}`, fault.Invalid, "subnetSize"},
		{"no subnet left", "CreateProject", nil, nil, `{"name":"p","teams":[],"regions":["$eu"]}`, fault.Invalid, "subnetSize"},
		{"unknown team", "CreateProject", nil, nil, `{"name":"p","teams":["0123456789abcdef01234567"],"regions":[]}`, fault.Invalid, "teams"},
		{"project in use", "DeleteProject", map[string]string{"projectId": "shop"}, nil, ``, fault.Conflict, ""},
		{"region still used", "UpdateProject", map[string]string{"projectId": "shop"}, nil, `{"name":"shop","teams":[],"regions":[]}`, fault.Invalid, "regions"},
		{"disk of no bytes", "CreateProjectRegionVolume", diskOf, nil, `{"name":"d","type":"raw","size":0}`, fault.Invalid, "size"},
		{"disk below its template", "CreateProjectRegionVolume", diskOf, nil, `{"name":"d","type":"os","size":1}`, fault.Invalid, "size"},
		{"iso", "CreateProjectRegionVolume", diskOf, nil, `{"name":"d","type":"iso","size":1}`, fault.Invalid, "type"},
		{"path as template", "CreateProjectRegionVolume", diskOf, behaviour.Query{"templateId": "/etc/passwd"}, `{"name":"d","type":"os","size":9999999}`, fault.Invalid, "templateId"},
		{"shrinking a disk", "UpdateVolume", map[string]string{"volumeId": "extra"}, nil, `{"name":"extra","type":"raw","size":1}`, fault.Invalid, "size"},
		{"another type", "UpdateVolume", map[string]string{"volumeId": "extra"}, nil, `{"name":"extra","type":"os","size":1048576}`, fault.Invalid, "type"},
		{"no OS disk", "CreateProjectZoneInstance", inShop, nil, `{"name":"i","vcpus":1,"memory":1048576,"volumes":["$extra"]}`, fault.Invalid, "volumes"},
		{"unknown disk", "CreateProjectZoneInstance", inShop, nil, `{"name":"i","vcpus":1,"memory":1048576,"volumes":["0123456789abcdef01234567"]}`, fault.Invalid, "volumes"},
		{"host name", "CreateProjectZoneKompute", inShop, nil, `{"name":"a b","vcpus":1,"memory":1048576,"disk":9999999}`, fault.Invalid, "name"},
		{"too large for any host", "CreateProjectZoneKompute", inShop, nil, `{"name":"big","vcpus":1,"memory":1125899906842624,"disk":9999999}`, fault.Exhausted, ""},
		{"public without a public network", "CreateProjectZoneKompute", inShop, behaviour.Query{"public": "true"}, `{"name":"pub","vcpus":1,"memory":1048576,"disk":9999999}`, fault.Invalid, "public"},
		{"shrinking a kompute's disk", "UpdateKompute", map[string]string{"komputeId": "web"}, nil, `{"name":"web","vcpus":1,"memory":1073741824,"disk":1}`, fault.Invalid, "disk"},
		{"no processors", "UpdateKompute", map[string]string{"komputeId": "web"}, nil, `{"name":"web","vcpus":0,"memory":1073741824,"disk":2147483648}`, fault.Invalid, "vcpus"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			body := bad.body
			for name, id := range c.ids {
				body = strings.ReplaceAll(body, `"$`+name+`"`, `"`+string(id)+`"`)
			}
			before := c.store.View().Index()
			_, err := c.ask(bad.op, bad.path, bad.query, body)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != bad.code || !strings.HasPrefix(f.Field, bad.field) || f.Message == "" {
				t.Errorf("%v, want %s on %q", err, bad.code, bad.field)
			}
			if after := c.store.View().Index(); after != before {
				t.Errorf("something was changed: index %d, then %d", before, after)
			}
		})
	}
}
