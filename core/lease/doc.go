// Package lease decides who may act: which of two Kahunas is the primary, who has every acknowledged
// write, and whom agents obey. It is pure: state machines that take events and return effects. Time is
// the boot-time clock of the machine (CLOCK_BOOTTIME, which runs on in suspend) as a duration; only
// differences count, and clocks of different machines are never compared.
//
// # The words
//
// Three voters decide, any two of them: the two nodes that the record names, and the college, which is a
// majority of the witnesses (some of the agents). The record says who is primary, which logs have every
// acknowledged write (the sync set), who the witnesses are, and the timers. It is chosen once its author
// and one more voter have it on disk; by the author alone while the last chosen record, and all sent
// since, name only its log in the sync set ("sole").
//
// An epoch is one reign of one process. Its primary acts while it has the right to: sole, or a renewal
// answered by the other node or the college, sent less than Timers.Stop ago. Everything it does carries
// the epoch; voters and agents refuse lower ones.
//
// # The machines
//
//	Voter    promises, accepts and renews; every witness is one, every node has one
//	Replica  a node: follows, gets elected, publishes, hands over
//	Keeper   what an agent obeys
//	Ledger   what an agent remembers of steps, so that each has one effect and one answer
//	Shown    what a primary may touch, given which agents have answered its epoch
//
// A machine's methods never block and never fail half: what must be on disk before something may be said
// is an effect (Save) with the saying in its continuation. The same machines run in Kahuna, in the
// agents and in the simulator. Flaws are deliberate defects for the simulator's mutants, none otherwise.
package lease
