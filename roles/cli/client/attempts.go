package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/nodes"
)

// Bounds of trying.
const (
	attempts   = 3 // of a request that may be repeated when the connection to the only node breaks
	retryFirst = 300 * time.Millisecond
	retryLast  = time.Second
	// takeover is how long a request waits for a node that acts. A primary that dies is replaced after its
	// lease of 6 s and the quiet time before an election.
	takeover = 30 * time.Second
	// slow is how long the first round waits for each of several nodes, and the second twice as long, and so each
	// later one for a node while another one says that none acts: one that stands still keeps its connections,
	// and says nothing, and so does the other one while it passes requests on to that. What could not be sent
	// again waits longer, since leaving ends it.
	slow       = 4 * time.Second
	slowUnsure = 10 * time.Second
	// still is how long a node that said nothing is not asked again while another one says that none acts: if the
	// first one did, its lease is over by then, and as a rule the election after it.
	still = 12 * time.Second
)

// fate is what became of a request that was sent one time. All false: nothing was begun, and it may be sent
// elsewhere.
type fate struct {
	answered bool // by a Kahuna: that is the answer
	begun    bool // it may have been carried out: only what can be repeated is sent again
	waits    bool // the node is up and says that none acts at the moment
	acts     bool // it says that it acts itself by now: no other need be asked
	silent   bool // the node did not answer in time
	hopeless bool // waiting does not help
}

// errSlow ends an attempt at a node that does not answer while there are others.
var errSlow = errors.New("it did not answer in time")

// fateOf reads an answer that is no success. kahuna tells that the answer has a Kahuna's form, moved that
// it names another known node.
func (c *Client) fateOf(resp *http.Response, kahuna, moved bool) fate {
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return fate{answered: !moved}
	case http.StatusServiceUnavailable:
		switch resp.Header.Get(nodes.OutcomeHeader) {
		case nodes.None:
			return fate{waits: true}
		case nodes.Unknown:
			return fate{begun: true, waits: true}
		}
		fallthrough
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		if !kahuna && c.nodes.several() {
			return fate{begun: true} // of something in between
		}
	}
	return fate{answered: true}
}

// try has a request sent to one node after the other until one answers. again tells that it may be repeated
// although it may have been carried out. With one node known, a connection that fails is told at once; while
// several are known, or one says that none acts, it goes on for the time of a take-over.
func (c *Client) try(ctx context.Context, again bool, send func(base string, patience time.Duration) (fate, error)) error {
	began, wait, returned := time.Now(), c.retry, false
	silent := map[string]time.Time{} // nodes that did not answer in time, and when they were asked
	for round := 1; ; round++ {
		var failures []error
		lost, waits, doubt := true, false, false
		for tried := map[string]bool{}; ; {
			base := c.nodes.next(tried, silent)
			if at := silent[base]; base == "" || waits && time.Since(at) < c.still {
				break
			}
			tried[base] = true
			asked := time.Now()
			patience := answerTimeout
			if (round <= 2 || waits) && c.nodes.several() {
				if patience = time.Duration(min(round, 2)) * c.slow; !again {
					patience = max(patience, slowUnsure)
				}
			}
			became, err := send(base, patience)
			if delete(silent, base); became.silent {
				silent[base] = asked
			}
			switch {
			case became.answered:
				c.nodes.answered(base)
				return err
			case ctx.Err() != nil, became.begun && !again:
				return err
			}
			if !became.waits {
				c.nodes.failed(base)
			}
			failures = append(failures, err)
			lost = lost && became.hopeless
			waits, doubt = waits || became.waits, doubt || became.begun
			if became.acts && !returned { // once: it may be mistaken
				returned = true
				c.nodes.lead(base)
				break
			}
		}
		err := together(failures)
		switch several := c.nodes.several(); {
		case lost, time.Since(began) > c.takeover:
			return err
		case !several && !waits && (!doubt || round == attempts):
			return err
		case round == 1 && c.Waiting != nil && (several || waits):
			c.Waiting(err)
		}
		if paused := pause(ctx, wait+rand.N(wait/4+1)); paused != nil { // many may wait for the same node
			return paused
		}
		wait = min(2*wait, retryLast)
	}
}

// together is what came of a round: the only failure, or that of each node.
func together(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	var says []string
	for _, err := range failures {
		says = append(says, fault.From(err).Public())
	}
	return fault.New(fault.Unavailable, "none of the %d Kahunas answers it: %s", len(failures), strings.Join(says, "; "))
}
