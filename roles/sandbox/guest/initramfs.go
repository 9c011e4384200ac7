package guest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// archive writes a cpio archive in the "newc" form the kernel unpacks (kernel,
// Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to root and carries
// no time, so that the same input makes the same bytes.
type archive struct {
	out   bytes.Buffer
	inode int
	made  map[string]bool // directories written so far
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

func (a *archive) entry(name string, mode int, body []byte) {
	a.inode++
	// Magic, then inode, mode, uid, gid, links, mtime, size, device and special device numbers, length
	// of the name with its NUL, checksum.
	fmt.Fprintf(&a.out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	a.out.Write(body)
	a.pad()
}

func (a *archive) pad() {
	for a.out.Len()%4 != 0 {
		a.out.WriteByte(0)
	}
}

// dir adds a directory and those above it; a second time is nothing.
func (a *archive) dir(name string) {
	if name == "." || name == "/" || name == "" || a.made[name] {
		return
	}
	a.dir(path.Dir(name))
	if a.made == nil {
		a.made = map[string]bool{}
	}
	a.made[name] = true
	mode := 0o755
	if name == "root" {
		mode = 0o700
	}
	a.entry(name, typeDir|mode, nil)
}

func (a *archive) file(name string, perm int, body []byte) {
	a.dir(path.Dir(name))
	a.entry(name, typeFile|perm, body)
}

func (a *archive) link(name, target string) {
	a.dir(path.Dir(name))
	a.entry(name, typeLink|0o777, []byte(target))
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.out.Bytes()
}

// initramfs packs busybox, the embedded files and the kernel modules. It is not compressed: reading a
// few MiB more takes the firmware less time than an emulated processor needs to unpack them.
func (b *build) initramfs(ctx context.Context, k kernel) ([]byte, error) {
	b.tell("initramfs", 0, 1)
	var a archive
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "data", "seed", "root", "home", "bin", "sbin", "etc", "modules"} {
		a.dir(dir)
	}
	shell, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	a.file("bin/busybox", 0o755, shell)
	applets, err := b.run(ctx, busybox, "--list")
	if err != nil {
		return nil, err
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			a.link("bin/"+applet, "busybox")
		}
	}
	for _, name := range []string{"init", "sbin/init", "sbin/getty"} {
		a.link(name, "/bin/busybox")
	}
	if err := addEmbedded(&a); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, set := range []struct {
		list     string
		names    []string
		optional bool
	}{{"etc/modules.boot", bootModules, false}, {"etc/modules.later", laterModules, true}} {
		modules, err := k.modules(set.names, set.optional, have)
		if err != nil {
			return nil, err
		}
		var order strings.Builder
		for _, m := range modules {
			a.file("modules/"+m.name+".ko", 0o644, m.body)
			order.WriteString("/modules/" + m.name + ".ko\n")
		}
		a.file(set.list, 0o644, []byte(order.String()))
	}
	b.tell("initramfs", 1, 1)
	return a.bytes(), nil
}

// addEmbedded adds the files of the package. A file that begins with "#!" is a program; shadow is for
// root's eyes.
func addEmbedded(a *archive) error {
	return fs.WalkDir(rootfs, "rootfs", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, err := rootfs.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		body, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		perm := 0o644
		if bytes.HasPrefix(body, []byte("#!")) {
			perm = 0o755
		} else if path.Base(name) == "shadow" {
			perm = 0o600
		}
		a.file(strings.TrimPrefix(name, "rootfs/"), perm, body)
		return nil
	})
}
