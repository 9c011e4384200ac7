// Package e2e proves the whole: the built program, a real libvirt and QEMU, and the official Go SDK as
// the client.
//
//	cloud      a cloud built through the SDK, one machine's life from creation to deletion
//	sandbox    the sandbox: made, made again, killed, resumed, destroyed without a trace
//	crash      Kahuna and Kaktus killed at every point where something was just done or about to be
//	pair       two Kahunas and their agents, with everything that happens to machines and cables
//	koala      the web interface in a browser, at two Kahunas: what happens to its page, what it shows to whom
//	soak       the same with guests that boot
//
// The tests carry the build tags lab, failpoint and soak.
package e2e
