package apitest

import "fmt"

// shares walks through what belongs to storage over the network, to names and to the region's gateway,
// and what the project costs and uses with it.
func (w *walk) shares() {
	w.make("kiwi", "Kiwi", "CreateKiwi", "region", nil, fmt.Sprintf(`{"name":%q,"description":"","agents":[]}`, w.n("kiwi")), "ListKiwis", "ListRegionKiwis region")
	w.make("nfs", "StorageNFS", "CreateStorageNFS", "region", one("poolId", w.ids["pool"]),
		fmt.Sprintf(`{"name":%q,"endpoint":"nfs.walk.test","fs":"nfs","backends":["192.0.2.1","ganesha.walk.test"],"port":54934}`, w.n("nfs")), "ListStorageNFSs", "ListRegionStorageNFSs region")
	w.call("ListRegionStorageNFSs", "region", one("poolId", w.ids["pool"]), "")
	w.call("SetRegionDefaultStorageNFS", "region nfs", nil, "")
	w.make("ntp", "DnsRecord", "CreateRegionDnsRecord", "region", nil, fmt.Sprintf(`{"name":%q,"addresses":["192.0.2.9","192.0.2.3"]}`, w.n("ntp")), "ListRegionDnsRecords region")
	made := w.make("www", "DnsRecord", "CreateProjectDnsRecord", "project", nil, fmt.Sprintf(`{"name":%q,"description":"","addresses":["192.0.2.9"]}`, w.n("www")), "ListProjectDnsRecords project")
	if made["domain"] != "p.walk.test" {
		w.t.Errorf("a record of the project is in %v", made["domain"])
	}
	made = w.make("kylo", "Kylo", "CreateProjectRegionKylo", "project region", one("nfsId", w.ids["nfs"]), fmt.Sprintf(`{"name":%q,"access":"RO","protocols":[4]}`, w.n("kylo")),
		"ListKylos", "ListStorageNFSKylos nfs", "ListProjectRegionKylos project region")
	if made["endpoint"] != "nfs.walk.test" {
		w.t.Errorf("a share is mounted from %v", made["endpoint"])
	}
	w.call("ListProjectRegionKylos", "project region", one("nfsId", w.ids["nfs"]), "")
	w.call("ReadProjectCost", "project", nil, "")
	if used := w.call("ReadProjectUsage", "project", nil, ""); text(used["storage"]) == "0" {
		w.t.Errorf("the project uses %v", used)
	}
}

// removeShares deletes what shares made.
func (w *walk) removeShares() {
	for _, step := range []removal{{"DeleteKylo", "kylo"}, {"DeleteDnsRecord", "www"}, {"DeleteDnsRecord", "ntp"}, {"DeleteStorageNFS", "nfs"}, {"DeleteKiwi", "kiwi"}} {
		w.gone(step)
	}
}
