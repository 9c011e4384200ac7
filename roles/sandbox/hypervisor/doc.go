// Package hypervisor runs a private libvirtd for the sandbox: the privileged QEMU driver, on a socket
// of its own, without systemd and beside any libvirt the system has.
//
// libvirt has its directories compiled in (/etc/libvirt, /var/lib/libvirt, /var/cache/libvirt,
// /var/log/libvirt, /run/libvirt). The daemon therefore lives in a mount namespace in which those are
// directories below [Daemon.Dir]; every other path means the same inside and outside. The namespace is
// made when the daemon's process is cloned: this executable starts itself again ([Child]), binds the
// directories, starts libvirtd and starts it again should it end by itself. Guests are children of the init
// process and survive the daemon, as everywhere with libvirt; the next one finds them again.
//
// Who may read and write the socket may do everything; it is open to root alone.
package hypervisor
