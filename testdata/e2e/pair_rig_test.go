//go:build lab

package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kowabunga/core/nodes"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/kahuna"
)

// network is what the pair and its agents talk over: 256 addresses for benchmarks (RFC 2544).
var network string

// freeNetwork is one that nobody on this machine has. Test binaries begin to look at places of their own, so that
// those that are started at the same time find others.
func freeNetwork(t testing.TB) string {
	t.Helper()
	taken, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 256 {
		free := fmt.Sprintf("198.18.%d.", (os.Getpid()+i)%256)
		if !slices.ContainsFunc(taken, func(a net.Addr) bool { return strings.HasPrefix(a.String(), free) }) {
			return free
		}
	}
	t.Fatal("all of 198.18.0.0/16 is taken")
	return ""
}

// pair is two Kahunas on machines of their own, as far as one machine can pretend that: a network namespace,
// a disk and a boot for each, one cable to a switch; and agents that know both. Tests stand at the switch.
type pair struct {
	t      testing.TB
	dir    string
	pid    int
	nodes  [2]*node
	hosts  []*host
	region string
	orders string // file in which agents write down what they obey
	ground ground
	ca     string // PEM
	key    string
	loads  int // loads so far
}

// node is one of the two.
type node struct {
	p       *pair
	name    string
	address string
	url     string
	disk    string // mount point
	dir     string
	frozen  bool
	runs    *build // its program
	before  int    // length of its log when it was last started on another disk
	proc    *process
	http    *http.Client
}

var keep = flag.Bool("keep", false, "leave the logs of a pair where they are")

// newPair starts two Kahunas, and returns when both have everything.
func newPair(t testing.TB) *pair {
	t.Helper()
	p := newMachines(t)
	p.begin()
	p.join()
	return p
}

