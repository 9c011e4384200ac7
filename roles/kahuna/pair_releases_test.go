package kahuna

import (
	"strings"
	"testing"

	"kowabunga/core/nodes"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/pair"
)

// Status tells which release each of the two runs, and says so when they are too far apart.
func TestReleasesOfAPair(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	for _, r := range []*running{a, b} {
		p := r.pairOf()
		if len(p.Nodes) != 2 || p.Nodes[0].Release != config.Program().Version || p.Nodes[1].Release != config.Program().Version || len(p.Releases) != 0 {
			t.Errorf("%+v, %q", p.Nodes, p.Releases)
		}
		r.says("release "+config.Program().Version, "status")
	}
	for _, c := range []struct {
		theirs    pair.Heard
		mine, say string
	}{
		{pair.Heard{Release: "1.5.2", Version: pair.Version}, "1.5.0", ""},
		{pair.Heard{Release: "1.6.0", Version: pair.Version + 1}, "1.5.0", ""},
		{pair.Heard{Release: "1.7.0", Version: pair.Version + 1}, "1.5.0", "https://b runs 1.7.0, this Kahuna 1.5.0: nobody tried"},
		{pair.Heard{Release: "1.7.0", Version: pair.Version + 2}, "1.5.0", "they refuse each other; bring them to releases at most one apart"},
		{pair.Heard{Release: "devel", Version: pair.Version}, "1.5.0", ""},
	} {
		if text := farText("https://b", c.theirs, c.mine); (text == "") != (c.say == "") || !strings.Contains(text, c.say) {
			t.Errorf("%+v beside %s: %q", c.theirs, c.mine, text)
		}
	}
	rows := (&nodes.Status{Nodes: []nodes.NodeStatus{{Address: "https://a"}}, Releases: []string{"x"}}).Rows()
	found := false
	for _, row := range rows {
		found = found || row[0] == "releases" && row[1] == "TOO FAR APART: x"
	}
	if !found {
		t.Errorf("not shown: %q", rows)
	}
}
