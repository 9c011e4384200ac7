// Package guest builds the sandbox's own virtual machine image out of distribution packages.
//
// The image is a raw disk for x86-64 machines with a BIOS and nothing but virtio devices: an MBR, a
// FAT partition with the boot loader, a kernel and a small busybox initramfs, and an ext4 partition
// which outlives restarts (it counts the boots and holds the guest agent). The kernel is the
// distribution's for clouds; it has no driver for SATA, so the NoCloud seed has to be a virtio disk
// as well, which is also what the firmware and the kernel find fastest.
//
// The guest configures itself from a NoCloud seed: a volume labelled "cidata", ISO 9660 with Rock
// Ridge, holding JSON documents. Names and addresses come from there, never from DHCP. When it is up
// it says on the first serial port:
//
//	kowabunga-guest: host NAME
//	kowabunga-guest: address A.B.C.D/LEN dev ethN mac XX:XX:XX:XX:XX:XX
//	kowabunga-guest: cpus N memory-kb N disk-bytes N boots N
//	kowabunga-guest: ready
//
// and asks for a login. GET /status on port 80 answers the same facts as JSON ([Status]). The power
// button and the guest agent's shutdown stop it within a second or so.
//
// Packages are downloaded with apt-get and unpacked with dpkg-deb; nothing is installed and root is
// not needed.
package guest
