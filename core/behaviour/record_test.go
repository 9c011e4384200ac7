package behaviour_test

import (
	"slices"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const one = `,"addresses":["192.0.2.1"]}`

func TestRecordsAreInTheDomainOfTheirOwner(t *testing.T) {
	w := newRealm(t)
	w.must("www", "CreateProjectDnsRecord", "projectId=shop", `{"name":"www","addresses":["192.0.2.7","192.0.2.1","2001:DB8::0:1"]}`)
	w.must("ntp", "CreateRegionDnsRecord", "regionId=eu", `{"name":"_ntp.time"`+one)
	www, ntp := get[*model.Record](w, "www"), get[*model.Record](w, "ntp")
	if www.Domain != "shop.example" || ntp.Domain != "eu.example" || www.Region != "" || ntp.Project != "" {
		t.Errorf("%+v\n%+v", www, ntp)
	}
	if want := []string{"192.0.2.7", "192.0.2.1", "2001:db8::1"}; !slices.Equal(www.Addresses, want) {
		t.Errorf("addresses %v, want %v", www.Addresses, want)
	}
	for _, name := range []string{"@", "*", "*.apps"} { // the domain itself, and whatever has no record
		w.must(name, "CreateProjectDnsRecord", "projectId=shop", `{"name":"`+name+`"`+one)
		w.must("", "DeleteDnsRecord", "recordId="+name, "")
	}
	// B28: a renamed record is the same object under one name.
	w.must("", "UpdateDnsRecord", "recordId=www", `{"name":"shop"`+one)
	if o := get[*model.Record](w, "www"); o.Name != "shop" || w.view.Len(model.KindRecord) != 2 {
		t.Errorf("renamed: %+v of %d", o, w.view.Len(model.KindRecord))
	}
	w.must("again", "CreateProjectDnsRecord", "projectId=shop", `{"name":"www"`+one)
}

func TestRecordsThatCannotBe(t *testing.T) {
	w := newRealm(t)
	w.must("bare", "CreateProject", "", `{"name":"bare","teams":[],"regions":[]}`)
	w.refused(fault.Invalid, "domain", `project "bare" has no domain`, "CreateProjectDnsRecord", "projectId=bare", `{"name":"www"`+one)
	for name, words := range map[string]string{
		"a.*": "cannot be", "a*": "cannot be", "@.a": "cannot be", "www.": "before .shop.example", "-x": "cannot be", "a..b": "cannot be", "a b": "cannot be",
		"x123456789012345678901234567890123456789012345678901234567890123": "cannot be",
	} {
		w.refused(fault.Invalid, "name", words, "CreateProjectDnsRecord", "projectId=shop", `{"name":"`+name+`"`+one)
	}
	for addresses, words := range map[string]string{
		`[]`: "at least one", `["10.0.0.256"]`: "no IP address", `["fe80::1%eth0"]`: "no IP address", `["www.example"]`: "no IP address",
		`["::1","0:0::1"]`: "twice", `["192.0.2.1","::ffff:192.0.2.1"]`: "twice",
	} {
		w.refused(fault.Invalid, "addresses", words, "CreateProjectDnsRecord", "projectId=shop", `{"name":"www","addresses":`+addresses+`}`)
	}
}

func TestNamesOfOneDomainAreUnique(t *testing.T) {
	w := newRealm(t)
	w.must("b2b", "CreateProject", "", `{"name":"b2b","domain":"Shop.Example","teams":[],"regions":["$eu"]}`)
	w.must("www", "CreateProjectDnsRecord", "projectId=shop", `{"name":"www"`+one)
	w.refused(fault.Conflict, "name", "exists already", "CreateProjectDnsRecord", "projectId=b2b", `{"name":"WWW"`+one)
	w.must("db", "CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("db"))
	w.refused(fault.Conflict, "name", "db.Shop.Example already", "CreateProjectDnsRecord", "projectId=b2b", `{"name":"db"`+one)
	w.refused(fault.Conflict, "name", "DB.shop.example already", "UpdateDnsRecord", "recordId=www", `{"name":"DB"`+one)
	// A machine's name in the DNS is its guest's host name.
	w.must("cache", "CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("Cache_1"))
	w.refused(fault.Conflict, "name", "already", "CreateProjectDnsRecord", "projectId=shop", `{"name":"cache-1"`+one)
	// And the other way round, for new machines and new names alike.
	w.refused(fault.Conflict, "name", "record www.shop.example", "CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("Www"))
	w.refused(fault.Conflict, "name", "record www.shop.example", "UpdateKompute", "komputeId=db", machine("www"))
	w.must("os", "CreateProjectRegionVolume", "projectId=shop regionId=eu", `{"name":"os","type":"os","size":1048576}`)
	w.refused(fault.Conflict, "name", "record www.shop.example", "CreateProjectZoneInstance", "projectId=shop zoneId=eu-a", `{"name":"www","vcpus":1,"memory":1048576,"volumes":["$os"]}`)
	// A region's names are apart as long as its domain is.
	w.must("", "CreateRegionDnsRecord", "regionId=eu", `{"name":"www"`+one)
}

func machine(name string) string {
	return `{"name":"` + name + `","vcpus":1,"memory":1048576,"disk":1048576}`
}

func TestRecordsMoveWithTheDomain(t *testing.T) {
	w := newRealm(t)
	w.must("b2b", "CreateProject", "", `{"name":"b2b","domain":"b2b.example","teams":[],"regions":["$eu"]}`)
	for _, name := range []string{"a", "b"} {
		w.must(name, "CreateProjectDnsRecord", "projectId=shop", `{"name":"`+name+`"`+one)
	}
	w.must("ns", "CreateRegionDnsRecord", "regionId=eu", `{"name":"ns"`+one)
	domain := func(kind, domain string) string {
		if kind == "region" {
			return `{"name":"eu","domain":"` + domain + `"}`
		}
		return `{"name":"shop","domain":"` + domain + `","teams":[],"regions":["$eu"]}`
	}
	w.must("", "UpdateProject", "projectId=shop", domain("", "new.example"))
	w.must("", "UpdateRegion", "regionId=eu", domain("region", "europe.example"))
	for name, want := range map[string]string{"a": "new.example", "b": "new.example", "ns": "europe.example"} {
		if got := get[*model.Record](w, name).Domain; got != want {
			t.Errorf("%s is in %s, want %s", name, got, want)
		}
	}
	w.refused(fault.Invalid, "domain", `record "`, "UpdateProject", "projectId=shop", domain("", ""))
	// Into a domain where somebody has the name nothing moves.
	w.must("other", "CreateProjectDnsRecord", "projectId=b2b", `{"name":"b"`+one)
	w.refused(fault.Conflict, "name", "exists already", "UpdateProject", "projectId=shop", domain("", "b2b.example"))
	w.must("", "DeleteDnsRecord", "recordId=other", "")
	w.must("m", "CreateProjectZoneKompute", "projectId=b2b zoneId=eu-a", machine("a"))
	w.refused(fault.Conflict, "name", "a.b2b.example already", "UpdateProject", "projectId=shop", domain("", "b2b.example"))
	w.refused(fault.Conflict, "domain", "record a.new.example", "UpdateProject", "projectId=b2b", `{"name":"b2b","domain":"new.example","teams":[],"regions":["$eu"]}`)
}
