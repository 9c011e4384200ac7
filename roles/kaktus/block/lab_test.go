//go:build lab

package block

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// content reads a disk as a guest would.
func content(t *testing.T, path string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "raw")
	run(t, "qemu-img", "convert", "-U", "-O", "raw", path, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func volume(size int64, image string) agentproto.VolumeCreate {
	return agentproto.VolumeCreate{VolumeRef: agentproto.VolumeRef{Pool: poolID, Volume: diskID}, Size: size, Image: image}
}

func TestQcow2ImportKeepsContent(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	want := disk(3<<20 + 512)
	if err := os.WriteFile(raw, want, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"compat=0.10", "compat=1.1", "compat=1.1,cluster_size=2M", "compat=1.1,extended_l2=on", "compat=1.1,compression_type=zstd"} {
		source := filepath.Join(dir, "source")
		run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", options, raw, source)
		file, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		packed := map[string][]byte{"plain": file}
		if options == "compat=1.1" {
			packed = packings(t, file)
		}
		for name, served := range packed {
			s := open(t, t.TempDir())
			image, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(served) }))
			if err != nil {
				t.Fatalf("%s, %s: %v", options, name, err)
			}
			if image.Format != "qcow2" || image.SHA256 != sum(served) || image.Size != int64(len(want)) {
				t.Errorf("%s, %s: %+v", options, name, image)
			}
			p, err := s.pool(poolID)
			if err != nil {
				t.Fatal(err)
			}
			if len(files(t, p.image(imageID))) != 2 {
				t.Errorf("%v are left", files(t, p.image(imageID)))
			}
			if _, err := s.Create(t.Context(), volume(image.Size, imageID)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content(t, p.volume(diskID)), want) {
				t.Errorf("%s, %s: the clone has other content", options, name)
			}
		}
		// What lacks its end has its header, and would read as zeros there.
		s := open(t, t.TempDir())
		cut := file[:len(file)-len(file)/4]
		_, err = fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(cut) }))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("%s: a cut-off file gave %v", options, err)
		}
		empty(t, s)
	}
}

// W-KAK-4: a clone is never smaller than its image, a disk never shrinks.
func TestWKAK4NothingIsCutOff(t *testing.T) {
	s := open(t, t.TempDir())
	want := disk(1<<20 + 7)
	image, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(want) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), volume(image.Size-512, imageID)); !fault.Is(err, fault.Invalid) || fault.From(err).Field != "size" {
		t.Errorf("a clone that is too small: %v", err)
	}
	if _, err := s.Stat(volume(0, "").VolumeRef); !fault.Is(err, fault.NotFound) {
		t.Errorf("the refused clone: %v", err)
	}
	v, err := s.Create(t.Context(), volume(4<<20, imageID))
	if err != nil || v.Size != 4<<20 {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := s.Resize(t.Context(), agentproto.VolumeResize{VolumeRef: v.VolumeRef, Size: 2 << 20}); !fault.Is(err, fault.Invalid) {
		t.Errorf("shrinking: %v", err)
	}
	for range 2 {
		v, err = s.Resize(t.Context(), agentproto.VolumeResize{VolumeRef: v.VolumeRef, Size: 8<<20 + 1})
		if err != nil || v.Size != 8<<20+512 {
			t.Fatalf("growing: %+v, %v", v, err)
		}
	}
	p, err := s.pool(poolID)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, p.volume(diskID)); !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) != 0 {
		t.Error("the clone has other content than its image")
	}
}

func TestVolumesAreIdempotentAndGuarded(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(disk(4096)) })); err != nil {
		t.Fatal(err)
	}
	first, err := s.Create(t.Context(), volume(1<<30, imageID))
	if err != nil || first.Allocated > 1<<20 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := s.Create(t.Context(), volume(1<<30, imageID)); err != nil || again != first {
		t.Errorf("a repeat: %+v, %v", again, err)
	}
	for name, other := range map[string]agentproto.VolumeCreate{"larger": volume(2<<30, imageID), "without its image": volume(1<<30, "")} {
		if _, err := s.Create(t.Context(), other); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]agentproto.VolumeCreate{"no size": volume(0, ""), "negative": volume(-1, ""), "absurd": volume(1<<60, "")} {
		if _, err := s.Create(t.Context(), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Create(t.Context(), agentproto.VolumeCreate{VolumeRef: agentproto.VolumeRef{Pool: poolID, Volume: imageID}, Size: 512, Image: diskID}); !fault.Is(err, fault.NotFound) {
		t.Errorf("a clone of no image: %v", err)
	}
	if err := s.DeleteImage(t.Context(), agentproto.ImageRef{Pool: poolID, Image: imageID}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), diskID) {
		t.Errorf("deleting an image with a clone: %v", err)
	}
	for range 2 {
		if err := s.Delete(t.Context(), first.VolumeRef); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteImage(t.Context(), agentproto.ImageRef{Pool: poolID, Image: imageID}); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, s)
}

// W-KAK-6: a disk that a QEMU has open is not removed, whoever asks.
func TestWKAK6OpenDiskIsNotDeleted(t *testing.T) {
	s := open(t, t.TempDir())
	v, err := s.Create(t.Context(), volume(1<<20, ""))
	if err != nil {
		t.Fatal(err)
	}
	where, err := s.Locate(v.VolumeRef)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-io", where.Path)
	stdin, err := qemu.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { used, err := busy(where.Path); return err == nil && used })
	if err := s.Delete(t.Context(), v.VolumeRef); !fault.Is(err, fault.Conflict) {
		t.Errorf("deleting an open disk: %v", err)
	}
	if _, err := s.Resize(t.Context(), agentproto.VolumeResize{VolumeRef: v.VolumeRef, Size: 2 << 20}); !fault.Is(err, fault.Conflict) {
		t.Errorf("growing an open disk behind QEMU's back: %v", err)
	}
	fmt.Fprintln(stdin, "quit")
	if err := qemu.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), v.VolumeRef); err != nil {
		t.Error(err)
	}
}

func TestSeedsStandBesideVolumes(t *testing.T) {
	s := open(t, t.TempDir())
	ref := agentproto.VolumeRef{Pool: poolID, Volume: diskID}
	if _, err := s.LocateSeed(ref); !fault.Is(err, fault.NotFound) {
		t.Errorf("no seed yet: %v", err)
	}
	if _, err := s.WriteSeed(t.Context(), agentproto.Seed{VolumeRef: ref, UserData: "#cloud-config\n{}\n"}); err != nil {
		t.Fatal(err)
	}
	where, err := s.LocateSeed(ref)
	if err != nil || where.Format != "raw" {
		t.Fatalf("%+v, %v", where, err)
	}
	_, volumes, seeds := s.Inventory()
	if len(volumes) != 0 || len(seeds) != 1 || seeds[0] != ref {
		t.Errorf("inventory: volumes %v, seeds %v", volumes, seeds)
	}
	if err := s.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(where.Path); err != nil {
		t.Errorf("the seed went with a volume of the same id: %v", err)
	}
	for range 2 {
		if err := s.DeleteSeed(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(where.Path); !os.IsNotExist(err) {
		t.Errorf("the seed is left: %v", err)
	}
}
