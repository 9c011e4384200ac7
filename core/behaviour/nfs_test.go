package behaviour_test

import (
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const ganesha = `,"endpoint":"nfs.eu.example","backends":["192.0.2.10","ganesha-2"]}`

func TestTheFirstNFSOfARegionIsItsDefault(t *testing.T) {
	w := newRealm(t)
	w.must("first", "CreateStorageNFS", "regionId=eu", `{"name":"first"`+ganesha)
	w.must("second", "CreateStorageNFS", "regionId=eu poolId=disks", `{"name":"second","fs":"data","port":80`+ganesha)
	n := get[*model.NFS](w, "first")
	if n.FS != "nfs" || n.Port != 54934 || n.Pool != w.id("disks") {
		t.Errorf("%+v", n)
	}
	if is := get[*model.Region](w, "eu").DefaultNFS; is != n.ID {
		t.Errorf("the default is %s", is)
	}
	w.must("", "SetRegionDefaultStorageNFS", "regionId=eu nfsId=second", "")
	if is := get[*model.Region](w, "eu").DefaultNFS; is != w.id("second") {
		t.Errorf("the default is %s", is)
	}
	// B27: the default of a region is one of its own.
	w.must("us", "CreateRegion", "", `{"name":"us","domain":"us.example"}`)
	w.refused(fault.NotFound, "", "has no NFS storage", "SetRegionDefaultStorageNFS", "regionId=us nfsId=second", "")
	w.refused(fault.Invalid, "poolId", "no default pool", "CreateStorageNFS", "regionId=us", `{"name":"third"`+ganesha)
	w.refused(fault.Invalid, "poolId", "has no pool", "CreateStorageNFS", "regionId=us poolId=disks", `{"name":"third"`+ganesha)
	w.must("", "DeleteStorageNFS", "nfsId=second", "")
	if is := get[*model.Region](w, "eu").DefaultNFS; is != "" {
		t.Errorf("deleting the default leaves %s", is)
	}
}

func TestNFSThatNobodyCouldUse(t *testing.T) {
	w := newRealm(t)
	for _, c := range []struct{ field, words, body string }{
		{"backends", "at least one server", `"endpoint":"nfs.example","backends":[]`},
		{"backends", "at least one server", `"endpoint":"nfs.example"`},
		{"backends", "twice", `"endpoint":"nfs.example","backends":["a","a"]`},
		{"backends", "neither", `"endpoint":"nfs.example","backends":["http://a"]`},
		{"endpoint", "DNS domain", `"endpoint":"nfs.example/x","backends":["a"]`},
		{"fs", "no name", `"endpoint":"nfs.example","fs":"a/b","backends":["a"]`},
	} {
		w.refused(fault.Invalid, c.field, c.words, "CreateStorageNFS", "regionId=eu", `{"name":"x",`+c.body+`}`)
	}
}

func TestKiwisHaveAgentsOfTheirOwn(t *testing.T) {
	w := newRealm(t)
	w.must("k1", "CreateAgent", "", `{"name":"k1","type":"Kiwi"}`)
	w.must("", "CreateKiwi", "regionId=eu", `{"name":"planned"}`)
	w.must("gate", "CreateKiwi", "regionId=eu", `{"name":"gate","agents":["$k1"]}`)
	w.refused(fault.Invalid, "agents", "type Kaktus, not Kiwi", "CreateKiwi", "regionId=eu", `{"name":"x","agents":["$host-1"]}`)
	w.refused(fault.Invalid, "agents", `serves kiwi "gate" already`, "CreateKiwi", "regionId=eu", `{"name":"x","agents":["$k1"]}`)
	w.refused(fault.Invalid, "agents", "twice", "UpdateKiwi", "kiwiId=gate", `{"name":"gate","agents":["$k1","$k1"]}`)
	w.refused(fault.Conflict, "", `agent "k1" still has kiwi "gate"`, "DeleteAgent", "agentId=k1", "")
	w.refused(fault.Conflict, "", `region "eu" still has`, "DeleteRegion", "regionId=eu", "")
	w.must("", "DeleteKiwi", "kiwiId=gate", "")
	w.must("", "DeleteAgent", "agentId=k1", "")
}
