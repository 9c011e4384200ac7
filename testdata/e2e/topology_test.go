//go:build lab

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	sdk "github.com/kowabunga-cloud/kowabunga-go"
	"github.com/vishvananda/netlink"

	"kowabunga/testdata/lab"
)

// cloud is a Kahuna, one Kaktus on a real libvirt, and everything a machine needs.
type cloud struct {
	*server
	t      testing.TB
	dir    string
	socket string // of libvirt
	bridge string
	net    string // the first three numbers of its /24
	kaktus *process

	made     struct{ kompute, template string } // what the scene at hand is about
	canaries int

	region, zone, agent, host, vnet, subnet, pool, template, project string
}

var clouds atomic.Int32

// sweep removes the bridges and directories of test binaries that were killed; their daemons died with
// them. The machines go with the libvirt that package lab takes down.
func sweep(t testing.TB) {
	t.Helper()
	dead := func(name, prefix, end string) bool {
		number, found := strings.CutPrefix(name, prefix)
		number, _, _ = strings.Cut(number, end)
		pid, err := strconv.Atoi(number)
		return found && err == nil && syscall.Kill(pid, 0) == syscall.ESRCH
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.Type() == "bridge" && dead(link.Attrs().Name, "kbe", ".") {
			_ = netlink.LinkDel(link)
		}
	}
	for _, dir := range glob(t, os.TempDir(), "kbe2e-*") {
		if dead(filepath.Base(dir), "kbe2e-", "-") {
			os.RemoveAll(dir)
		}
	}
}

// newCloud starts the daemons; the SDK makes the rest.
func newCloud(t testing.TB) *cloud {
	t.Helper()
	sweep(t)
	dir, err := os.MkdirTemp("", fmt.Sprintf("kbe2e-%d-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	n := int(clouds.Add(1))
	c := &cloud{t: t, dir: dir, bridge: fmt.Sprintf("kbe%d.%d", os.Getpid(), n), net: fmt.Sprintf("10.174.%d", (os.Getpid()+n)%250)}
	t.Cleanup(func() {
		if t.Failed() {
			for _, log := range []string{"kahuna.log", "kaktus.log"} {
				text, _ := os.ReadFile(filepath.Join(dir, log))
				t.Logf("%s:\n%s", log, text[max(0, len(text)-16<<10):])
			}
		}
		if link, err := netlink.LinkByName(c.bridge); err == nil {
			_ = netlink.LinkDel(link)
		}
		os.RemoveAll(dir)
	})
	c.socket = lab.Libvirt(t)
	c.server = newServer(t, dir)
	c.declareHost()
	c.join()
	c.startKaktus()
	c.declareRest()
	return c
}

// made is for what the SDK returns.
func made[T any](t testing.TB, what string) func(o *T, answer *http.Response, err error) *T {
	return func(o *T, answer *http.Response, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatalf("create %s: %v%s", what, err, reason(err))
		}
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("create %s: %s, want 201", what, answer.Status)
		}
		return o
	}
}

// reason is the server's own sentence, which the SDK keeps apart.
func reason(err error) string {
	var api *sdk.GenericOpenAPIError
	if errors.As(err, &api) {
		return " " + string(api.Body())
	}
	return ""
}

func (c *cloud) declareHost() {
	ctx := context.Background()
	c.region = made[sdk.Region](c.t, "region")(c.api.RegionAPI.CreateRegion(ctx).Region(*sdk.NewRegion("lab", "lab.internal")).Execute()).GetId()
	c.zone = made[sdk.Zone](c.t, "zone")(c.api.RegionAPI.CreateZone(ctx, c.region).Zone(*sdk.NewZone("lab-a")).Execute()).GetId()
	c.agent = made[sdk.Agent](c.t, "agent")(c.api.AgentAPI.CreateAgent(ctx).Agent(*sdk.NewAgent("lab", "Kaktus")).Execute()).GetId()
	c.host = made[sdk.Kaktus](c.t, "kaktus")(c.api.ZoneAPI.CreateKaktus(ctx, c.zone).Kaktus(*sdk.NewKaktus("lab", []string{c.agent})).Execute()).GetId()
}

