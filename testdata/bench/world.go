package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kowabunga/core/access/credential"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// world is what a Kahuna of some size knows, written straight into its store before it starts.
type world struct {
	store *store.Store
	draw  *model.Draw
	batch []model.Object

	region, vnet model.ID
	zones        []model.ID
	hosts        []model.ID
	agents       []string // KIND:ID:KEYFILE of each host's agent
	projects     []model.ID
	subnets      []model.ID
	instances    []model.ID
}

// batchSize is how many objects one commit writes.
const batchSize = 2000

// fill writes hosts in four zones, projects with a subnet each, and machines spread over both.
func fill(ctx context.Context, dir string, hosts, projects, machines int) (*world, error) {
	s, err := opened(dir, store.Retention{})
	if err != nil {
		return nil, err
	}
	w := &world{store: s, draw: model.NewDraw([32]byte{1}, time.Now())}
	if err := w.places(hosts, dir+"-keys"); err != nil {
		return nil, err
	}
	w.tenants(projects, machines)
	if err := w.commit(ctx); err != nil {
		return nil, err
	}
	return w, w.store.Close()
}

// opened is the store of a Kahuna that does not run.
func opened(dir string, r store.Retention) (*store.Store, error) {
	text, err := os.ReadFile(filepath.Join(dir, "secrets", "sealing-key"))
	if err != nil {
		return nil, err
	}
	var key store.Key
	if _, err := hex.Decode(key[:], []byte(strings.TrimSpace(string(text)))); err != nil {
		return nil, err
	}
	return store.Open(store.Options{Dir: filepath.Join(dir, "data"), Tables: append(catalogue.Tables(), operation.Table), SealKey: key, Retention: r})
}

// add remembers an object for the commit and gives it an id and a name.
func (w *world) add(name string, o model.Object) model.ID {
	m := o.Base()
	m.ID, m.Name = w.draw.ID(), name
	w.batch = append(w.batch, o)
	return m.ID
}

func (w *world) commit(ctx context.Context) error {
	for from := 0; from < len(w.batch); from += batchSize {
		part := w.batch[from:min(from+batchSize, len(w.batch))]
		if _, err := w.store.Update(ctx, store.Cause{Actor: "bench", What: "fill"}, func(d model.Draft) error {
			for _, o := range part {
				if err := d.Put(o); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// places makes the hosts; the keys of their agents are put into a folder.
func (w *world) places(hosts int, keys string) error {
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	w.region = w.add("bench", &model.Region{Domain: "bench.test"})
	for i := range 4 {
		w.zones = append(w.zones, w.add(fmt.Sprintf("bench-%d", i), &model.Zone{Region: w.region}))
	}
	w.vnet = w.add("bench", &model.VNet{Region: w.region, Interface: "brbench", VLAN: 100, Private: true})
	for i := range hosts {
		agent := w.add(fmt.Sprintf("host-%d", i), &model.Agent{Type: "Kaktus"})
		key := credential.NewAgentKey(w.draw)
		t := &model.Token{Agent: agent}
		credential.NewProof(w.draw, key).Keep(t)
		w.add(fmt.Sprintf("host-%d-api-key", i), t)
		path := filepath.Join(keys, string(agent))
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			return err
		}
		w.agents = append(w.agents, fmt.Sprintf("Kaktus:%s:%s", agent, path))
		w.hosts = append(w.hosts, w.add(fmt.Sprintf("host-%d", i), &model.Kaktus{Zone: w.zones[i%len(w.zones)], Agents: []model.ID{agent}, OvercommitCPU: 3, OvercommitMemory: 2,
			CPUCost: model.Cost{Price: 100, Currency: "EUR"}, MemoryCost: model.Cost{Price: 100, Currency: "EUR"},
			Caps: model.Caps{Arch: "x86_64", Vendor: "AMD", Model: "EPYC", Sockets: 2, Cores: 64, Threads: 128, Memory: 1 << 40, Accel: "kvm"}}))
	}
	return nil
}

func (w *world) tenants(projects, machines int) {
	if projects == 0 {
		return
	}
	user := w.add("ann", &model.User{Email: "ann@bench.test", Role: model.RoleUser, Confirmed: true})
	pool := w.add("bench", &model.Pool{Region: w.region, Pool: "rbd", Cost: model.Cost{Price: 100, Currency: "EUR"}, Capacity: 1 << 50, Available: 1 << 49})
	for i := range projects {
		team := w.add(fmt.Sprintf("team-%d", i), &model.Team{Users: []model.ID{user}})
		project := w.add(fmt.Sprintf("project-%d", i), &model.Project{Domain: fmt.Sprintf("p%d.bench.test", i), Teams: []model.ID{team}, Regions: []model.ID{w.region}})
		w.projects = append(w.projects, project)
		w.subnets = append(w.subnets, w.add(fmt.Sprintf("subnet-%d", i), &model.Subnet{VNet: w.vnet, Project: project, Application: "user",
			CIDR: fmt.Sprintf("10.%d.%d.0/22", i/64, i%64*4), Gateway: fmt.Sprintf("10.%d.%d.1", i/64, i%64*4)}))
	}
	for i := range machines {
		p := i % projects
		name := fmt.Sprintf("machine-%d", i)
		n := i/projects + 10
		adapter := w.add(name, &model.Adapter{Subnet: w.subnets[p], MAC: w.draw.MAC(), Addresses: []string{fmt.Sprintf("10.%d.%d.%d", p/64, p%64*4+n/256, n%256)}})
		disk := w.add(name, &model.Volume{Project: w.projects[p], Region: w.region, Pool: pool, Type: "os", Size: 20 << 30})
		w.instances = append(w.instances, w.add(name, &model.Instance{Project: w.projects[p], Zone: w.zones[i%len(w.hosts)%len(w.zones)], Kaktus: w.hosts[i%len(w.hosts)], OS: "linux",
			VCPUs: 2, Memory: 4 << 30, Adapters: []model.ID{adapter}, Volumes: []model.ID{disk}, Run: true}))
	}
}
