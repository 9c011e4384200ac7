// Package agentproto is the contract between Kahuna and its agents: the messages of the handshake, the
// envelope around every JSON-RPC 2.0 call, the methods a Kaktus answers and the events it reports.
//
// An agent dials out over a WebSocket and authenticates with SCRAM-SHA-256 (RFC 7677), mutually. After
// Hello and Welcome both sides speak JSON-RPC 2.0, many calls at once in both directions. Every call
// carries an Envelope: the epoch of the Kahuna that sent it, an id under which a repeat gets its first
// answer, and a deadline.
//
// The types here are data: no sockets, no clocks. Sizes are bytes, addresses are text, ids are those
// of core/model. A release understands the messages of the release before and after it: fields are
// only ever added, absent ones mean their zero value, unknown ones are ignored.
package agentproto
