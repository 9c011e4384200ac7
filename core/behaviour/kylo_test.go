package behaviour_test

import (
	"fmt"
	"slices"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestKyloDefaults(t *testing.T) {
	w := newRealm(t)
	w.refused(fault.Invalid, "nfsId", "no default NFS storage", "CreateProjectRegionKylo", "projectId=shop regionId=eu", `{"name":"files"}`)
	w.must("nfs", "CreateStorageNFS", "regionId=eu", `{"name":"nfs"`+ganesha)
	w.must("files", "CreateProjectRegionKylo", "projectId=shop regionId=eu", `{"name":"files"}`)
	k := get[*model.Kylo](w, "files")
	if k.Access != "RW" || !slices.Equal(k.Protocols, []int64{3, 4}) || k.NFS != w.id("nfs") || k.ExportID != 100 {
		t.Errorf("%+v", k)
	}
	calls := len(w.calls)
	w.must("", "UpdateKylo", "kyloId=files", `{"name":"renamed"}`)
	if len(w.calls) != calls {
		t.Error("a new name reached the servers")
	}
	w.must("", "UpdateKylo", "kyloId=files", `{"name":"renamed","access":"RO"}`)
	if last := w.calls[len(w.calls)-1]; last.Method != agentproto.MethodShareUpdate || last.Pool != w.id("disks") {
		t.Errorf("%+v", last)
	}
	w.refused(fault.Conflict, "", `still has kylo "renamed"`, "DeleteStorageNFS", "nfsId=nfs", "")
	w.refused(fault.Conflict, "fs", "kylo renamed", "UpdateStorageNFS", "nfsId=nfs", `{"name":"nfs","fs":"other"`+ganesha)
	w.must("", "DeleteKylo", "kyloId=files", "")
	w.must("", "DeleteStorageNFS", "nfsId=nfs", "")
}

func TestKylosThatCannotBe(t *testing.T) {
	w := newRealm(t)
	w.must("nfs", "CreateStorageNFS", "regionId=eu", `{"name":"nfs"`+ganesha)
	w.must("us", "CreateRegion", "", `{"name":"us","domain":"us.example"}`)
	w.must("usdisks", "CreateStoragePool", "regionId=us", `{"name":"usdisks","pool":"dir:disks","agents":[]}`)
	w.must("usnfs", "CreateStorageNFS", "regionId=us", `{"name":"usnfs"`+ganesha)
	in := "projectId=shop regionId=eu"
	w.refused(fault.Invalid, "name", "host name", "CreateProjectRegionKylo", in, `{"name":"a b"}`)
	w.refused(fault.Invalid, "protocols", "twice", "CreateProjectRegionKylo", in, `{"name":"x","protocols":[4,4]}`)
	w.refused(fault.Invalid, "protocols[0]", "none of", "CreateProjectRegionKylo", in, `{"name":"x","protocols":[2]}`)
	w.refused(fault.Invalid, "access", "none of", "CreateProjectRegionKylo", in, `{"name":"x","access":"rw"}`)
	w.refused(fault.Invalid, "nfsId", "no NFS storage", "CreateProjectRegionKylo", in+" nfsId=usnfs", `{"name":"x"}`)
	w.must("bare", "CreateProject", "", `{"name":"bare","teams":[],"regions":[]}`)
	w.refused(fault.Conflict, "", "no subnet", "CreateProjectRegionKylo", "projectId=bare regionId=eu", `{"name":"x"}`)
	// What is in shares counts as storage, and where nothing is left none is begun.
	w.must("", "UpdateProject", "projectId=shop", `{"name":"shop","domain":"shop.example","teams":[],"regions":["$eu"],"quotas":{"storage":4096}}`)
	w.must("files", "CreateProjectRegionKylo", in, `{"name":"files"}`)
	w.edit(func(d model.Draft) error {
		k := model.Edit(get[*model.Kylo](w, "files"))
		k.Size = 4096
		return d.Put(k)
	})
	w.refused(fault.Exhausted, "", "quota of storage", "CreateProjectRegionKylo", in, `{"name":"x"}`)
}

func TestTheLowestFreeExportIsTaken(t *testing.T) {
	w := newRealm(t)
	w.must("nfs", "CreateStorageNFS", "regionId=eu", `{"name":"nfs"`+ganesha)
	w.must("other", "CreateStorageNFS", "regionId=eu", `{"name":"other"`+ganesha)
	next := func(name, nfs string) int64 {
		w.must(name, "CreateProjectRegionKylo", "projectId=shop regionId=eu nfsId="+nfs, `{"name":"`+name+`"}`)
		return get[*model.Kylo](w, name).ExportID
	}
	got := []int64{next("a", "nfs"), next("b", "nfs"), next("c", "nfs"), next("d", "other")}
	w.must("", "DeleteKylo", "kyloId=b", "")
	got = append(got, next("e", "nfs"), next("f", "nfs"))
	if want := []int64{100, 101, 102, 100, 101, 103}; !slices.Equal(got, want) {
		t.Errorf("exports %v, want %v", got, want)
	}
	// All ids but the last are taken; then all are.
	w.edit(func(d model.Draft) error {
		for id := int64(104); id < 65000; id++ {
			k := &model.Kylo{Project: w.id("shop"), Region: w.id("eu"), NFS: w.id("nfs"), ExportID: id}
			k.ID = model.ID(fmt.Sprintf("%024x", id))
			k.Name = string(k.ID)
			if err := d.Put(k); err != nil {
				return err
			}
		}
		return nil
	})
	if n := next("last", "nfs"); n != 65000 {
		t.Errorf("the last export is %d", n)
	}
	w.refused(fault.Exhausted, "", "no export id left", "CreateProjectRegionKylo", "projectId=shop regionId=eu nfsId=nfs", `{"name":"toomany"}`)
}
