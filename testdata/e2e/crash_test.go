//go:build lab && failpoint

package e2e

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
)

// scene is one request of a machine's life, with what has to be there before and what must be true after.
type scene struct {
	name   string
	before func(*cloud)
	act    func(*cloud) error // the request; may be repeated until it succeeds
	after  func(*cloud)       // checks, and removes everything
}

// crashing is how the machines of these tests are called.
const crashing = "crash-1"

// current is the id of the kompute or template of this name.
func (c *cloud) current(kind, name string) string {
	c.t.Helper()
	ctx := context.Background()
	ids, read := []string(nil), func(string) (string, error) { return "", nil }
	var err error
	switch kind {
	case "kompute":
		ids, _, err = c.api.KomputeAPI.ListKomputes(ctx).Execute()
		read = func(id string) (string, error) {
			o, _, err := c.api.KomputeAPI.ReadKompute(ctx, id).Execute()
			return o.GetName(), err
		}
	case "template":
		ids, _, err = c.api.TemplateAPI.ListTemplates(ctx).Execute()
		read = func(id string) (string, error) {
			o, _, err := c.api.TemplateAPI.ReadTemplate(ctx, id).Execute()
			return o.GetName(), err
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, id := range ids {
		if got, err := read(id); err == nil && got == name {
			return id
		}
	}
	c.t.Fatalf("there is no %s %q", kind, name)
	return ""
}

func create(c *cloud) error {
	k, answer, err := c.api.ProjectAPI.CreateProjectZoneKompute(context.Background(), c.project, c.zone).Kompute(*sdk.NewKompute(crashing, 128*mib, 1, gib)).Execute()
	if err == nil && (answer.StatusCode != http.StatusCreated || k.GetIp() == "") {
		c.t.Errorf("the create was answered %s with the address %q", answer.Status, k.GetIp())
	}
	return err
}

func must1(c *cloud, what string, err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: %v%s", what, err, reason(err))
	}
}

// remove deletes the machine, of which there must be exactly one.
func remove(c *cloud) {
	c.t.Helper()
	if n := len(c.domains()); n != 1 {
		c.t.Errorf("libvirt has %d domains, want the one: %v", n, c.domains())
	}
	_, err := c.api.KomputeAPI.DeleteKompute(context.Background(), c.current("kompute", crashing)).Execute()
	must1(c, "delete", err)
}

func running(c *cloud, want bool) {
	c.t.Helper()
	state := map[bool]string{true: "Running", false: "Shutoff"}[want]
	if got := c.state(c.current("kompute", crashing)); got != state {
		c.t.Errorf("the machine is %s, want %s", got, state)
	}
	if got := c.domains()[c.domain(crashing)]; got != want {
		c.t.Errorf("libvirt says running %v, want %v", got, want)
	}
	if want && thorough {
		c.console(crashing, "login:")
	}
}

// dieAt has a daemon killed only at points whose names begin like this, to look into one of them:
// go test -tags 'lab failpoint' -run '^TestCrash$' -die operate. ./testdata/e2e
var dieAt = flag.String("die", "", "kill at points that begin with this")

// thorough waits for guests to boot and dies at every point of the store too: the soak test's way.
var thorough bool

// scenes follow a machine from its template to its end.
func scenes() []scene {
	ctx := context.Background()
	made := func(c *cloud) {
		must1(c, "create", create(c))
		c.made.kompute = c.current("kompute", crashing)
	}
	imported := func(c *cloud) error {
		_, answer, err := c.api.PoolAPI.CreateTemplate(ctx, c.pool).Template(*sdk.NewTemplate("crash", "file://"+c.image())).Execute()
		if err == nil && answer.StatusCode != http.StatusCreated {
			c.t.Errorf("the import was answered %s", answer.Status)
		}
		return err
	}
	// What a deletion was for is reached when the object is gone, whoever heard of it.
	gone := func(answer *http.Response, err error) error {
		if err != nil && answer != nil && answer.StatusCode == http.StatusNotFound {
			return nil
		}
		return err
	}
	forget := func(c *cloud) error {
		answer, err := c.api.TemplateAPI.DeleteTemplate(ctx, c.made.template).Execute()
		return gone(answer, err)
	}
	return []scene{
		{"import", func(*cloud) {}, imported, func(c *cloud) {
			c.made.template = c.current("template", "crash")
			must1(c, "delete template", forget(c))
		}},
		{"forget", func(c *cloud) {
			must1(c, "import", imported(c))
			c.made.template = c.current("template", "crash")
		}, forget, func(*cloud) {}},
		{"create", func(*cloud) {}, create, func(c *cloud) { running(c, true); remove(c) }},
		{"stop", made, func(c *cloud) error {
			_, err := c.api.KomputeAPI.StopKompute(ctx, c.made.kompute).Execute()
			return err
		}, func(c *cloud) { running(c, false); remove(c) }},
		{"start", func(c *cloud) {
			made(c)
			_, err := c.api.KomputeAPI.StopKompute(ctx, c.made.kompute).Execute()
			must1(c, "stop", err)
		}, func(c *cloud) error {
			_, err := c.api.KomputeAPI.StartKompute(ctx, c.made.kompute).Execute()
			return err
		}, func(c *cloud) { running(c, true); remove(c) }},
		{"resize", made, func(c *cloud) error {
			k, _, err := c.api.KomputeAPI.UpdateKompute(ctx, c.made.kompute).Kompute(*sdk.NewKompute(crashing, 160*mib, 2, 2*gib)).Execute()
			if err == nil && (k.Vcpus != 2 || k.Disk != 2*gib || k.Memory != 160*mib) {
				c.t.Errorf("the resized machine is %+v", k)
			}
			return err
		}, func(c *cloud) { running(c, true); remove(c) }},
		{"delete", made, func(c *cloud) error {
			answer, err := c.api.KomputeAPI.DeleteKompute(ctx, c.made.kompute).Execute()
			return gone(answer, err)
		}, func(*cloud) {}},
	}
}

// victim is a daemon that is killed: how it is started anew, with more environment.
type victim struct {
	name    string
	restart func(c *cloud, env ...string)
	process func(c *cloud) *process
}

// grace keeps guests that are still booting, and hear no power button, from holding up every case.
const grace = "KOWABUNGA_KAHUNA_STOP_GRACE=1s"

var victims = []victim{
	{"kahuna", func(c *cloud, env ...string) {
		c.proc.kill()
		if env != nil {
			// An agent waits longer and longer for a Kahuna that goes away again and again: a new one begins
			// with short waits. It is not touched when Kahuna dies.
			c.kaktus.kill()
			c.launchKaktus()
		}
		c.server.start(append(env, grace)...)
	}, func(c *cloud) *process { return c.proc }},
	{"kaktus", func(c *cloud, env ...string) {
		c.kaktus.kill()
		c.launchKaktus(env...)
	}, func(c *cloud) *process { return c.kaktus }},
}

// passed counts the points in a failpoint log.
func passed(t testing.TB, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, name := range strings.Fields(string(text)) {
		count[name]++
	}
	return count
}

// point is the n-th passage through a point since the daemon started.
type point struct {
	name string
	n    int
}

// learn runs a scene undisturbed and returns the points that the victim passes on the way.
func learn(c *cloud, s scene, v victim) []point {
	c.t.Helper()
	log := filepath.Join(c.dir, "points")
	c.online() // the last case may have left the agent about to reconnect
	s.before(c)
	os.Remove(log)
	v.restart(c, "KOWABUNGA_FAILPOINT_LOG="+log)
	c.online()
	begin := passed(c.t, log)
	must1(c, s.name, s.act(c))
	end := passed(c.t, log)
	s.after(c)
	c.clean(c.template)
	var out []point
	for name, last := range end {
		for n := begin[name] + 1; n <= last; n++ {
			out = append(out, point{name, n})
		}
	}
	slices.SortFunc(out, func(a, b point) int {
		return cmp.Or(strings.Compare(a.name, b.name), a.n-b.n)
	})
	return out
}

// crash kills the victim at a point of a scene, starts it again, and holds that the request succeeds,
// that what was acknowledged before is still there and that nothing is left in the end.
func crash(c *cloud, s scene, v victim, p point) {
	c.t.Helper()
	c.online()
	s.before(c)
	canary := c.acknowledged()
	v.restart(c, fmt.Sprintf("KOWABUNGA_FAILPOINT=%s=kill@%d", p.name, p.n))
	c.online(v.process(c)) // a machine is only placed on a host that is there
	answered := make(chan error, 1)
	go func() { answered <- s.act(c) }()
	select {
	case <-v.process(c).ended:
		if how, ok := v.process(c).cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || how.Signal() != syscall.SIGKILL {
			c.t.Errorf("%s ended with %v, not killed", v.name, v.process(c).cmd.ProcessState)
		}
	case <-time.After(patience):
		c.t.Errorf("%s never passed %s for the %d. time", v.name, p.name, p.n)
	}
	v.restart(c)
	err := <-answered
	for deadline := time.Now().Add(patience); err != nil; err = s.act(c) {
		if v.name == "kaktus" && !strings.HasPrefix(err.Error(), "503") {
			c.t.Errorf("%s was killed and Kahuna answered %v%s", v.name, err, reason(err))
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s does not succeed any more: %v%s", s.name, err, reason(err))
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, _, err := c.api.TeamAPI.ReadTeam(context.Background(), canary).Execute(); err != nil {
		c.t.Errorf("what was acknowledged before the crash is lost: %v%s", err, reason(err))
	}
	s.after(c)
	c.clean(c.template)
}

// acknowledged makes something that must not get lost.
func (c *cloud) acknowledged() string {
	c.t.Helper()
	c.canaries++
	return made[sdk.Team](c.t, "team")(c.api.TeamAPI.CreateTeam(context.Background()).Team(*sdk.NewTeam(fmt.Sprintf("canary-%d", c.canaries), []string{})).Execute()).GetId()
}

// choose takes the points to die at. The store has four in every commit; what matters there is that a
// commit is whole, which the store's own tests hold for all, so of those one each is taken, and only
// when a machine is made or removed. The agent's memory has a dozen in every step, which its own tests hold
// for all: of those each is taken once, when a machine is started.
func choose(s scene, points []point) []point {
	seen := map[string]int{}
	var out []point
	for _, p := range points {
		if !strings.HasPrefix(p.name, *dieAt) {
			continue
		}
		if strings.HasPrefix(p.name, "agent.") && !thorough {
			if seen[p.name]++; seen[p.name] != 1 || s.name != "start" {
				continue
			}
		}
		if strings.HasPrefix(p.name, "store.") && !thorough {
			if seen[p.name]++; seen[p.name] != 3 || s.name != "create" && s.name != "delete" {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// Kahuna and Kaktus are killed at every journalled point of a machine's life. Two clouds share the work.
func TestCrash(t *testing.T) {
	begin := time.Now()
	var mu sync.Mutex
	distinct, total := map[string]bool{}, 0
	t.Run("clouds", func(t *testing.T) {
		for _, names := range []string{"import forget create stop delete", "start resize"} {
			t.Run(strings.ReplaceAll(names, " ", "-"), func(t *testing.T) {
				t.Parallel()
				c := newCloud(t)
				victims[0].restart(c)
				for _, s := range scenes() {
					if !slices.Contains(strings.Fields(names), s.name) {
						continue
					}
					for _, v := range victims {
						c.crashAll(t, s, v, func(p point) {
							mu.Lock()
							defer mu.Unlock()
							distinct[v.name+" "+p.name] = true
							total++
						})
					}
				}
			})
		}
	})
	t.Logf("%d crashes at %d different points in %.0f s", total, len(distinct), time.Since(begin).Seconds())
	if total < 30 && *dieAt == "" && !t.Failed() {
		t.Errorf("only %d crashes, want at least 30", total)
	}
}

// crashAll kills the victim at every point that a scene passes.
func (c *cloud) crashAll(t *testing.T, s scene, v victim, passed func(point)) {
	var points []point
	c.on(t, s.name+"/"+v.name+"/learn", func() { points = choose(s, learn(c, s, v)) })
	for _, p := range points {
		at := time.Now()
		c.on(t, fmt.Sprintf("%s/%s/%s@%d", s.name, v.name, p.name, p.n), func() { crash(c, s, v, p) })
		t.Logf("%5.1f s  %s: %s dies at %s@%d", time.Since(at).Seconds(), s.name, v.name, p.name, p.n)
		passed(p)
	}
}

// on runs a sub-test with its own reporter. After a failure the cloud may hold anything: the rest is
// called off.
func (c *cloud) on(t *testing.T, name string, do func()) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		before, server := c.t, c.server.t
		c.t, c.server.t = outer{t, before}, outer{t, before}
		defer func() { c.t, c.server.t = before, server }()
		do()
	})
	if !ok {
		t.FailNow()
	}
}

// outer reports to a sub-test and cleans up with the whole test: daemons started in one sub-test serve
// the next ones.
type outer struct {
	testing.TB
	whole testing.TB
}

func (o outer) Cleanup(f func()) { o.whole.Cleanup(f) }
