package guest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"kowabunga/core/fault"
)

// cmdline is the kernel's: the serial port is the console, and nothing is probed that this machine
// cannot have or that only costs time under emulation.
const cmdline = "console=ttyS0,115200 quiet loglevel=1 random.trust_cpu=on mitigations=off audit=0 " +
	"tsc=reliable no_timer_check 8250.nr_uarts=1 i8042.noaux panic=1"

const (
	sector   = 512
	mebibyte = 1 << 20
	dataMiB  = 14 // the agent with its libraries, the journal of ext4, and room for a few notes
	bootFrom = 1  // MiB: where the boot partition starts, as every partitioning tool has it
	largest  = 64 // MiB: what a platform may take for granted of the image's virtual size
)

// build is one run of the recipe, in a directory of its own.
type build struct {
	dir      string
	progress func(step string, done, total int64)
	telling  sync.Mutex
	fetched  map[string]bool // library packages asked for so far
}

// tree is where packages are unpacked.
func (b *build) tree() string { return filepath.Join(b.dir, "tree") }

func (b *build) tell(step string, done, total int64) {
	b.telling.Lock()
	defer b.telling.Unlock()
	if b.progress != nil {
		b.progress(step, done, total)
	}
}

// image makes the whole image in the build's directory.
func (b *build) image(ctx context.Context) (Image, error) {
	b.fetched = map[string]bool{}
	name, err := b.kernelPackage(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := os.Mkdir(b.tree(), 0o755); err != nil {
		return Image{}, err
	}
	kernelNeeds, err := b.download(ctx, name)
	if err != nil {
		return Image{}, err
	}
	// Ubuntu packs a kernel's modules apart.
	for _, need := range kernelNeeds {
		if modules := "linux-modules-" + name[len("linux-image-"):]; need == modules {
			if _, err := b.download(ctx, modules); err != nil {
				return Image{}, err
			}
		}
	}
	k, err := openKernel(b.tree())
	if err != nil {
		return Image{}, err
	}
	needs, err := b.download(ctx, "qemu-guest-agent")
	if err != nil {
		return Image{}, err
	}
	agent, err := b.resolve(ctx, filepath.Join(b.tree(), "usr/sbin/qemu-ga"), needs)
	if err != nil {
		return Image{}, err
	}
	initrd, err := b.initramfs(ctx, k)
	if err != nil {
		return Image{}, err
	}
	path, err := b.disk(ctx, k, initrd, agent)
	return Image{Path: path, Kernel: k.release}, err
}

// disk lays the image out. Everything is written at an offset into the file: no loop device, no mount.
func (b *build) disk(ctx context.Context, k kernel, initrd []byte, agent program) (string, error) {
	b.tell("disk", 0, 3)
	fat, fatMiB, err := b.bootPartition(ctx, k, initrd)
	if err != nil {
		return "", err
	}
	b.tell("disk", 1, 3)
	dataFrom := bootFrom + fatMiB
	total := dataFrom + dataMiB
	if total > largest {
		return "", fault.New(fault.Unavailable, "kernel %s makes an image of %d MiB, more than the %d it may have", k.release, total, largest)
	}
	path := filepath.Join(b.dir, "disk")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := f.Truncate(int64(total) * mebibyte); err != nil {
		return "", err
	}
	code, err := os.ReadFile(masterBoot)
	if err != nil {
		return "", err
	}
	record, err := bootRecord(code, partition{kind: 0x0e, active: true, fromMiB: bootFrom, sizeMiB: fatMiB},
		partition{kind: 0x83, fromMiB: dataFrom, sizeMiB: dataMiB})
	if err != nil {
		return "", err
	}
	if _, err := f.WriteAt(record, 0); err != nil {
		return "", err
	}
	if err := copyAt(f, fat, bootFrom*mebibyte); err != nil {
		return "", err
	}
	b.tell("disk", 2, 3)
	files, err := b.dataFiles(agent)
	if err != nil {
		return "", err
	}
	if _, err := b.run(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "kowabunga-data", "-m", "0", "-b", "1024", "-d", files,
		"-E", fmt.Sprintf("offset=%d,root_owner=0:0", dataFrom*mebibyte), path, fmt.Sprintf("%dM", dataMiB)); err != nil {
		return "", err
	}
	b.tell("disk", 3, 3)
	return path, f.Sync()
}

// bootPartition makes the FAT file system with boot loader, kernel and initramfs, and answers its file
// and size.
func (b *build) bootPartition(ctx context.Context, k kernel, initrd []byte) (string, int, error) {
	at := func(name string) string { return filepath.Join(b.dir, name) }
	config := "DEFAULT linux\nPROMPT 0\nTIMEOUT 0\nLABEL linux\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND " + cmdline + "\n"
	if err := os.WriteFile(at("initrd"), initrd, 0o644); err != nil {
		return "", 0, err
	}
	if err := os.WriteFile(at("syslinux.cfg"), []byte(config), 0o644); err != nil {
		return "", 0, err
	}
	info, err := os.Stat(k.image)
	if err != nil {
		return "", 0, err
	}
	const overhead = 2 // MiB: the loader itself, FATs, rounding
	mib := int((info.Size()+int64(len(initrd))+mebibyte-1)/mebibyte) + overhead
	fat := at("fat")
	if err := os.WriteFile(fat, nil, 0o644); err != nil {
		return "", 0, err
	}
	if err := os.Truncate(fat, int64(mib)*mebibyte); err != nil {
		return "", 0, err
	}
	// The boot sector says where its partition starts, for the loader reads absolute sectors. 255 heads
	// and 63 sectors are the geometry every BIOS assumes. Clusters of 2 KiB make FAT16 of everything from
	// 8 to 128 MiB; near the border to FAT12 mformat and syslinux disagree.
	steps := [][]string{
		{"mformat", "-i", fat, "-v", "BOOT", "-h", "255", "-s", "63", "-c", "4", "-H", fmt.Sprint(bootFrom * mebibyte / sector),
			"-T", fmt.Sprint(mib * mebibyte / sector), "::"},
		{"mcopy", "-i", fat, k.image, "::/vmlinuz"},
		{"mcopy", "-i", fat, at("initrd"), "::/initrd"},
		{"mcopy", "-i", fat, at("syslinux.cfg"), "::/syslinux.cfg"},
		{"syslinux", "--install", fat},
	}
	for _, step := range steps {
		if _, err := b.run(ctx, step[0], step[1:]...); err != nil {
			return "", 0, err
		}
	}
	return fat, mib, nil
}

// dataFiles gathers what the data partition starts with: the agent, its libraries and loader.
func (b *build) dataFiles(agent program) (string, error) {
	dir := filepath.Join(b.dir, "data")
	if err := os.MkdirAll(filepath.Join(dir, "agent"), 0o755); err != nil {
		return "", err
	}
	files := map[string]string{"qemu-ga": agent.path, "ld.so": agent.loader}
	for name, path := range agent.libs {
		files[name] = path
	}
	for name, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "agent", name), body, 0o755); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// partition is one primary partition; kind is its type byte (0x0e FAT with LBA, 0x83 Linux).
