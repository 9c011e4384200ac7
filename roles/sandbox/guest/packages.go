package guest

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/fault"
)

// kernels are the packages that depend on the newest kernel for virtual machines: Debian's, Ubuntu's.
var kernels = []string{"linux-image-cloud-amd64", "linux-image-virtual"}

// Packages are the packages a build needs installed, by the names Debian 12, Debian 13 and Ubuntu
// 24.04 share (Ubuntu: main and universe). The kernel and the guest agent are downloaded and unpacked,
// never installed, and do not appear.
func Packages() []string {
	return []string{"busybox-static", "e2fsprogs", "mtools", "syslinux", "syslinux-common"}
}

const (
	busybox    = "/bin/busybox"
	masterBoot = "/usr/lib/syslinux/mbr/mbr.bin"
)

// missingTools names the packages to install when something the build runs is not there.
func missingTools() error {
	var missing []string
	for _, tool := range []string{"mformat", "mcopy", "syslinux", "mke2fs", "apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := find(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	for _, file := range []string{busybox, masterBoot} {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	if missing == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "missing on this machine: %s; install with: apt-get install --no-install-recommends %s",
		strings.Join(missing, ", "), strings.Join(Packages(), " "))
}

// find looks a command up, in the administrator's directories too, which a plain user's PATH lacks.
func find(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// run runs a command in the build directory and answers what it printed. A failure quotes the last
// lines of its complaints.
func (b *build) run(ctx context.Context, tool string, args ...string) ([]byte, error) {
	return b.runIn(ctx, b.dir, tool, args...)
}

func (b *build) runIn(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	path, err := find(tool)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%s is not installed", tool)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	// mtools would otherwise refuse images whose geometry it finds unusual.
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=1", "DEBIAN_FRONTEND=noninteractive")
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fault.From(ctx.Err())
		}
		return nil, &fault.Error{Code: fault.Unavailable, Op: tool + " " + args[0], Err: err,
			Message: "it failed: " + lastLines(complaints.String(), 3)}
	}
	return out.Bytes(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// kernelPackage is the package of the newest kernel apt knows, e.g. "linux-image-6.1.0-56-cloud-amd64".
func (b *build) kernelPackage(ctx context.Context) (string, error) {
	for _, meta := range kernels {
		out, err := b.run(ctx, "apt-cache", "depends", meta)
		if err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			continue
		}
		if name := kernelOf(out); name != "" {
			return name, nil
		}
	}
	return "", fault.New(fault.Unavailable, "apt knows none of the packages %s; refresh its lists with: apt-get update",
		strings.Join(kernels, ", "))
}

var dependsOnKernel = regexp.MustCompile(`(?m)^\s*\|?Depends: (linux-image-[0-9]\S*)$`)

// kernelOf reads the kernel's package out of what "apt-cache depends" says of a meta package.
func kernelOf(depends []byte) string {
	if m := dependsOnKernel.FindSubmatch(depends); m != nil {
		return string(m[1])
	}
	return ""
}

var uri = regexp.MustCompile(`^'[^']+' (\S+) ([0-9]+)\b`)

// sizesOf reads "apt-get --print-uris": file names and their sizes in bytes.
func sizesOf(uris []byte) map[string]int64 {
	sizes := map[string]int64{}
	lines := bufio.NewScanner(bytes.NewReader(uris))
	for lines.Scan() {
		if m := uri.FindStringSubmatch(lines.Text()); m != nil {
			sizes[m[1]], _ = strconv.ParseInt(m[2], 10, 64)
		}
	}
	return sizes
}

