package compute

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"kowabunga/core/agentproto"
)

// Capabilities is what this host can offer.
func (h *Host) Capabilities() agentproto.Caps {
	caps := capabilities(os.DirFS("/"))
	caps.Accel = h.cfg.Accel.Kind
	return caps
}

// capabilities reads /proc and /sys below root. A core is told by its package, die and number
// together, because each package numbers its cores from zero again.
func capabilities(root fs.FS) agentproto.Caps {
	caps := agentproto.Caps{Arch: arch()}
	type core struct{ socket, die, id string }
	sockets, cores := map[string]bool{}, map[core]bool{}
	const cpus = "sys/devices/system/cpu"
	entries, err := fs.ReadDir(root, cpus)
	if err != nil {
		entries = nil // counted from /proc/cpuinfo below
	}
	for _, e := range entries {
		number, isCPU := strings.CutPrefix(e.Name(), "cpu")
		if _, err := strconv.Atoi(number); !isCPU || err != nil {
			continue
		}
		dir := path.Join(cpus, e.Name())
		if line(root, path.Join(dir, "online")) == "0" { // the first processor has no such file
			continue
		}
		c := core{line(root, path.Join(dir, "topology/physical_package_id")), line(root, path.Join(dir, "topology/die_id")), line(root, path.Join(dir, "topology/core_id"))}
		if c.id == "" {
			c.id = number
		}
		sockets[c.socket], cores[c] = true, true
		caps.Threads++
	}
	caps.Sockets, caps.Cores = int64(len(sockets)), int64(len(cores))

	processors := int64(0)
	for _, field := range fields(root, "proc/cpuinfo") {
		switch field[0] {
		case "processor":
			processors++
		case "vendor_id", "CPU implementer":
			caps.Vendor = field[1]
		case "model name", "Model":
			caps.Model = field[1]
		}
	}
	if caps.Threads == 0 {
		caps.Sockets, caps.Cores, caps.Threads = 1, processors, processors
	}
	for _, field := range fields(root, "proc/meminfo") {
		if kib, ok := strings.CutSuffix(field[1], " kB"); ok && field[0] == "MemTotal" {
			n, err := strconv.ParseInt(strings.TrimSpace(kib), 10, 64)
			if err == nil {
				caps.Memory = n << 10
			}
		}
	}
	return caps
}

// line is the first line of a small file, empty when there is none.
func line(root fs.FS, name string) string {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

// fields are the "name: value" lines of a file.
func fields(root fs.FS, name string) [][2]string {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil
	}
	var all [][2]string
	for l := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(l, ":"); ok {
			all = append(all, [2]string{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	return all
}
