// Package fleet is Kahuna's side of its agents: who is connected, calls to them, the desired states
// they shall have, and what they report.
//
// Each agent has at most one session, the newest. A call whose connection drops is asked again, under
// the same request id, when the agent is back, so that it gets the first answer. Desired states are
// level-triggered: the latest is sent until the agent runs it. An agent that knows of two Kahunas keeps a
// session with each and is online only where it obeys: from when it answered that an epoch was won until
// the right to command ends (Rise, Rest). Whoever reads who is online reads an
// immutable Snapshot and takes no lock; no lock is held while anything waits for the network, and a
// slow agent delays only itself.
package fleet
