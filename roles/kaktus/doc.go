// Package kaktus is the agent of a hypervisor host: it does what Kahuna asks for with the machines,
// disks, images and bridges of this host, and reports what happens to them.
//
//	compute  machines, through the local libvirt
//	block    storage pools: template images, volumes, configuration disks
//	seed     the NoCloud configuration disk itself
//	bridge   the bridges machines are attached to
//	turn     one thing at a time for each machine, disk and image
//
// The packages below know nothing of Kahuna; this one binds them to the protocol. A Kaktus serves its
// machines without Kahuna: the last desired state is on disk, and so is which machines should run.
package kaktus
