package seed

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
)

const (
	label  = "cidata"
	sector = 2048 // ISO 9660, section 6.1.2
	// padding follows the volume, as mkisofs does it: readers read ahead, and those of small systems
	// give a disk up that ends before they have what they asked for.
	padding = 150 * sector
	// MaxDocuments bounds the three documents together. Kahuna's messages are smaller than this; the
	// bound is for a disk that is kept for every machine.
	MaxDocuments = 2 << 20
)

// Write makes the configuration disk at path. It works in a new directory below work, which must lie
// on the same file system, and removes it again.
func Write(path, work string, docs cloudinit.Documents) (err error) {
	const op = "write configuration disk"
	if len(docs.UserData)+len(docs.MetaData)+len(docs.NetworkConfig) > MaxDocuments {
		return &fault.Error{Code: fault.Invalid, Op: op, Message: "the documents are larger than 2 MiB together"}
	}
	work, err = os.MkdirTemp(work, "seed-")
	if err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	defer os.RemoveAll(work)
	iso := filepath.Join(work, "seed.iso")
	if err := build(iso, filepath.Join(work, "tree"), docs); err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	if err := fpSeed.Hit(); err != nil {
		return err
	}
	if err := os.Rename(iso, path); err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	if err := fpSeedMade.Hit(); err != nil {
		return err
	}
	return fault.Wrap(durable.SyncDir(filepath.Dir(path)), fault.Internal, op)
}

func build(iso, tree string, docs cloudinit.Documents) error {
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	for name, text := range documents(&docs) {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(*text), 0o644); err != nil {
			return err
		}
	}
	// The password hash inside is for the guest only, so nobody but the hypervisor's user reads it.
	f, err := os.OpenFile(iso, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	fs, err := iso9660.Create(file.New(f, false), 0, 0, sector, tree)
	if err != nil {
		return err
	}
	if err := fs.Finalize(iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: label}); err != nil {
		return err
	}
	if err := timeless(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.Truncate((info.Size()+sector-1)/sector*sector + padding); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func documents(d *cloudinit.Documents) map[string]*string {
	return map[string]*string{"user-data": &d.UserData, "meta-data": &d.MetaData, "network-config": &d.NetworkConfig}
}

// The points at which the agent's death must be harmless.
var (
	fpSeed     = failpoint.Register("kaktus.seed.before-rename")
	fpSeedMade = failpoint.Register("kaktus.seed.after-rename")
)

// epoch stands for every time in the image: 1 January 1980, which all readers can show.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// timeless overwrites the times that the image was given, so that it depends on the documents alone:
// the four dates of the volume descriptor (ECMA-119, 8.4.26 to 8.4.29) and, in every record of the
// root directory, the recording date (9.1.5) and Rock Ridge's "TF" stamps (RRIP 4.1.6).
func timeless(f *os.File) error {
	const descriptor = 16 * sector
	volume := make([]byte, sector)
	if _, err := f.ReadAt(volume, descriptor); err != nil {
		return err
	}
	if string(volume[1:6]) != "CD001" {
		return errors.New("the image has no volume descriptor")
	}
	long := append([]byte(epoch.Format("20060102150405")+"00"), 0)
	for i := range 4 {
		copy(volume[813+17*i:], long)
	}
	root := volume[156:190]
	stamp(root)
	if _, err := f.WriteAt(volume, descriptor); err != nil {
		return err
	}
	at := int64(binary.LittleEndian.Uint32(root[2:])) * sector
	directory := make([]byte, sector)
	if _, err := f.ReadAt(directory, at); err != nil {
		return err
	}
	for rest := directory; len(rest) > 33 && int(rest[0]) > 33 && int(rest[0]) <= len(rest); rest = rest[rest[0]:] {
		stamp(rest[:rest[0]])
	}
	_, err := f.WriteAt(directory, at)
	return err
}

// stamp sets the times of one directory record: the identifier is followed by a pad byte when its
// length is even, then by the system use entries.
func stamp(record []byte) {
	short := []byte{byte(epoch.Year() - 1900), byte(epoch.Month()), byte(epoch.Day()), 0, 0, 0, 0}
	copy(record[18:25], short)
	use := 33 + int(record[32])
	use += 1 - int(record[32])%2
	for use+4 <= len(record) {
		length := int(record[use+2])
		if length < 4 || use+length > len(record) {
			return
		}
		if entry := record[use : use+length]; string(entry[:2]) == "TF" && length > 5 {
			for at := 5; at+7 <= length; at += 7 {
				copy(entry[at:], short)
			}
		}
		use += length
	}
}
