// Package sim is agents without hosts. A simulated Kaktus speaks exactly the protocol of a real one,
// through the same agent and link packages, and keeps machines, volumes, images and seeds in memory. A
// simulated Kiwi, and a Kaktus for the gateways and load balancers on it, hold their desired states and
// check them.
// A thousand of them fit in one process, which is how Kahuna is tried without hardware.
package sim
