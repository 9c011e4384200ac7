// Package world is the deterministic simulator of two Kahunas and their agents: virtual time, network,
// disks and clocks around the very state machines that run in production (core/lease), with clients that
// write and read, faults chosen from a seed, and checks after every step.
//
// # How a run goes
//
// Everything that happens is an entry of one heap, ordered by virtual time and then by the order of its
// making; all chance comes from one generator. The same seed gives the same run, byte for byte, whatever
// else the machine does: a run never looks at a clock, starts no goroutine and walks no map.
//
//	World     time, the generator, the trace
//	host      a boot clock with an offset and a drift, a wall clock that jumps
//	process   runs on a host; can be paused, killed and started again
//	disk      of a host: writes take time, and a crash keeps only some of those under way
//	link      from one place to another: cut, stalled, slow, lossy, repeating
//	node      a Kahuna: lease.Replica, its log, what it has published, its committer
//	agent     a lease.Voter, and what it does and holds for operations: lease.Keeper and lease.Ledger
//	operations what a primary does with agents: announces itself, hands out addresses, takes them back (lease.Shown)
//	client    writes and reads, and remembers what it was told
//	truth     what was ever published, acknowledged or obeyed; says when a rule is broken
//	service   who could serve, and whether somebody does within a minute
//
// Random runs choose some kinds of faults and how often they strike (chaos.go, faults.go); then all faults
// end and everything must come together within a minute. Scenarios (scenarios/*.txtar) are scripts, one for
// each way that is known to go wrong; the log that each leaves is kept beside it, for people to read.
//
// A deliberate defect (lease.Flaw) is honoured where production would have it: in core/lease, and in what
// stands here for the store, the agents and the operations. Each is noticed by a scenario.
package world
