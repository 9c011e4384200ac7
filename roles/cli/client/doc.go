// Package client is the caller's side of API v2: where the server is and how one proves who one is,
// requests and their answers, operations that run on after an answer, and the stream of events.
//
// Everything the server refuses comes back as a core/fault fault with the server's code, field and
// words and the id of the request, under which the logs of Kahuna and of the agents know it.
//
// Where two Kahunas serve one cloud the client knows both: the credentials name them, and every answer tells
// them (package core/nodes). A request goes to the one that answered last. When it does not answer, or may
// not act, the request goes to the other, if that cannot do anything twice: nothing was begun, it is a read,
// or it carries the Idempotency-Key it had before.
//
// The API key goes to the address it belongs to, to the addresses that a server which has it tells, and
// nowhere else: other redirects are not followed, and a network is crossed over TLS only.
package client
