//go:build lab

package bridge

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
)

// isolated gives the test a network namespace of its own. The thread it changes is never used again.
func isolated(t *testing.T, uplinks ...string) *Keeper {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network namespace needs root: %v", err)
	}
	k, err := New(Config{Owner: "me", Uplinks: uplinks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
	return string(out)
}

func one(t *testing.T, problems []string, says ...string) {
	t.Helper()
	if len(problems) != 1 {
		t.Fatalf("problems %q, want one", problems)
	}
	for _, part := range says {
		if !strings.Contains(problems[0], part) {
			t.Errorf("problem %q does not say %q", problems[0], part)
		}
	}
}

func TestBridgesAsDeclared(t *testing.T) {
	k := isolated(t)
	ip(t, "link add up0 type veth peer name far0")
	declared := []agentproto.Bridge{
		{Name: "kb0", MTU: 1400},
		{Name: "kb1", Uplink: "up0", MTU: 9000},
		{Name: "kb2"},
	}
	for range 2 { // the second time changes nothing and says nothing
		if problems := k.Apply(declared); len(problems) > 0 {
			t.Fatal(problems)
		}
		for name, says := range map[string][]string{
			"kb0": {"UP", "mtu 1400", "alias kowabunga me"},
			"kb1": {"UP", "mtu 9000"},
			"kb2": {"UP"},
			"up0": {"UP", "master kb1", "mtu 9000"},
		} {
			got := ip(t, "link show "+name)
			for _, part := range says {
				if !strings.Contains(got, part) {
					t.Errorf("%s is not %q:\n%s", name, part, got)
				}
			}
		}
	}
	if got := ip(t, "addr show kb0"); strings.Contains(got, "inet") {
		t.Errorf("the host has an address among its tenants:\n%s", got)
	}
	// What somebody changed is mended.
	ip(t, "link set kb0 down mtu 1500")
	ip(t, "link set up0 nomaster")
	if problems := k.Apply(declared); len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := ip(t, "link show kb0"); !strings.Contains(got, "mtu 1400") || !strings.Contains(got, "UP") {
		t.Errorf("kb0 was not mended:\n%s", got)
	}
	if got := ip(t, "link show up0"); !strings.Contains(got, "master kb1") {
		t.Errorf("up0 was not mended:\n%s", got)
	}
}

func TestAbsenceNeverDeletes(t *testing.T) {
	k := isolated(t)
	ip(t, "link add theirs type bridge")
	ip(t, "link add others type bridge")
	ip(t, "link set others alias kowabunga-another")
	if problems := k.Apply([]agentproto.Bridge{{Name: "kb0"}}); len(problems) > 0 {
		t.Fatal(problems)
	}
	one(t, k.Apply(nil), "kb0", "not declared any more")
	if got := k.Names(); !slices.Equal(got, []string{"kb0", "others", "theirs"}) {
		t.Errorf("bridges %v", got)
	}
}

func TestHostIsNotCutOff(t *testing.T) {
	k := isolated(t, "up2")
	for _, name := range []string{"up0", "up1", "up2"} {
		ip(t, "link add "+name+" type veth peer name far"+name)
		ip(t, "link set "+name+" up")
		ip(t, "link set far"+name+" up")
	}
	ip(t, "addr add 192.0.2.1/24 dev up0")
	ip(t, "route add default via 192.0.2.254")
	ip(t, "addr add 198.51.100.1/24 dev up1")
	ip(t, "addr add 203.0.113.1/24 dev up2")
	one(t, k.Apply([]agentproto.Bridge{{Name: "kb0", Uplink: "up0"}, {Name: "kb2", Uplink: "up2"}}), "kb0", "default route", "bridges.uplinks")
	one(t, k.Apply([]agentproto.Bridge{{Name: "kb0"}, {Name: "kb1", Uplink: "up1"}, {Name: "kb2", Uplink: "up2"}}), "kb1", "198.51.100.1")
	if got := ip(t, "link show up0") + ip(t, "link show up1"); strings.Contains(got, "master") {
		t.Errorf("the host's own interface was taken:\n%s", got)
	}
	if got := ip(t, "link show up2"); !strings.Contains(got, "master kb2") {
		t.Errorf("the interface that may be taken was not:\n%s", got)
	}
	// The bridge is there all the same, for the machines of this host.
	if got := ip(t, "link show kb1"); !strings.Contains(got, "UP") {
		t.Errorf("kb1:\n%s", got)
	}
}

func TestProblemsHoldUpNothingElse(t *testing.T) {
	k := isolated(t)
	ip(t, "link add kb1 type veth peer name far1")
	ip(t, "link add taken type bridge")
	ip(t, "link set far1 master taken")
	problems := k.Apply([]agentproto.Bridge{
		{Name: "kb0", Uplink: "absent0"},
		{Name: "kb1"},
		{Name: "kb2", Uplink: "far1"},
		{Name: "kb3"},
		{Name: "much-too-long-name"},
		{Name: "../kb"},
		{Name: "kb4", VLAN: 5},
		{Name: "kb5", MTU: 1},
		{Name: "kb6", Uplink: "kb6"},
	})
	want := []string{"absent0 does not exist", "is a veth", "port of taken", "no interface name", "no interface name", "needs an uplink", "not between", "own uplink"}
	if len(problems) != len(want) {
		t.Fatalf("problems %q", problems)
	}
	for i, part := range want {
		if !strings.Contains(problems[i], part) {
			t.Errorf("problem %q does not say %q", problems[i], part)
		}
	}
	if got := k.Names(); !slices.Equal(got, []string{"kb0", "kb2", "kb3", "taken"}) {
		t.Errorf("bridges %v", got)
	}
}

func TestVLAN(t *testing.T) {
	k := isolated(t)
	ip(t, "link add a-long-uplink0 type veth peer name far0")
	declared := []agentproto.Bridge{{Name: "kb0", Uplink: "a-long-uplink0", VLAN: 4000}}
	if exec.Command("ip", "link", "add", "link", "far0", "name", "probe", "type", "vlan", "id", "7").Run() != nil {
		one(t, k.Apply(declared), "kb0", "802.1Q", "8021q", "a-long-uplink0")
		return
	}
	for range 2 {
		if problems := k.Apply(declared); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
	if got := ip(t, "-d link show master kb0"); strings.Count(got, "id 4000") != 1 {
		t.Errorf("the ports are:\n%s", got)
	}
}