// download fetches packages, checked by apt against its signed lists, and unpacks them over each
// other into the tree. It answers the packages those depend on.
func (b *build) download(ctx context.Context, names ...string) ([]string, error) {
	debs, err := os.MkdirTemp(b.dir, "deb-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(debs)
	// Run by root, apt would download as a user of its own who cannot write here.
	args := append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, names...)
	uris, err := b.runIn(ctx, debs, "apt-get", append([]string{"--print-uris"}, args...)...)
	if err != nil {
		return nil, err
	}
	sizes := sizesOf(uris)
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(debs, sizes, done)
	}()
	_, err = b.runIn(ctx, debs, "apt-get", args...)
	close(done)
	<-watched
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return nil, err
	}
	var needs []string
	for i, deb := range found {
		b.tell("unpack", int64(i), int64(len(found)))
		if _, err := b.run(ctx, "dpkg-deb", "-x", deb, b.tree()); err != nil {
			return nil, err
		}
		fields, err := b.run(ctx, "dpkg-deb", "-f", deb, "Depends")
		if err != nil {
			return nil, err
		}
		needs = append(needs, dependencies(string(fields))...)
	}
	return needs, nil
}

// watch reports how much of a download has arrived until done is closed.
func (b *build) watch(dir string, sizes map[string]int64, done <-chan struct{}) {
	var total int64
	for _, size := range sizes {
		total += size
	}
	b.tell("download", 0, total)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			b.tell("download", total, total)
			return
		case <-tick.C:
			var have int64
			entries, err := os.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, entry := range entries {
				if info, err := entry.Info(); err == nil {
					have += info.Size()
				}
			}
			b.tell("download", min(have, total), total)
		}
	}
}

// dependencies are the package names of a Depends field; of alternatives, the first.
func dependencies(field string) []string {
	var names []string
	for _, part := range strings.Split(field, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		name, _, _ = strings.Cut(name, ":")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// program is an executable of the unpacked packages with everything it links to.
type program struct {
	path   string
	loader string            // the dynamic loader
	libs   map[string]string // library name to file
}

// resolve finds the libraries of a program in the unpacked packages. It downloads libraries that are
// not there yet from what the packages so far depend on, at most a few rounds deep.
func (b *build) resolve(ctx context.Context, path string, needs []string) (program, error) {
	const rounds = 4
	for round := 0; ; round++ {
		p, missing, err := b.link(path)
		if err != nil || len(missing) == 0 {
			return p, err
		}
		var fetch []string
		for _, name := range needs {
			if strings.HasPrefix(name, "lib") && !b.fetched[name] {
				b.fetched[name] = true
				fetch = append(fetch, name)
			}
		}
		if len(fetch) == 0 || round == rounds {
			return p, fault.New(fault.Unavailable, "the libraries of %s are in none of its packages: %s",
				filepath.Base(path), strings.Join(missing, ", "))
		}
		if needs, err = b.download(ctx, fetch...); err != nil {
			return p, err
		}
	}
}

// link follows the dynamic sections from a program on and answers what it found and what it missed.
func (b *build) link(path string) (program, []string, error) {
	p := program{path: path, libs: map[string]string{}}
	var missing []string
	queue := []string{path}
	for len(queue) > 0 {
		f, err := elf.Open(queue[0])
		if err != nil {
			return p, nil, err
		}
		queue = queue[1:]
		names, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return p, nil, err
		}
		for _, name := range names {
			if _, known := p.libs[name]; known {
				continue
			}
			p.libs[name] = b.library(name)
			if p.libs[name] == "" {
				missing = append(missing, name)
			} else {
				queue = append(queue, p.libs[name])
			}
		}
	}
	if p.loader = b.library("ld-linux-x86-64.so.2"); p.loader == "" {
		missing = append(missing, "ld-linux-x86-64.so.2")
	}
	delete(p.libs, "ld-linux-x86-64.so.2")
	return p, missing, nil
}

// library is the file of a shared library in the tree, empty when it is not there. Releases differ in
// whether /lib is a directory or a link to /usr/lib.
func (b *build) library(name string) string {
	for _, dir := range []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64"} {
		path, err := filepath.EvalSymlinks(filepath.Join(b.tree(), dir, name))
		if err == nil && strings.HasPrefix(path, b.tree()+"/") {
			return path
		}
	}
	return ""
}
