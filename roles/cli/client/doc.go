// Package client is the caller's side of API v2: where the server is and how one proves who one is,
// requests and their answers, operations that run on after an answer, and the stream of events.
//
// Everything the server refuses comes back as a core/fault fault with the server's code, field and
// words and the id of the request, under which the logs of Kahuna and of the agents know it. The API key
// goes to the address it belongs to and nowhere else: redirects are not followed, and a network is
// crossed over TLS only.
package client
