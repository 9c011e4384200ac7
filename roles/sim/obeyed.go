package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Obeyed is one command or desired state that a simulated agent began to carry out.
type Obeyed struct {
	Time    time.Time        `json:"time"`
	Agent   string           `json:"agent"`
	Method  string           `json:"method"`            // "state NAME" for a desired state
	Request string           `json:"request,omitempty"` // of a command
	Epoch   agentproto.Epoch `json:"epoch"`
	// Generation is that of a desired state.
	Generation uint64 `json:"generation,omitempty"`
}

// Journal is the file in which agents write down what they obey, before they do it. It outlives them and
// may be shared.
type Journal struct {
	mu sync.Mutex
	f  *os.File
}

// OpenJournal goes on with a journal or begins one.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: "open the journal of commands", Field: "obeyed", Message: path + " cannot be written", Err: err}
	}
	return &Journal{f: f}, nil
}

// Close ends it.
func (j *Journal) Close() error { return j.f.Close() }

// obey writes an entry; without a journal it does nothing. What is not written down is not done. An agent's
// own look at what it holds has no epoch: nobody commands it.
func (j *Journal) obey(o Obeyed) error {
	if j == nil || o.Epoch == (agentproto.Epoch{}) {
		return nil
	}
	o.Time = time.Now()
	line, err := json.Marshal(o)
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		_, err = j.f.Write(append(line, '\n')) // one write: whole, or the process is gone
	}
	return fault.Wrap(err, fault.Unavailable, "write down the command")
}

// ReadJournal reads what was obeyed, in order. A last line that is cut off was not obeyed.
func ReadJournal(path string) ([]Obeyed, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Obeyed
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		var o Obeyed
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(all)+1, path, err)
		}
		all = append(all, o)
	}
}

// Backwards are the entries that no agent should have: what it obeyed in an epoch below one that it had
// obeyed before. A desired state that an agent takes up again, as it does when it starts, is none.
func Backwards(all []Obeyed) []Obeyed {
	highest, had := map[string]agentproto.Epoch{}, map[Obeyed]bool{}
	var wrong []Obeyed
	for _, o := range all {
		state := Obeyed{Agent: o.Agent, Method: o.Method, Epoch: o.Epoch, Generation: o.Generation}
		switch {
		case o.Epoch.Compare(highest[o.Agent]) >= 0:
			highest[o.Agent] = o.Epoch
		case o.Generation == 0 || !had[state]:
			wrong = append(wrong, o)
		}
		had[state] = true
	}
	return wrong
}