// newMachines is where two Kahunas can be started.
func newMachines(t testing.TB) *pair {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "unshare", "fsfreeze", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v\n(everything this needs: apt-get install --no-install-recommends iproute2 nftables util-linux e2fsprogs)", err)
		}
	}
	sweep(t)
	sweepPairs(t)
	network = freeNetwork(t)
	dir, err := os.MkdirTemp("", fmt.Sprintf("kbe2e-%d-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, dir: dir, pid: os.Getpid(), orders: filepath.Join(dir, "obeyed")}
	t.Cleanup(p.remove)
	p.do("ip", "link", "add", p.bridge(), "type", "bridge")
	p.do("ip", "addr", "add", network+"1/24", "dev", p.bridge())
	p.do("ip", "link", "set", p.bridge(), "up")
	p.connect("g", network+"20")
	for i, name := range []string{"a", "b"} {
		n := &node{p: p, name: name, runs: present, address: network + fmt.Sprint(11+i), disk: filepath.Join(dir, name)}
		n.url, n.dir = "https://"+n.address+":8443", filepath.Join(n.disk, "kahuna")
		p.connect(name, n.address)
		n.makeDisk()
		p.nodes[i] = n
	}
	return p
}

func (p *pair) bridge() string          { return fmt.Sprintf("kbe%d.p", p.pid) }
func (p *pair) cable(ns string) string  { return fmt.Sprintf("kbv%d%s", p.pid, ns) }
func (p *pair) inside(ns string) string { return fmt.Sprintf("kbp%d%s", p.pid, ns) }

func (p *pair) do(args ...string) string {
	p.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// connect makes a namespace at the switch.
func (p *pair) connect(name, address string) string {
	p.t.Helper()
	ns := p.inside(name)
	p.do("ip", "netns", "add", ns)
	p.do("ip", "link", "add", p.cable(name), "type", "veth", "peer", "name", "cable", "netns", ns)
	p.do("ip", "link", "set", p.cable(name), "master", p.bridge(), "up")
	p.do("ip", "-n", ns, "addr", "add", address+"/24", "dev", "cable")
	p.do("ip", "-n", ns, "link", "set", "lo", "up")
	p.do("ip", "-n", ns, "link", "set", "cable", "up")
	return ns
}

// boot is how to start a program as if on a machine of its own: in a namespace, with the id of another boot.
func (p *pair) boot(ns, name string) []string {
	p.t.Helper()
	file := filepath.Join(p.dir, "boot-"+name)
	if _, err := os.Stat(file); err != nil {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x\n", p.pid, time.Now().UnixNano()&0xffffffffffff)
		if err := os.WriteFile(file, []byte(id), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	return append(in(p.inside(ns)), "unshare", "-m", "sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, file)
}

// diskSize is that of a Kahuna's disk: room for a store that was written to for an hour. It takes what is used of it.
const diskSize = 4 << 30

func (n *node) makeDisk() {
	n.p.t.Helper()
	image := n.disk + ".img"
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(diskSize)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Mkdir(n.disk, 0o755)
	}
	if err != nil {
		n.p.t.Fatal(err)
	}
	n.p.do("mkfs.ext4", "-q", "-m", "0", image)
	n.p.do("mount", "-o", "loop", image, n.disk)
}

// remove takes everything down, frozen disks and stopped processes too.
func (p *pair) remove() {
	for _, n := range p.nodes {
		if n == nil {
			continue
		}
		n.thaw()
		if n.proc != nil {
			n.proc.kill()
		}
		if p.t.Failed() {
			p.t.Logf("%s, without requests and agents:\n%s", n.log(), n.said())
		}
	}
	for _, h := range p.hosts {
		h.kill()
	}
	for _, n := range p.nodes {
		if n != nil {
			_ = exec.Command("umount", n.disk).Run()
		}
	}
	for _, name := range []string{"a", "b", "g"} {
		_ = exec.Command("ip", "netns", "del", p.inside(name)).Run()
	}
	_ = exec.Command("ip", "link", "del", p.bridge()).Run()
	if *keep {
		p.t.Logf("%s is kept", p.dir)
		return
	}
	os.RemoveAll(p.dir)
}

// sweepPairs removes the namespaces and disks of test binaries that were killed.
func sweepPairs(t testing.TB) {
	for _, file := range glob(t, "/run/netns", "kbp*") {
		name := filepath.Base(file)
		var pid int
		if _, err := fmt.Sscanf(name, "kbp%d", &pid); err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = exec.Command("ip", "netns", "del", name).Run()
		}
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\S+ (\S*/kbe2e-(\d+)-\S+) `).FindAllSubmatch(mounts, -1) {
		var pid int
		if _, err := fmt.Sscan(string(m[2]), &pid); err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = exec.Command("fsfreeze", "-u", string(m[1])).Run()
			_ = exec.Command("umount", string(m[1])).Run()
		}
	}
}

func (n *node) log() string { return filepath.Join(n.p.dir, n.name+".log") }

// begin makes the first Kahuna and what the agents need.
func (p *pair) begin() {
	t, a := p.t, p.nodes[0]
	t.Helper()
	must(t, "kahuna", "init", "--dir", a.dir, "--listen", a.address+":8443", "--url", a.url)
	key, err := os.ReadFile(filepath.Join(a.dir, "secrets", "master-key"))
	if err != nil {
		t.Fatal(err)
	}
	p.key = strings.TrimSpace(string(key))
	a.start()
	eventually(t, "the first Kahuna serves", a.answers)
	pem, err := os.ReadFile(filepath.Join(a.dir, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	p.ca = string(pem)
	if err := os.WriteFile(filepath.Join(p.dir, "ca.pem"), pem, 0o644); err != nil {
		t.Fatal(err)
	}
}

// join starts the second one as the standby of the first.
func (p *pair) join() {
	t, a, b := p.t, p.nodes[0], p.nodes[1]
	t.Helper()
	b.start("--listen", b.address+":8443", "--url", b.url, "--standby-of", a.url, "--pair-key-file", filepath.Join(a.dir, "secrets", "pair-key"))
	eventually(t, "the second one is in sync", func() error { return p.synced(0) })
}

// said is the end of the node's log, without what clients and agents did.
func (n *node) said() string {
	text, _ := os.ReadFile(n.log())
	var out []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "msg=request ") && !strings.Contains(line, "msg=\"agent ") {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-100):], "")
}

// start starts the node's Kahuna; it may have work to do before it answers.
func (n *node) start(more ...string) {
	n.p.t.Helper()
	n.proc = launchBuild(n.p.t, n.runs, n.p.boot(n.name, n.name), n.name, n.log(), nil, append([]string{"kahuna", "serve", "--dir", n.dir}, more...)...)
}

// answers tells whether the node's server is up, whatever its role.
func (n *node) answers() error {
	if !n.proc.alive() {
		return errors.New("it ended; see " + n.proc.log)
	}
	_, err := n.status()
	return err
}

func (n *node) status() (kahuna.Status, error) {
	var st kahuna.Status
	out, err := run(n.p.t, "kahuna", "status", "--dir", n.dir, "-o", "json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// synced tells whether the node that acts says that both have everything, and that there are so many
// witnesses at least, all connected and none about to change.
func (p *pair) synced(witnesses int) error {
	acts := p.acts()
	if acts == nil {
		return errors.New("none of the two acts")
	}
	st, err := acts.status()
	if err != nil {
		return err
	}
	all := st.Pair
	if all == nil {
		return fmt.Errorf("%s is no node of a pair", acts.name)
	}
	for _, n := range all.Nodes {
		if !n.InSync {
			return fmt.Errorf("%s says that %s is not in the sync set: %+v", acts.name, n.Address, all.Nodes)
		}
	}
	there := settled(all.Witnesses)
	if !all.Right || len(all.Nodes) != 2 || len(all.Pending) > 0 || there < max(witnesses, len(all.Witnesses)) {
		return fmt.Errorf("%s, right to act %t, knows %d nodes and %d of %d witnesses; pending: %v", acts.name, all.Right, len(all.Nodes), there, len(all.Witnesses), all.Pending)
	}
	return nil
}

// settled are how many witnesses are connected and not about to change.
func settled(all []nodes.WitnessStatus) (n int) {
	for _, w := range all {
		if w.Connected && w.Change == "" {
			n++
		}
	}
	return n
}

// acts is the node that says of itself that it acts, nil when none does.
func (p *pair) acts() *node {
	for _, n := range p.nodes {
		if n.claims() {
			return n
		}
	}
	return nil
}

// claims tells whether the node answers, and says that it is the one that acts.
func (n *node) claims() bool {
	if n.proc == nil || !n.proc.alive() {
		return false
	}
	if n.http == nil {
		c, err := trusting(n.p.ca)
		if err != nil {
			return n == n.p.nodes[0] // it is alone so far
		}
		n.http = c
	}
	r, err := http.NewRequest(http.MethodGet, n.url+"/api/v2/teams?limit=1", nil)
	if err != nil {
		return false
	}
	r.Header.Set("X-API-Key", n.p.key)
	answer, err := n.http.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	all, err := nodes.Parse(answer.Header.Get(nodes.Header))
	return err == nil && answer.StatusCode == http.StatusOK && nodes.Primary(all) == n.url
}

// other is the other one.
func (n *node) other() *node {
	if n == n.p.nodes[0] {
		return n.p.nodes[1]
	}
	return n.p.nodes[0]
}

// client is a client of the command line that knows both nodes, or some addresses alone.
func (p *pair) client(urls ...string) *client.Client {
	p.t.Helper()
	if len(urls) == 0 {
		urls = []string{p.nodes[0].url, p.nodes[1].url}
	}
	c, err := client.New(client.Credentials{URL: urls[0], Nodes: urls, Key: p.key, CA: []byte(p.ca)})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}
