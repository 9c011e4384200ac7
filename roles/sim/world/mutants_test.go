package world

import (
	"testing"
	"time"

	"kowabunga/core/lease"
)

// byChance are the flaws that runs of chance notice quickly, most within thirty seeds; the others take
// hundreds (make soak), or a scenario.
var byChance = []lease.Flaw{
	lease.FlawAckOnSentShrink, lease.FlawIgnoreNewest, lease.FlawServeAfterPromises, lease.FlawForgetVoter, lease.FlawKeepWitnessIdentity,
	lease.FlawContinueEpoch, lease.FlawKeepLogID, lease.FlawLeaseFromReply, lease.FlawPublishLocal, lease.FlawAckBeforeSync,
	lease.FlawShowUnpublished, lease.FlawShowUnannounced, lease.FlawNoBeginRecord, lease.FlawSnapshotOverVoter, lease.FlawRestoredCommands,
	lease.FlawAnswerWithOlderWork, lease.FlawObeyUnsaved, lease.FlawBlankObeys, lease.FlawReleaseUnshown, lease.FlawFreshRequest,
	lease.FlawAnswersInMemory, lease.FlawGenerationAlone,
}

func TestChanceNoticesFlaws(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("runs without the race detector")
	}
	for _, flaw := range byChance {
		seed, rule, _ := Search(1, 150, 10*time.Minute, 2, lease.Of(flaw), func() error { return nil })
		if seed == 0 {
			t.Errorf("M%d is not noticed", flaw)
		}
		t.Logf("M%d: seed %d: %s", flaw, seed, rule)
	}
}
