package sandbox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/term"
)

// The names of what a sandbox has.
const (
	regionName = "sandbox"
	zoneName   = "sandbox-a"
	vnetName   = "sandbox"
	hostName   = "sandbox"
	poolName   = "sandbox"
	demo       = "demo" // project and machine
)

// simulatedSource is where the simulated host pretends to import from.
const simulatedSource = "file:///simulated/guest.img?size=67108864"

// declareHost makes region, zone, and the host with its agent.
func (s *sandbox) declareHost(ctx context.Context) error {
	step := s.show.Step("region")
	fresh := false
	ensure := func(kind, name, path string, body map[string]any) (string, error) {
		id, made, err := s.api.ensure(ctx, kind, name, path, body)
		fresh = fresh || made
		return id, err
	}
	var err error
	if s.ids.region, err = ensure("region", regionName, "/region", map[string]any{"domain": "sandbox.internal"}); err != nil {
		return step.Fail(err)
	}
	if s.ids.zone, err = ensure("zone", zoneName, "/region/"+s.ids.region+"/zone", map[string]any{}); err != nil {
		return step.Fail(err)
	}
	if s.ids.agent, err = ensure("agent", hostName, "/agent", map[string]any{"type": "Kaktus"}); err != nil {
		return step.Fail(err)
	}
	if _, err = ensure("kaktus", hostName, "/zone/"+s.ids.zone+"/kaktus", map[string]any{"agents": []string{s.ids.agent}}); err != nil {
		return step.Fail(err)
	}
	finish(step, fresh)("region %s, zone %s, host %s", regionName, zoneName, hostName)
	return nil
}

// finish ends a step by whether it had something to do.
func finish(step *term.Step, made bool) func(string, ...any) {
	if made {
		return step.Done
	}
	return step.Skip
}

// declareNetwork makes the segment and its subnets, and returns them as Kahuna has them.
func (s *sandbox) declareNetwork(ctx context.Context) ([]lan, error) {
	step := s.show.Step("network")
	var fresh bool
	var err error
	if s.ids.vnet, fresh, err = s.api.ensure(ctx, "vnet", vnetName, "/region/"+s.ids.region+"/vnet",
		map[string]any{"interface": s.decided.Bridge, "private": true, "vlan": 0}); err != nil {
		return nil, step.Fail(err)
	}
	network, err := netip.ParsePrefix(s.decided.Network)
	if err != nil {
		return nil, step.Fail(fault.Wrap(err, fault.Internal, "read "+s.mark()))
	}
	subnets := lans(network)
	for i, l := range subnets {
		id, made, err := s.api.ensure(ctx, "subnet", l.Name, "/vnet/"+s.ids.vnet+"/subnet", map[string]any{
			"cidr": l.Prefix.String(), "gateway": l.Gateway.String(), "gw_pool": []map[string]string{{"first": l.GwFirst.String(), "last": l.GwLast.String()}}})
		if err != nil {
			return nil, step.Fail(err)
		}
		fresh = fresh || made
		if subnets[i].gateways, err = s.gateways(ctx, id); err != nil {
			return nil, step.Fail(err)
		}
	}
	finish(step, fresh)("%s on bridge %s, %d subnets", s.decided.Network, s.decided.Bridge, len(subnets))
	return subnets, nil
}

// maxGateways bounds what one subnet makes this machine take; somebody may have widened its pool.
const maxGateways = 16

// gateways are the addresses of a subnet that this machine has to answer at: the subnet's router and
// those that projects get for their gateways.
func (s *sandbox) gateways(ctx context.Context, subnet string) ([]netip.Addr, error) {
	var told struct {
		Gateway netip.Addr `json:"gateway"`
		GwPool  []struct {
			First netip.Addr `json:"first"`
			Last  netip.Addr `json:"last"`
		} `json:"gw_pool"`
	}
	if err := s.api.call(ctx, http.MethodGet, "/api/v1/subnet/"+subnet, nil, &told); err != nil {
		return nil, err
	}
	out := []netip.Addr{told.Gateway}
	for _, r := range told.GwPool {
		for a := r.First; a.IsValid() && !r.Last.Less(a) && len(out) < maxGateways; a = a.Next() {
			out = append(out, a)
		}
	}
	return out, nil
}

// declareStorage makes the pool and imports the template.
func (s *sandbox) declareStorage(ctx context.Context, source string) error {
	step := s.show.Step("pool")
	id, made, err := s.api.ensure(ctx, "pool", poolName, "/region/"+s.ids.region+"/pool", map[string]any{"pool": "dir:" + poolName, "agents": []string{s.ids.agent}})
	if err != nil {
		return step.Fail(err)
	}
	s.ids.pool = id
	finish(step, made)("%s", s.pool())

	step = s.show.Step("template")
	watched, stop := context.WithCancel(ctx)
	defer stop()
	go s.watchImport(watched, step)
	name := templateName(s.cfg.Image)
	s.ids.template, made, err = s.api.ensure(ctx, "template", name, "/pool/"+id+"/template", map[string]any{"os": "linux", "source": source})
	if err == nil && s.cfg.Image != "" {
		err = s.api.call(ctx, http.MethodPatch, "/api/v1/pool/"+id+"/template/"+s.ids.template+"/default", nil, nil)
	}
	if err != nil {
		return step.Fail(err)
	}
	finish(step, made)("%s", name)
	return nil
}

