package world

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// Scenario is a directed run, read from a file in txtar form: a comment that says what is tried, with
// lines "traces ..." and "catches ...", then the files "script" and "log".
type Scenario struct {
	Name    string
	About   string
	Traces  []string // of the ways things are known to go wrong
	Catches []string // flaws that make it fail, such as M1
	Agents  int
	Set     []string // of witnesses
	Apart   bool     // a third node C exists, for restores
	Script  string
	Log     string // what it leaves
}

//go:embed scenarios/*.txtar
var scenarios embed.FS

// Scenarios are those in the program, by name.
func Scenarios() ([]Scenario, error) {
	entries, err := scenarios.ReadDir("scenarios")
	if err != nil {
		return nil, err
	}
	var out []Scenario
	for _, e := range entries {
		data, err := scenarios.ReadFile("scenarios/" + e.Name())
		if err != nil {
			return nil, err
		}
		s, err := ParseScenario(strings.TrimSuffix(e.Name(), ".txtar"), data)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// OpenScenario finds one by its name in the program, or reads a file.
func OpenScenario(name string) (Scenario, error) {
	if data, err := scenarios.ReadFile("scenarios/" + name + ".txtar"); err == nil {
		return ParseScenario(name, data)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return Scenario{}, fault.New(fault.NotFound, "scenario %q is neither one of the program's nor a file that can be read: %v", name, err)
	}
	return ParseScenario(strings.TrimSuffix(path.Base(name), ".txtar"), data)
}

// ParseScenario reads one. Fault: Invalid.
func ParseScenario(name string, data []byte) (Scenario, error) {
	a := txtar.Parse(data)
	s := Scenario{Name: name, Agents: 3}
	var about []string
	for line := range strings.Lines(string(a.Comment)) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "traces":
			s.Traces = words[1:]
		case len(words) > 1 && words[0] == "catches":
			s.Catches = words[1:]
		case len(words) == 2 && words[0] == "agents":
			if _, err := fmt.Sscan(words[1], &s.Agents); err != nil || s.Agents < 0 || s.Agents > 9 {
				return s, fault.New(fault.Invalid, "scenario %s: agents must be a number from 0 to 9", name)
			}
		case len(words) > 1 && words[0] == "set":
			s.Set = words[1:]
		case len(words) == 1 && words[0] == "apart":
			s.Apart = true
		default:
			about = append(about, strings.TrimRight(line, "\n"))
		}
	}
	s.About = strings.TrimSpace(strings.Join(about, "\n"))
	for _, f := range a.Files {
		switch f.Name {
		case "script":
			s.Script = string(f.Data)
		case "log":
			s.Log = string(f.Data)
		default:
			return s, fault.New(fault.Invalid, "scenario %s: %q is neither script nor log", name, f.Name)
		}
	}
	if s.Script == "" {
		return s, fault.New(fault.Invalid, "scenario %s has no script", name)
	}
	if _, err := ParseFlaws(s.Catches); err != nil {
		return s, err
	}
	return s, nil
}

// Run carries a scenario out. The log goes to out, which may be nil. Fault: Invalid, of a script that
// cannot be read.
func (s Scenario) Run(flaws lease.Flaws, out io.Writer) (*Violation, string, error) {
	w := newWorld(Options{Seed: 1, Agents: s.Agents, Witnesses: min(s.Agents, 3), Flaws: flaws})
	w.loseAll = true
	var log bytes.Buffer
	w.trace.quiet = true
	w.apart = s.Apart
	if len(s.Set) > 0 {
		w.set = s.Set
	}
	w.opts.Clients = 1
	w.script = &script{w: w, slowest: 100 * time.Millisecond}
	w.build()
	w.trace.out, w.trace.quiet, w.trace.zero = &log, false, w.now
	if out != nil {
		w.trace.out = io.MultiWriter(&log, out)
	}
	w.script.client = w.clients[0]
	if w.violation != nil {
		w.say("!", "BROKEN  %s: %s", w.violation.Rule, w.violation.Detail)
		return w.violation, log.String(), nil
	}
	w.script.client.name = "client"
	if err := w.script.run(s.Script); err != nil {
		return nil, log.String(), fault.Wrap(err, fault.Invalid, "scenario "+s.Name)
	}
	return w.violation, log.String(), nil
}

// String is the scenario as a file.
func (s Scenario) String() string {
	head := s.About + "\n"
	for _, l := range []struct {
		word string
		list []string
	}{{"traces", s.Traces}, {"catches", s.Catches}, {"set", s.Set}} {
		if len(l.list) > 0 {
			head += l.word + " " + strings.Join(l.list, " ") + "\n"
		}
	}
	if s.Agents != 3 {
		head += fmt.Sprintf("agents %d\n", s.Agents)
	}
	if s.Apart {
		head += "apart\n"
	}
	return string(txtar.Format(&txtar.Archive{Comment: []byte(head), Files: []txtar.File{{Name: "script", Data: []byte(s.Script)}, {Name: "log", Data: []byte(s.Log)}}}))
}
