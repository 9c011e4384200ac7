// Package block keeps disks: template images, volumes cloned from them, and configuration disks, in
// storage pools of this host.
//
// A pool of the driver "dir" is a directory that the host's own configuration names:
//
//	.kowabunga-pool     which pool this directory belongs to
//	images/ID/          a template image: disk.raw or disk.qcow2, and image.json about it
//	volumes/ID.qcow2    a disk; clones name their image as backing file
//	seeds/ID.iso        the configuration disk of machine ID
//	tmp/                work in progress; emptied when the agent starts
//
// Everything is named by immutable ids. Whatever is made is built in tmp, synced, and renamed into
// place: it exists whole or not at all, also after a crash. Nothing is removed because it is absent
// from a declaration, and nothing that a running QEMU has open is removed at all.
//
// Template images come from outside and are treated so: formats are recognised here and named to
// every tool, a qcow2 header is judged before a tool opens the file, sizes are bounded, and a source
// that fails in any way leaves nothing. The content of a raw image is kept byte for byte; its length
// is rounded up to a whole 512-byte sector with zeros, because disks have no half sectors.
package block
