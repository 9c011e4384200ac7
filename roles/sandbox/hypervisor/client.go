package hypervisor

import (
	"fmt"
	"net"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"kowabunga/core/fault"
)

// systemSockets are where a system's libvirt listens: the one daemon, or its QEMU part since libvirt 6
// (https://libvirt.org/daemons.html).
var systemSockets = []string{"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}

// SystemSocket is the socket of a libvirt that the system itself runs, if one lets us in and has the
// QEMU driver. A daemon that systemd starts on demand is started by the question.
func SystemSocket() (string, bool) {
	for _, socket := range systemSockets {
		if _, err := version(socket); err == nil {
			return socket, true
		}
	}
	return "", false
}

// visit opens a session with the QEMU driver behind a socket. It ends within the given time whatever
// the daemon does.
func visit(socket string, within time.Duration, do func(*libvirt.Libvirt) error) error {
	conn, err := net.DialTimeout("unix", socket, within)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	l := libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn))
	if err := l.ConnectToURI(libvirt.QEMUSystem); err != nil {
		return err
	}
	defer l.Disconnect()
	return do(l)
}

// version asks the daemon behind a socket for the version of libvirt.
func version(socket string) (string, error) {
	var text string
	err := visit(socket, 5*time.Second, func(l *libvirt.Libvirt) error {
		v, err := l.ConnectGetLibVersion()
		// 1,000,000 * major + 1,000 * minor + release (virConnectGetLibVersion)
		text = fmt.Sprintf("%d.%d.%d", v/1_000_000, v/1_000%1_000, v%1_000)
		return err
	})
	return text, fault.Wrap(err, fault.Unavailable, "ask libvirt at "+socket)
}

// destroyAll pulls the plug of every guest.
func destroyAll(socket string) error {
	err := visit(socket, 20*time.Second, func(l *libvirt.Libvirt) error {
		domains, _, err := l.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive)
		if err != nil {
			return err
		}
		for _, domain := range domains {
			if failed := l.DomainDestroyFlags(domain, libvirt.DomainDestroyDefault); failed != nil {
				err = failed
			}
		}
		return err
	})
	return fault.Wrap(err, fault.Unavailable, "destroy the guests")
}
