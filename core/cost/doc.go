// Package cost says what a project costs a month, from the prices that superAdmins gave to hosts and
// pools and from what the project has now. Nothing is kept, so that no bill can drift from what is there.
//
// A virtual CPU and a GiB of memory cost what their host costs, divided by everything the host may
// promise (place.Capacity): threads times overcommit, memory less the host's reserve times overcommit, so
// that a host that promised everything is paid for exactly. A machine is priced on the host it is on,
// so that its price is the one its placement was decided with. A GiB of disk or share costs what its
// pool costs, divided by the pool's capacity. What is not known yet - the hardware of a host that never
// connected, the capacity of a pool nobody reported - costs nothing until it is.
//
// Every price is a whole number of millionths before it is added up: sums do not depend on the order,
// and there is no NaN.
package cost
