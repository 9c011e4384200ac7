// Package link is the connection between an agent and Kahuna, the same code at both ends: a WebSocket,
// a mutual SCRAM-SHA-256 handshake, then JSON-RPC 2.0 in both directions.
//
// A Conn answers every call exactly once whatever its handler does, keeps calls apart from one another,
// bounds what waits in either direction and notices a peer that fell silent. One writer owns the
// socket at a time, nothing waits for the network while it holds a lock, and all goroutines of a
// connection end with it.
//
// Dial is the agent's end, Gate the door at Kahuna's. The store behind the Gate holds only what
// verifies a key, never the key, and the key itself never crosses the wire.
//
// A Pipe is what two Kahunas have between them: the same socket and handshake, with one key that both
// hold, and binary messages instead of calls.
package link
