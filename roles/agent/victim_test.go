package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kowabunga/core/agentproto"
)

// What a victim, an agent in a process of its own that a test kills, is told.
const (
	victimDir = "AGENT_TEST_DIR" // its directory; the state is in "state", "effects" has the request of each effect
	victimURL = "AGENT_TEST_URL"
)

// applies is an Applier that holds whatever it is given.
type applies struct{}

func (applies) Apply(context.Context, agentproto.State) ([]string, error) { return nil, nil }

// victim is an agent until it is killed.
func victim() {
	dir := os.Getenv(victimDir)
	effects, err := os.OpenFile(filepath.Join(dir, "effects"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		c := testConfig(filepath.Join(dir, "state"))
		c.URL, c.Backoff = os.Getenv(victimURL), Backoff{Least: time.Millisecond, Most: 20 * time.Millisecond}
		c.States = map[string]Applier{agentproto.StateKaktus: applies{}}
		c.Methods = Methods{"do": {Handle: func(_ context.Context, call *Call) (any, error) {
			_, err := fmt.Fprintln(effects, call.Request)
			return call.Request, err
		}}}
		var a *Agent
		if a, err = New(c); err == nil {
			err = a.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
