// Package sandbox is a whole cloud on this one machine: a Kahuna and a Kaktus as real daemons, a
// private network on a bridge, a storage pool, a template, a project and one virtual machine.
//
// Everything is made through the public API, as a person would make it, and lies in one directory:
//
//	sandbox.json        what was decided once: address, bridge, network, which libvirt
//	credentials.json    {"url","apiKey"}, and ca.pem beside it, for clients
//	secrets/            SSH key and root password of the project's machines, the agent's key
//	kahuna/ kaktus/     the daemons' own directories; sim/ in place of the latter with --simulate
//	libvirt/            the private libvirtd, where no libvirt of the system is used
//	images/ pool/       template sources and the storage pool
//	log/                what the daemons wrote
//
// Every step of [Sandbox.Up] looks first and does only what is missing, so that it may be interrupted
// anywhere and repeated. Things are found by their names, daemons by their command lines: nothing has
// to be remembered between doing something and noting that it was done.
//
//	guest        builds the virtual machine image
//	hypervisor   runs the private libvirtd
package sandbox