type partition struct {
	kind             byte
	active           bool
	fromMiB, sizeMiB int
}

// bootRecord is the first sector of a disk: boot code, four partition entries from offset 446, and the
// signature. The old cylinder addresses say "beyond reach, use LBA".
func bootRecord(code []byte, partitions ...partition) ([]byte, error) {
	if len(code) == 0 || len(code) > 440 {
		return nil, fault.New(fault.Unavailable, "%s holds %d bytes, not 1 to 440", masterBoot, len(code))
	}
	record := make([]byte, sector)
	copy(record, code)
	for i, p := range partitions {
		entry := record[446+16*i:]
		if p.active {
			entry[0] = 0x80
		}
		copy(entry[1:4], []byte{0xfe, 0xff, 0xff})
		entry[4] = p.kind
		copy(entry[5:8], []byte{0xfe, 0xff, 0xff})
		binary.LittleEndian.PutUint32(entry[8:], uint32(p.fromMiB*mebibyte/sector))
		binary.LittleEndian.PutUint32(entry[12:], uint32(p.sizeMiB*mebibyte/sector))
	}
	record[510], record[511] = 0x55, 0xaa
	return record, nil
}

func copyAt(dst *os.File, src string, offset int64) error {
	f, err := os.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.NewOffsetWriter(dst, offset), f)
	return err
}
