package kaktus

import (
	"context"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// A share that is asked for is refused in words that reach the person who asked, and taking it back is
// nothing to wait for.
func TestSharesAreRefused(t *testing.T) {
	methods := (&kaktus{}).methods()
	for _, name := range []string{agentproto.MethodShareCreate, agentproto.MethodShareUpdate, agentproto.MethodShareDelete, agentproto.MethodShareUsage} {
		_, err := methods[name].Handle(context.Background(), nil)
		if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "not part of this release of kaktus") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
