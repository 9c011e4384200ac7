package block

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/turn"
)

// DefaultMaxImage bounds a template image's virtual size, in bytes, when the configuration does not.
const DefaultMaxImage = 1 << 40

// Config is what a host decides about its storage.
type Config struct {
	Pools    map[string]string // directory by pool name; Kahuna names pools, never directories
	StateDir string            // remembers which directories were pools
	Import   Import
	Log      *slog.Logger

	// Grow makes a machine's disk larger: if the machine runs, it tells QEMU, else it calls offline.
	// In either case the machine neither starts nor stops meanwhile.
	Grow func(ctx context.Context, machine, path string, size int64, offline func() error) error
}

// Import is what template sources a host accepts.
type Import struct {
	Dirs     []string       // directories that file URLs may name files in
	Allow    []netip.Prefix // addresses to download from though they are loopback, link-local or metadata services
	MaxBytes int64          // bound on the virtual size; 0 = DefaultMaxImage
	Stall    time.Duration  // a download without a byte for so long has failed; 0 = one minute
}

// Store is all pools of this host. Its methods may be called at once from many places; work on the
// same object takes turns.
type Store struct {
	cfg   Config
	turns turn.Turns

	mu       sync.RWMutex
	pools    map[string]*pool  // prepared ones, by id
	problems map[string]string // of declared pools that are not, by id
	declared []agentproto.Pool
	swept    map[string]bool   // directories that were emptied of a crash's rests in this process
	seen     map[string]string // directory by pool id, also of earlier processes
}

