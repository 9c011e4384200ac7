package guest

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// rootfs is what the initramfs holds besides busybox and kernel modules.
//
//go:embed all:rootfs
var rootfs embed.FS

// layout changes whenever the Go part of the recipe makes another image than before.
const layout = "2"

// Recipe says where the image is kept and who wants to know how its making goes on.
type Recipe struct {
	// Dir holds the image between runs; it is created when missing.
	Dir string
	// Progress hears of each step ("download", "unpack", "initramfs", "disk") as it begins and goes
	// on, in bytes for the download, else in pieces of work; total is 0 while it is unknown. It is
	// called from one goroutine at a time. Nil is fine.
	Progress func(step string, done, total int64)
}

// Image is a finished image.
type Image struct {
	Path   string `json:"-"`      // the raw disk
	Size   int64  `json:"size"`   // its virtual size in bytes; a machine's disk may be larger
	SHA256 string `json:"sha256"` // of the whole file, lower-case hex
	Kernel string `json:"kernel"` // release of the kernel inside, e.g. "6.1.0-56-cloud-amd64"
}

// Status is what GET /status inside the guest answers.
type Status struct {
	Hostname  string    `json:"hostname"`
	Addresses []Address `json:"addresses"`
	CPUs      int       `json:"cpus"`
	MemoryKB  int64     `json:"mem_kb"`     // MemTotal of the kernel, somewhat less than the machine's memory
	DiskBytes int64     `json:"disk_bytes"` // size of the disk the guest booted from, as of boot
	Boots     int       `json:"boots"`      // how often this disk was booted, this time included
}

// Address is one address of one card of the guest.
type Address struct {
	Address string `json:"address"` // with prefix length
	Dev     string `json:"dev"`
	MAC     string `json:"mac"`
}

// Build answers the image of this recipe, made now unless Dir has it and it is intact. One build runs
// at a time per directory; others wait for it and take its result. What an interrupted build left is
// removed.
func (r Recipe) Build(ctx context.Context) (Image, error) {
	image, err := r.build(ctx)
	return image, fault.Wrap(err, fault.Unavailable, "build guest image")
}

func (r Recipe) build(ctx context.Context) (Image, error) {
	if runtime.GOARCH != "amd64" {
		return Image{}, fault.New(fault.Unavailable, "the guest image is made of x86-64 packages, this machine is %s; "+
			"give an image of your own", runtime.GOARCH)
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return Image{}, err
	}
	unlock, err := lock(ctx, filepath.Join(r.Dir, "guest.lock"))
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	name := "guest-" + recipeHash()[:12]
	if image, ok := r.cached(name); ok {
		return image, nil
	}
	if err := r.sweep(); err != nil {
		return Image{}, err
	}
	if err := missingTools(); err != nil {
		return Image{}, err
	}
	work, err := os.MkdirTemp(r.Dir, "build-")
	if err != nil {
		return Image{}, err
	}
	defer os.RemoveAll(work)
	b := &build{dir: work, progress: r.Progress}
	image, err := b.image(ctx)
	if err != nil {
		return Image{}, err
	}
	return r.keep(name, image)
}

// cached is the image kept under this name, when it and its description agree.
func (r Recipe) cached(name string) (Image, bool) {
	var image Image
	text, err := os.ReadFile(filepath.Join(r.Dir, name+".json"))
	if err != nil || json.Unmarshal(text, &image) != nil {
		return Image{}, false
	}
	image.Path = filepath.Join(r.Dir, name+".img")
	size, sum, err := digest(image.Path)
	return image, err == nil && size == image.Size && sum == image.SHA256
}

// keep moves a built image to its place: the image first, the description that vouches for it after.
func (r Recipe) keep(name string, image Image) (Image, error) {
	var err error
	if image.Size, image.SHA256, err = digest(image.Path); err != nil {
		return Image{}, err
	}
	text, err := json.Marshal(image)
	if err != nil {
		return Image{}, err
	}
	description := image.Path + ".json"
	if err := os.WriteFile(description, append(text, '\n'), 0o644); err != nil {
		return Image{}, err
	}
	built := image.Path
	image.Path = filepath.Join(r.Dir, name+".img")
	if err := os.Rename(built, image.Path); err != nil {
		return Image{}, err
	}
	return image, os.Rename(description, filepath.Join(r.Dir, name+".json"))
}

// sweep removes what interrupted builds and older recipes left. Only names of ours are touched.
func (r Recipe) sweep() error {
	for _, pattern := range []string{"build-*", "guest-*.img", "guest-*.json"} {
		found, err := filepath.Glob(filepath.Join(r.Dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// recipeHash tells one version of this recipe from another.
func recipeHash() string {
	h := sha256.New()
	io.WriteString(h, layout+"\n"+strings.Join(bootModules, " ")+"\n"+strings.Join(laterModules, " ")+"\n"+cmdline+"\n")
	err := fs.WalkDir(rootfs, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := rootfs.ReadFile(path)
		sum := sha256.Sum256(text)
		io.WriteString(h, path+" "+hex.EncodeToString(sum[:])+"\n")
		return err
	})
	if err != nil {
		panic("guest: the embedded files cannot be read: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digest(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// lock takes an exclusive lock that ends with the process at the latest.
func lock(ctx context.Context, path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.From(ctx.Err())
		case <-again.C:
		}
	}
}
