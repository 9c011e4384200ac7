package guest

import (
	"bytes"
	"debug/elf"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"kowabunga/core/fault"
)

// bootModules are what the guest cannot come up without; laterModules load when it is up, and a kernel
// may lack them. Both may be built into the kernel.
var (
	bootModules  = []string{"virtio_pci", "virtio_blk", "virtio_net", "isofs", "ext4", "button", "evdev"}
	laterModules = []string{"virtio_console", "virtio_rng", "virtio_balloon"}
)

// kernel is an unpacked kernel package.
type kernel struct {
	release string            // e.g. "6.1.0-56-cloud-amd64"
	image   string            // the bzImage
	files   map[string]string // module name to file
	builtin map[string]bool
}

// openKernel finds the one kernel in a tree of unpacked packages.
func openKernel(tree string) (kernel, error) {
	images, err := filepath.Glob(filepath.Join(tree, "boot", "vmlinuz-*"))
	if err != nil {
		return kernel{}, err
	}
	if len(images) != 1 {
		return kernel{}, fault.New(fault.Unavailable, "the kernel's package holds %d kernels, not one", len(images))
	}
	k := kernel{image: images[0], files: map[string]string{}, builtin: map[string]bool{}}
	k.release = strings.TrimPrefix(filepath.Base(k.image), "vmlinuz-")
	for _, lib := range []string{"usr/lib", "lib"} {
		root := filepath.Join(tree, lib, "modules", k.release)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if stem, _, is := strings.Cut(entry.Name(), ".ko"); is && !entry.IsDir() {
				k.files[moduleName(stem)] = path
			}
			return nil
		})
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return kernel{}, err
		}
		text, err := os.ReadFile(filepath.Join(root, "modules.builtin"))
		if err != nil {
			return kernel{}, err
		}
		for _, line := range strings.Fields(string(text)) {
			k.builtin[moduleName(strings.TrimSuffix(filepath.Base(line), ".ko"))] = true
		}
	}
	return k, nil
}

// moduleName is the kernel's own spelling: files have - or _ as they please.
func moduleName(stem string) string { return strings.ReplaceAll(stem, "-", "_") }

// module is one kernel module, unpacked.
type module struct {
	name string
	body []byte // the ELF object
}

// modules are the named modules and all they depend on, in an order in which they can be inserted.
// Those built in and those in have are left out; have is added to. With optional, modules this kernel does
// not have are left out too.
func (k kernel) modules(names []string, optional bool, have map[string]bool) ([]module, error) {
	var list []module
	var add func(name string) error
	add = func(name string) error {
		if have[name] || k.builtin[name] {
			return nil
		}
		have[name] = true
		path := k.files[name]
		if path == "" {
			return fault.New(fault.Unavailable, "kernel %s has no module %s", k.release, name)
		}
		body, err := inflate(path)
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "unpack "+filepath.Base(path))
		}
		needs, err := moduleDepends(body)
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "read "+filepath.Base(path))
		}
		for _, need := range needs {
			if err := add(need); err != nil {
				return err
			}
		}
		list = append(list, module{name, body})
		return nil
	}
	for _, name := range names {
		if optional && k.files[name] == "" {
			continue
		}
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// moduleDepends reads the depends= entry of a module's .modinfo section, NUL-separated KEY=VALUE pairs
// (kernel, include/linux/module.h).
func moduleDepends(body []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fault.New(fault.Malformed, "it has no .modinfo section")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pair := range bytes.Split(info, []byte{0}) {
		if list, is := bytes.CutPrefix(pair, []byte("depends=")); is {
			for _, name := range strings.Split(string(list), ",") {
				if name != "" {
					names = append(names, moduleName(name))
				}
			}
		}
	}
	return names, nil
}

// inflate reads a module file: Debian 12 packs them plain, Debian 13 with xz, Ubuntu 24.04 with zstd.
func inflate(path string) ([]byte, error) {
	const limit = 64 << 20 // far above any module, far below this machine's memory
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	switch filepath.Ext(path) {
	case ".xz":
		r, err = xz.NewReader(f)
	case ".gz":
		r, err = gzip.NewReader(f)
	case ".zst":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, limit))
}