// New makes the store of a host. It has no pools until Apply.
func New(cfg Config) (*Store, error) {
	for name, dir := range cfg.Pools {
		if !filepath.IsAbs(dir) {
			return nil, fault.Bad("pools."+name+".path", "%q is not an absolute path", dir)
		}
	}
	for i, dir := range cfg.Import.Dirs {
		if !filepath.IsAbs(dir) {
			return nil, fault.Bad(fmt.Sprintf("import.dirs[%d]", i), "%q is not an absolute path", dir)
		}
	}
	if cfg.Import.MaxBytes <= 0 {
		cfg.Import.MaxBytes = DefaultMaxImage
	}
	if cfg.Import.Stall <= 0 {
		cfg.Import.Stall = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, pools: map[string]*pool{}, problems: map[string]string{}, swept: map[string]bool{}, seen: map[string]string{}}
	text, err := os.ReadFile(s.seenPath())
	if err == nil {
		err = json.Unmarshal(text, &s.seen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{Code: fault.Internal, Op: "read known pools", Message: s.seenPath() + " cannot be read; restore or remove it", Err: err}
	}
	return s, nil
}

func (s *Store) seenPath() string { return filepath.Join(s.cfg.StateDir, "pools.json") }

// Reconfigure takes over pools and import rules of a new configuration; the next Apply uses them.
func (s *Store) Reconfigure(pools map[string]string, rules Import) error {
	fresh, err := New(Config{Pools: pools, StateDir: s.cfg.StateDir, Import: rules, Log: s.cfg.Log})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.cfg.Pools, s.cfg.Import = fresh.cfg.Pools, fresh.cfg.Import
	declared := s.declared
	s.mu.Unlock()
	for _, problem := range s.Apply(declared) {
		s.cfg.Log.Warn("storage pool has a problem", "problem", problem)
	}
	return nil
}

// Apply takes the declared pools and returns what is wrong with them. Calling it again mends what was
// missing before. Pools that are declared no more stay usable and are reported.
func (s *Store) Apply(declared []agentproto.Pool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declared = slices.Clone(declared)
	s.problems = map[string]string{}
	var problems []string
	for _, want := range declared {
		p, err := s.prepare(want)
		if err != nil {
			delete(s.pools, want.ID)
			s.problems[want.ID] = fault.From(err).Public()
			problems = append(problems, s.problems[want.ID])
			continue
		}
		s.pools[want.ID] = p
	}
	for id, p := range s.pools {
		if !slices.ContainsFunc(declared, func(want agentproto.Pool) bool { return want.ID == id }) {
			problems = append(problems, "pool "+p.name+" ("+id+") is not declared any more; it is left as it is")
		}
	}
	slices.Sort(problems)
	return problems
}

func (s *Store) prepare(want agentproto.Pool) (*pool, error) {
	if err := checkID("pool", want.ID); err != nil {
		return nil, err
	}
	if want.Driver != "dir" {
		return nil, fault.New(fault.Invalid, "pool %s: this build has no storage driver %q; it has \"dir\"", want.Name, want.Driver)
	}
	dir, ok := s.cfg.Pools[want.Name]
	if !ok {
		return nil, fault.New(fault.NotFound, "pool %s: this host's configuration names no directory for it; add pools.%s.path", want.Name, want.Name)
	}
	p := s.pools[want.ID]
	if p == nil || p.dir != dir || p.name != want.Name {
		p = &pool{id: want.ID, name: want.Name, dir: dir}
	}
	if err := p.prepare(s.seen[want.ID] == dir); err != nil {
		return nil, err
	}
	if !s.swept[dir] {
		if err := p.sweep(); err != nil {
			return nil, fault.New(fault.Unavailable, "pool %s: rests of interrupted work cannot be removed: %v", want.Name, err)
		}
		s.swept[dir] = true
	}
	if s.seen[want.ID] != dir {
		s.seen[want.ID] = dir
		body, err := json.Marshal(s.seen)
		if err == nil {
			err = os.MkdirAll(s.cfg.StateDir, 0o700)
		}
		if err == nil {
			err = writeFile(s.seenPath(), s.cfg.StateDir, body)
		}
		if err != nil {
			return nil, fault.New(fault.Unavailable, "pool %s: cannot be remembered: %v", want.Name, err)
		}
	}
	return p, nil
}

// pool finds a usable pool.
func (s *Store) pool(id string) (*pool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.pools[id]; p != nil {
		return p, nil
	}
	if problem := s.problems[id]; problem != "" {
		return nil, fault.New(fault.Unavailable, "%s", problem)
	}
	// Not NotFound: what is asked of a disk in it must wait until it is declared, not pass for done.
	return nil, fault.New(fault.Unavailable, "this host has no pool %.64q, or was not told of it yet", id)
}

// Status tells how full the pools are, declared ones first to last, with what is wrong with them.
func (s *Store) Status() []agentproto.PoolStatus {
	s.mu.RLock()
	defer s.mu.RUnlock()
	status := []agentproto.PoolStatus{}
	for id, p := range s.pools {
		got := p.status()
		if err := p.prepare(true); err != nil {
			got = agentproto.PoolStatus{ID: id, Problem: fault.From(err).Public()}
		}
		status = append(status, got)
	}
	for id, problem := range s.problems {
		status = append(status, agentproto.PoolStatus{ID: id, Problem: problem})
	}
	slices.SortFunc(status, func(a, b agentproto.PoolStatus) int { return strings.Compare(a.ID, b.ID) })
	return status
}

// Inventory lists all images, volumes and configuration disks of all usable pools.
func (s *Store) Inventory() (images []agentproto.Image, volumes []agentproto.Volume, seeds []agentproto.VolumeRef) {
	images, volumes, seeds = []agentproto.Image{}, []agentproto.Volume{}, []agentproto.VolumeRef{}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.pools {
		for _, id := range p.ids(imagesDir, "") {
			if about, err := p.about(id); err == nil {
				images = append(images, about.Image)
			}
		}
		for _, id := range p.ids(volumeDir, ".qcow2") {
			if v, _, err := p.stat(id); err == nil {
				volumes = append(volumes, v)
			}
		}
		for _, id := range p.ids(seedsDir, ".iso") {
			seeds = append(seeds, agentproto.VolumeRef{Pool: p.id, Volume: id})
		}
	}
	return images, volumes, seeds
}
