package operate_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// A share is exported to the project's machines and to nobody else, under its id, and is as large as was
// found when it was made.
func TestSharesAreExportedToTheirProject(t *testing.T) {
	c := newCloud(t)
	files(c)
	for name, export := range map[string]int64{"files": 100, "more": 101} {
		k, _ := model.Find[*model.Kylo](c.store.View(), c.id(name))
		var is agentproto.Share
		if err := json.Unmarshal([]byte(c.world.snapshot()["share "+string(k.ID)]), &is); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(is.Clients, []string{"10.1.0.0/26"}) || is.Export != export || k.ExportID != export || is.Share != string(k.ID) || is.FS != "nfs" || is.Port != 54934 || k.Size != 4096 {
			t.Errorf("%s: %+v of %+v", name, is, k)
		}
	}
	c.consistent()
	// The servers change: every share goes along, and the answer names where it was.
	c.must("", "UpdateStorageNFS", map[string]string{"nfsId": "ganesha"}, nil, `{"name":"ganesha","endpoint":"nfs.eu.example","backends":["192.0.2.2","192.0.2.3"],"port":80}`)
	c.consistent()
	var last agentproto.Share
	if err := json.Unmarshal(c.world.calls[len(c.world.calls)-1].Args, &last); err != nil || last.Former == nil || !slices.Equal(last.Former.Backends, []string{"192.0.2.1"}) || last.Former.Port != 54934 {
		t.Errorf("the servers are not told where the share was: %+v %v", last, err)
	}
	// What is gone leaves its export id to the next.
	c.must("", "DeleteKylo", map[string]string{"kyloId": "files"}, nil, "")
	next := c.must("next", "CreateProjectRegionKylo", inRegion, nil, `{"name":"next"}`)
	if next.(*model.Kylo).ExportID != 100 {
		t.Errorf("the next export is %d", next.(*model.Kylo).ExportID)
	}
	c.consistent()
}

// A host of this release has no NFS shares: the answer says so and nothing is left.
func TestHostsWithoutShares(t *testing.T) {
	c := newCloud(t)
	c.world.before = func(_ context.Context, call operate.Call) error {
		if strings.HasPrefix(call.Method, "share.") {
			return fault.New(fault.NotFound, "NFS shares are not part of this release of kaktus")
		}
		return nil
	}
	before, things := c.count(), c.world.snapshot()
	_, err := c.ask("CreateProjectRegionKylo", inRegion, nil, `{"name":"files"}`)
	if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.From(err).Public(), "not part of this release of kaktus") {
		t.Errorf("answered %v", err)
	}
	c.settled()
	if !maps.Equal(c.count(), before) || !maps.Equal(c.world.snapshot(), things) {
		t.Errorf("left %v and %v", c.count(), c.world.snapshot())
	}
}
