package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"kowabunga/roles/sandbox/hypervisor"
)

// escapes are the control sequences of ECMA-48 that consoles are full of.
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\-_])")

// Status is how a sandbox is.
type Status struct {
	Dir       string `json:"dir"`
	URL       string `json:"url"`
	Simulated bool   `json:"simulated"`
	Parts     []Part `json:"parts"`
}

// Part is one thing a sandbox has. State is "running", "stopped", "ready", "missing" or "unknown"; that
// of a machine is in lower case what API v1 calls it.
type Part struct {
	Part   string `json:"part"`           // "kahuna", "libvirt", "kaktus", "network", "pool", "template", "project", "machine"
	Name   string `json:"name,omitempty"` // of a machine and what else there may be several of
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// askWithin bounds each question of a status.
const askWithin = 10 * time.Second

// Look tells how the sandbox in a directory is. It changes nothing. Fault: NotFound when there is none.
func Look(ctx context.Context, dir string) (Status, error) {
	s := &sandbox{place: place{dir}}
	d, exists, err := s.recall()
	if err != nil {
		return Status{}, err
	}
	if !exists {
		return Status{}, noSandbox(dir)
	}
	s.decided = d
	st := Status{Dir: dir, URL: s.url(), Simulated: d.Simulate}
	st.Parts = append(st.Parts, s.kahunaPart(ctx))
	online := s.online(ctx)
	if d.Simulate {
		st.Parts = append(st.Parts, hostPart("sim", s.simPids(), online))
	} else {
		st.Parts = append(st.Parts, s.libvirtPart(), hostPart("kaktus", s.kaktusDaemon().pids(), online), s.networkPart())
	}
	return s.declared(ctx, st), nil
}

func (s *sandbox) kahunaPart(ctx context.Context) Part {
	p := Part{Part: "kahuna", State: "stopped"}
	if _, err := os.Stat(s.path("kahuna", "kahuna.yaml")); err != nil {
		p.State = "missing"
	}
	if pids := s.kahunaDaemon().pids(); len(pids) > 0 {
		p.State, p.Detail = "starting", fmt.Sprintf("pid %d", pids[0])
		var cred credentials
		text, err := os.ReadFile(s.credentials())
		if err == nil {
			err = json.Unmarshal(text, &cred)
		}
		if err != nil {
			return p
		}
		if s.api, err = newClient(cred, s.ca()); err != nil {
			return p
		}
		ctx, cancel := context.WithTimeout(ctx, askWithin)
		defer cancel()
		if err := s.api.call(ctx, http.MethodGet, "/api/v2/whoami", nil, nil); err != nil {
			s.api = nil
			return p
		}
		p.State = "running"
	}
	return p
}

// online tells whether the sandbox's agent is connected, as far as Kahuna can be asked.
func (s *sandbox) online(ctx context.Context) bool {
	if s.api == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	st, err := s.kahunaStatus(ctx)
	if err != nil {
		return false
	}
	for _, a := range st.Agents {
		if a.Name == hostName {
			return a.Online
		}
	}
	return false
}

func hostPart(name string, pids []int, online bool) Part {
	p := Part{Part: name, State: "stopped"}
	if len(pids) > 0 {
		p.State, p.Detail = "running", fmt.Sprintf("pid %d, not connected", pids[0])
		if online {
			p.Detail = fmt.Sprintf("pid %d, connected", pids[0])
		}
	}
	return p
}

func (s *sandbox) libvirtPart() Part {
	p := Part{Part: "libvirt", State: "stopped"}
	if s.decided.Libvirt != "" {
		if socket, ok := hypervisor.SystemSocket(); ok && socket == s.decided.Libvirt {
			p.State = "running"
		}
		p.Detail = "the system's, " + s.decided.Libvirt
		return p
	}
	if st := (hypervisor.Daemon{Dir: s.libvirt()}).Status(); st.Running {
		p.State, p.Detail = "running", fmt.Sprintf("pid %d, version %s", st.PID, st.Version)
	}
	return p
}

func (s *sandbox) networkPart() Part {
	p := Part{Part: "network", Name: s.decided.Bridge, State: "missing"}
	if addresses, ok := addressesOf(s.decided.Bridge); ok {
		p.State, p.Detail = "ready", strings.Join(addresses, " ")
		if len(addresses) == 0 {
			p.State, p.Detail = "stopped", "this machine has no address on it"
		}
	}
	return p
}

// declared adds what Kahuna has. While it does not answer that is unknown.
func (s *sandbox) declared(ctx context.Context, st Status) Status {
	for _, want := range []struct{ kind, name string }{{"pool", poolName}, {"template", ""}, {"project", demo}, {"kompute", ""}} {
		part := want.kind
		if part == "kompute" {
			part = "machine"
		}
		if s.api == nil {
			st.Parts = append(st.Parts, Part{Part: part, Name: want.name, State: "unknown"})
			continue
		}
		path := "/api/v2/" + want.kind + "?limit=1000"
		if want.name != "" {
			path += "&name=" + url.QueryEscape(want.name)
		}
		var list struct {
			Items []struct {
				object
				IP string `json:"ip"`
			} `json:"items"`
		}
		asking, cancel := context.WithTimeout(ctx, askWithin)
		err := s.api.call(asking, http.MethodGet, path, nil, &list)
		cancel()
		if err != nil {
			st.Parts = append(st.Parts, Part{Part: part, Name: want.name, State: "unknown", Detail: err.Error()})
			continue
		}
		if len(list.Items) == 0 {
			st.Parts = append(st.Parts, Part{Part: part, Name: want.name, State: "missing"})
		}
		for _, o := range list.Items {
			p := Part{Part: part, Name: o.Name, State: o.Phase, Detail: o.IP}
			if part == "machine" && o.Phase == "ready" {
				p.State = "unknown"
				if state, err := s.state(ctx, o.ID); err == nil {
					p.State = strings.ToLower(state)
				}
			}
			st.Parts = append(st.Parts, p)
		}
	}
	return st
}

// state is what a machine does, in the words of API v1.
func (s *sandbox) state(ctx context.Context, machine string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var told struct {
		State string `json:"state"`
	}
	err := s.api.call(ctx, http.MethodGet, "/api/v2/kompute/"+url.PathEscape(machine)+"/state", nil, &told)
	return told.State, err
}
