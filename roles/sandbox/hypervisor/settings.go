package hypervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kowabunga/core/fault"
)

// prepare makes the directories and writes the configuration. It runs only while no daemon does.
func (d Daemon) prepare() error {
	if err := d.sweep(); err != nil {
		return err
	}
	for _, p := range places {
		if err := os.MkdirAll(d.path(p.name), 0o755); err != nil {
			return err
		}
	}
	// Machines made from one template often share their firmware's UUID; libvirt tells hosts apart by
	// it, so every daemon keeps one of its own.
	uuid, err := os.ReadFile(d.path("host-uuid"))
	if err != nil || len(strings.TrimSpace(string(uuid))) != 36 {
		if uuid, err = os.ReadFile("/proc/sys/kernel/random/uuid"); err != nil {
			return err
		}
		if err := replace(d.path("host-uuid"), string(uuid)); err != nil {
			return err
		}
	}
	if err := replace(d.path("etc", "libvirtd.conf"), fmt.Sprintf(daemonSettings, d.Dir, strings.TrimSpace(string(uuid)))); err != nil {
		return err
	}
	return replace(d.path("etc", "qemu.conf"), driverSettings)
}

// sweep removes the sockets and the pid file of a daemon that is gone.
func (d Daemon) sweep() error {
	for _, name := range []string{"libvirtd.pid", "libvirt-sock", "libvirt-sock-ro", "libvirt-admin-sock"} {
		if err := os.Remove(d.path("run", name)); err != nil && !os.IsNotExist(err) {
			return fault.Wrap(err, fault.Unavailable, "clear "+name)
		}
	}
	return nil
}

// replace writes a file so that it is there whole or not at all.
func replace(path, text string) error {
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}

const daemonSettings = `unix_sock_dir = "%[1]s/run"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "%[2]s"
log_outputs = "3:file:%[1]s/log/libvirtd.log"
`

// The sandbox has to work inside containers and small virtual machines too, which lack AppArmor,
// cgroups and vhost; and there is no virtlogd, so QEMU writes its log files itself.
const driverSettings = `security_driver = "none"
security_default_confined = 0
cgroup_controllers = [ ]
namespaces = [ ]
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
vnc_listen = "127.0.0.1"
`
