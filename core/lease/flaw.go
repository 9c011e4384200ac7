package lease

// Flaw is a deliberate defect, for proving that the simulator would notice it. Nothing but the simulator
// ever sets one.
type Flaw uint8

// The flaws; each breaks one rule.
const (
	FlawNone                Flaw = iota
	FlawAckOnSentShrink          // M1: acknowledges alone once the shrink is sent, not chosen
	FlawDropPendingGrow          // M2: drops a pending grow without a chosen shrink
	FlawAcceptOlder              // M3: a voter accepts an older number, or a lower epoch
	FlawIgnoreNewest             // M4: a candidate ignores the newest record returned
	FlawServeAfterPromises       // M5: serves after promises, skipping the record (E,0)
	FlawForgetVoter              // M6: a voter forgets promise or record on restart
	FlawKeepWitnessIdentity      // M7: a re-imaged witness keeps its identity
	FlawSingleMajority           // M8: a change of witnesses without both majorities
	FlawContinueEpoch            // M9: a restarted primary continues its epoch
	FlawAppendAfterPromise       // M10: a standby appends records of a lower epoch after promising
	FlawKeepLogID                // M11: a log is discarded without a new log id
	FlawPromiseDuringLease       // M12: promises during a live lease
	FlawNoQuietStart             // M13: promises right after a start
	FlawLeaseFromReply           // M14: counts the lease from the reply
	FlawSoleIgnoresGrow          // M15: "sole" ignores a pending grow
	FlawPublishLocal             // M16: publishes local commits
	FlawAckBeforeSync            // M17: acknowledges before its own fsync
	FlawShowUnpublished          // M18: a refusal, event, desired state or backup from unpublished state
	FlawShowUnannounced          // M19: the standby shows unannounced records
	FlawNoBeginRecord            // M20: no record "epoch begins"
	FlawStopOnPromised           // M21: stops on a merely promised epoch
	FlawRenewWithoutRight        // M22: keeps renewing after the right is lost
	FlawRenewWhileHung           // M23: renews while fsync hangs
	FlawResumeGivenUp            // M24: resumes after it gave up
	FlawSnapshotOverVoter        // M25: a snapshot overwrites the voter's state
	FlawRestoredCommands         // M26: a restored node commands without promotion, or keeps its node id
	FlawAnswerWithOlderWork      // M27: an agent answers an epoch with older work running
	FlawObeyUnsaved              // M28: the obeyed epoch is not on disk
	FlawBlankObeys               // M29: a blank agent obeys
	FlawReleaseUnshown           // M30: an address is released while its agent is unshown
	FlawFreshRequest             // M31: a fresh request id on resume
	FlawAnswersInMemory          // M32: answers are kept in memory only
	FlawGenerationAlone          // M33: generations are compared without epochs
	FlawAllocateUnseen           // M34: allocates before inventory after a lossy promotion
	FlawGoOnUnwritten            // M35: goes on in an epoch of which records are not on disk that the other node may have
)

// Flaws is a set of flaws.
type Flaws uint64

// Of makes a set.
func Of(flaws ...Flaw) Flaws {
	var s Flaws
	for _, f := range flaws {
		s |= 1 << f
	}
	return s
}

// Has tells whether a flaw is in the set.
func (s Flaws) Has(f Flaw) bool { return s&(1<<f) != 0 }