// key is the agent's, from the letter to the administrator: API v1 has no other place for it.
func (c *cloud) key() string {
	c.t.Helper()
	if _, _, err := c.api.AgentAPI.SetAgentApiToken(context.Background(), c.agent).Execute(); err != nil {
		c.t.Fatalf("issue the agent's key: %v%s", err, reason(err))
	}
	var letters []string
	eventually(c.t, "the letter with the agent's key", func() (err error) { // it is delivered after the answer
		letters, err = filepath.Glob(filepath.Join(c.dir, "mail", "*.eml"))
		if err == nil && len(letters) != 1 {
			err = fmt.Errorf("letters: %v, want one", letters)
		}
		return err
	})
	f, err := os.Open(letters[0])
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	letter, err := mail.ReadMessage(f)
	if err != nil {
		c.t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(letter.Header.Get("Content-Type"))
	if err != nil {
		c.t.Fatal(err)
	}
	part, err := multipart.NewReader(letter.Body, params["boundary"]).NextPart() // the plain text; its encoding is undone
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(part)
	if err != nil {
		c.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^ +key: (\S+)\s*$`).FindSubmatch(text)
	if found == nil {
		c.t.Fatal("the letter holds no key")
	}
	return string(found[1])
}

func (c *cloud) join() {
	c.t.Helper()
	file := filepath.Join(c.dir, "agent-key")
	if err := os.WriteFile(file, []byte(c.key()+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	for _, dir := range []string{"pool", "images"} {
		if err := os.MkdirAll(filepath.Join(c.dir, dir), 0o711); err != nil {
			c.t.Fatal(err)
		}
	}
	must(c.t, "kaktus", "join", "--dir", filepath.Join(c.dir, "kaktus"), "--url", c.url, "--id", c.agent, "--key-file", file, "--ca-file", c.ca(),
		"--libvirt-socket", c.socket, "--accel", "tcg", "--pools", "lab.path="+filepath.Join(c.dir, "pool"), "--import-dirs", filepath.Join(c.dir, "images"))
}

// startKaktus starts the agent, with more environment, and returns when it is connected.
func (c *cloud) startKaktus(env ...string) {
	c.t.Helper()
	c.launchKaktus(env...)
	c.online()
}

func (c *cloud) launchKaktus(env ...string) {
	c.kaktus = launch(c.t, "kaktus", filepath.Join(c.dir, "kaktus.log"), env, "kaktus", "serve", "--dir", filepath.Join(c.dir, "kaktus"))
}

// online waits until Kahuna knows the agent to be connected, or one of the processes ends.
func (c *cloud) online(unless ...*process) {
	c.t.Helper()
	eventually(c.t, "kaktus connects", func() error {
		for _, p := range unless {
			if !p.alive() {
				return nil
			}
		}
		st, err := c.status()
		if err != nil {
			return err
		}
		for _, a := range st.Agents {
			if a.ID == c.agent && a.Online {
				return nil
			}
		}
		return errors.New("not connected")
	})
}

func (c *cloud) declareRest() {
	ctx := context.Background()
	vnet := sdk.NewVNet("lab", c.bridge)
	c.vnet = made[sdk.VNet](c.t, "vnet")(c.api.RegionAPI.CreateVNet(ctx, c.region).VNet(*vnet).Execute()).GetId()
	subnet := sdk.NewSubnet("lab", c.net+".0/26", c.net+".1")
	subnet.SetGwPool([]sdk.IpRange{*sdk.NewIpRange(c.net+".2", c.net+".3")})
	c.subnet = made[sdk.Subnet](c.t, "subnet")(c.api.VnetAPI.CreateSubnet(ctx, c.vnet).Subnet(*subnet).Execute()).GetId()
	c.pool = made[sdk.StoragePool](c.t, "pool")(c.api.RegionAPI.CreateStoragePool(ctx, c.region).StoragePool(*sdk.NewStoragePool("lab", "dir:lab", []string{c.agent})).Execute()).GetId()
	c.template = c.importTemplate("guest")
	team := made[sdk.Team](c.t, "team")(c.api.TeamAPI.CreateTeam(ctx).Team(*sdk.NewTeam("lab", []string{})).Execute()).GetId()
	c.project = made[sdk.Project](c.t, "project")(c.api.ProjectAPI.CreateProject(ctx).Project(*sdk.NewProject("lab", []string{team}, []string{c.region})).SubnetSize(26).Execute()).GetId()
	c.gateways()
}

// importTemplate makes a template of the small guest image.
func (c *cloud) importTemplate(name string) string {
	c.t.Helper()
	return made[sdk.Template](c.t, "template")(c.api.PoolAPI.CreateTemplate(context.Background(), c.pool).Template(*sdk.NewTemplate(name, "file://"+c.image())).Execute()).GetId()
}

// image is the guest image where Kaktus may import it from.
func (c *cloud) image() string {
	c.t.Helper()
	built := lab.GuestImage(c.t)
	path := filepath.Join(c.dir, "images", "guest.img")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	copyFile(c.t, built.Path, path)
	return path
}

// gateways puts the subnet's router and its project's gateways on the bridge that Kaktus makes.
func (c *cloud) gateways() {
	c.t.Helper()
	eventually(c.t, "the bridge is up", func() error {
		link, err := netlink.LinkByName(c.bridge)
		if err != nil {
			return err
		}
		if link.Attrs().Flags&net.FlagUp == 0 {
			return errors.New("it is down")
		}
		for i := 1; i <= 3; i++ {
			address, err := netlink.ParseAddr(fmt.Sprintf("%s.%d/26", c.net, i))
			if err != nil {
				return err
			}
			if err := netlink.AddrReplace(link, address); err != nil {
				return err
			}
		}
		return nil
	})
}

// domains are all machines with disks of this cloud that the private libvirt knows, by name, and whether
// they run.
func (c *cloud) domains() map[string]bool {
	c.t.Helper()
	conn, err := net.DialTimeout("unix", c.socket, 10*time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	l := libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn))
	if err := l.ConnectToURI(libvirt.QEMUSystem); err != nil {
		c.t.Fatal(err)
	}
	defer l.Disconnect()
	list, _, err := l.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive|libvirt.ConnectListDomainsInactive)
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, d := range list {
		definition, err := l.DomainGetXMLDesc(d, 0)
		if libvirt.IsNotFound(err) {
			continue // another cloud's, just removed
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if !strings.Contains(definition, c.dir+"/") {
			continue
		}
		active, err := l.DomainIsActive(d)
		out[d.Name] = err == nil && active != 0
	}
	return out
}
