package lab

import (
	"os"
	"path/filepath"
	"testing"

	diskfs "github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// Seed writes a NoCloud seed, a volume "cidata" with Rock Ridge names, out of documents by file name. It
// depends on no other package of ours, so that guests can be tested apart from what makes real seeds.
func Seed(t testing.TB, documents map[string]string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "seed.iso")
	const size = 10 << 20 // room for the writer; the finished volume is cut to what it needs
	d, err := diskfs.Create(path, size, diskfs.SectorSizeDefault)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.LogicalBlocksize = 2048
	volume, err := d.CreateFilesystem(disk.FilesystemSpec{FSType: filesystem.TypeISO9660, VolumeLabel: "cidata"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range documents {
		f, err := volume.OpenFile("/"+name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	iso, is := volume.(*iso9660.FileSystem)
	if !is {
		t.Fatalf("the library made a %T", volume)
	}
	if err := iso.Finalize(iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: "cidata"}); err != nil {
		t.Fatal(err)
	}
	return path
}