// watchImport shows how far the import is. What cannot be shown is no failure.
func (s *sandbox) watchImport(ctx context.Context, step *term.Step) {
	for pause(ctx, 500*time.Millisecond) == nil {
		var list struct {
			Items []struct {
				State    string `json:"state"`
				Target   object `json:"target"`
				Progress struct{ Done, Total int64 }
			} `json:"items"`
		}
		if s.api.call(ctx, http.MethodGet, "/api/v2/operations?state=running", nil, &list) != nil {
			return
		}
		for _, o := range list.Items {
			if o.Progress.Done > 0 {
				step.Update(o.Progress.Done, o.Progress.Total)
			}
		}
	}
}

var notName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// templateName names the template after its image.
func templateName(image string) string {
	if image == "" {
		return "guest"
	}
	path, _, _ := strings.Cut(strings.SplitN(image, "?", 2)[0], "#")
	name := filepath.Base(path)
	for _, ext := range []string{".gz", ".xz", ".zst", ".img", ".raw", ".qcow2"} {
		name = strings.TrimSuffix(name, ext)
	}
	name = strings.Trim(notName.ReplaceAllString(name, "-"), "-.")
	if name == "" {
		return "image"
	}
	return name
}

// adopt copies an image into the directory that Kaktus may import from.
func (p place) adopt(image string) (string, error) {
	const op = "copy the image"
	from, err := os.Open(strings.TrimPrefix(image, "file://"))
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, op)
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fault.Bad("image", "%s is no file", image)
	}
	path := filepath.Join(p.images(), notName.ReplaceAllString(filepath.Base(from.Name()), "-"))
	if err := os.MkdirAll(p.images(), 0o755); err != nil {
		return "", fault.Wrap(err, fault.Unavailable, op)
	}
	to, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, op)
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(path+".part", path)
	}
	return path, fault.Wrap(err, fault.Unavailable, op)
}

// declareProject makes the project. Its machines get a key pair and a root password made here.
func (s *sandbox) declareProject(ctx context.Context) error {
	step := s.show.Step("project")
	public, err := s.bootstrapKey()
	if err != nil {
		return step.Fail(fault.Wrap(err, fault.Unavailable, "make an SSH key"))
	}
	password, err := kept(s.rootPassword(), func() (string, error) { return rand.Text()[:16], nil })
	if err != nil {
		return step.Fail(fault.Wrap(err, fault.Unavailable, "make a root password"))
	}
	id, made, err := s.api.ensure(ctx, "project", demo, "/project", map[string]any{"domain": "demo.sandbox.internal", "teams": []string{}, "regions": []string{s.ids.region},
		"root_password": password, "bootstrap_user": "kowabunga", "bootstrap_pubkey": public})
	if err != nil {
		return step.Fail(err)
	}
	s.ids.project = id
	finish(step, made)("%s, root password in %s", demo, s.rootPassword())
	return nil
}

// bootstrapKey makes an SSH key pair once and returns the public half as an authorized_keys line. The
// private half is written last: where it is, the pair is whole.
func (p place) bootstrapKey() (string, error) {
	if _, err := os.Stat(p.sshKey()); err == nil {
		text, err := os.ReadFile(p.sshKey() + ".pub")
		return strings.TrimSpace(string(text)), err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "kowabunga sandbox")
	if err != nil {
		return "", err
	}
	text := bytes.TrimSpace(ssh.MarshalAuthorizedKey(line))
	if err := keep(p.sshKey()+".pub", append(text, '\n'), 0o644); err != nil {
		return "", err
	}
	return string(text), keep(p.sshKey(), pem.EncodeToMemory(block), 0o600)
}

// The machine that is made: enough for the small guest, and for images that are given more.
func (s *sandbox) shape() (vcpus, memory, disk int64) {
	if s.cfg.Image != "" {
		return 2, 1 << 30, 8 << 30
	}
	return 1, 256 << 20, 1 << 30
}

// makeMachine makes the machine and returns its address.
func (s *sandbox) makeMachine(ctx context.Context) (string, error) {
	step := s.show.Step("machine")
	vcpus, memory, disk := s.shape()
	id, made, err := s.api.ensure(ctx, string(model.KindKompute), demo, "/project/"+s.ids.project+"/zone/"+s.ids.zone+"/kompute?templateId="+s.ids.template,
		map[string]any{"vcpus": vcpus, "memory": memory, "disk": disk})
	if err != nil {
		return "", step.Fail(err)
	}
	var told struct {
		IP string `json:"ip"`
	}
	if err := s.api.call(ctx, http.MethodGet, "/api/v1/kompute/"+id, nil, &told); err != nil {
		return "", step.Fail(err)
	}
	finish(step, made)("%s has %s", demo, told.IP)
	return told.IP, nil
}

// wake starts machines that should run and do not, because they were killed, or this machine was. Those
// that somebody stopped stay as they are.
func (s *sandbox) wake(ctx context.Context) error {
	if s.decided.Simulate {
		return nil
	}
	machines, err := s.machines()
	if err != nil {
		return err
	}
	for _, m := range machines {
		if !m.Run || m.alive() {
			continue
		}
		step := s.show.Step("start")
		// A machine is a Kompute's, or an instance of its own.
		path := "/api/v1/instance/" + m.ID
		var k object
		err := s.api.find(ctx, string(model.KindKompute), m.Name, &k)
		if err == nil {
			path = "/api/v1/kompute/" + k.ID
		}
		if err == nil || fault.Is(err, fault.NotFound) {
			err = s.api.call(ctx, http.MethodPatch, path+"/start", nil, nil)
		}
		if err != nil {
			return step.Fail(err)
		}
		step.Done("%s should run and did not", m.Name)
	}
	return nil
}
