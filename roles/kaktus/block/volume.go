package block

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/seed"
)

// maxVolume is the most a disk may be, in bytes: what qcow2 can map with 64 KiB clusters and the
// largest first-level table.
const maxVolume = 1 << 51

// Location is where a disk is, for whoever attaches it.
type Location struct {
	Path   string
	Format string // "qcow2" or "raw"
	Direct bool   // the file system can do without the host's cache (O_DIRECT)
}

// Create makes a disk, empty or a copy-on-write clone of an image. The size is rounded up to a whole
// sector. A disk that is there already with the same image and at least that size is the result.
func (s *Store) Create(ctx context.Context, want agentproto.VolumeCreate) (agentproto.Volume, error) {
	v, err := s.create(ctx, want)
	return v, fault.Wrap(err, fault.Internal, "create volume "+want.Volume)
}

func (s *Store) create(ctx context.Context, want agentproto.VolumeCreate) (agentproto.Volume, error) {
	none := agentproto.Volume{}
	p, release, err := s.take(ctx, want.VolumeRef)
	if err != nil {
		return none, err
	}
	defer release()
	p.clones.RLock()
	defer p.clones.RUnlock()
	if want.Size <= 0 || want.Size > maxVolume {
		return none, fault.Bad("size", "%d bytes is not a size of a disk", want.Size)
	}
	want.Size = (want.Size + sector - 1) / sector * sector
	args := []string{"create", "-q", "-f", "qcow2"}
	backing := ""
	if want.Image != "" {
		if err := checkID("image", want.Image); err != nil {
			return none, err
		}
		about, err := p.about(want.Image)
		if err != nil {
			return none, err
		}
		if want.Size < about.Size {
			return none, fault.Bad("size", "%d bytes is less than the %d of the image; the clone would lose its end", want.Size, about.Size)
		}
		backing = filepath.Join(p.image(want.Image), about.File)
		args = append(args, "-b", backing, "-F", about.Driver)
	}
	if v, h, err := p.stat(want.Volume); err == nil {
		if h.backing != backing || v.Size < want.Size {
			return none, fault.New(fault.Conflict, "a volume of this id exists with another size or image")
		}
		return v, nil
	} else if !fault.Is(err, fault.NotFound) {
		return none, err
	}
	work, err := os.MkdirTemp(p.work(), "volume-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(work)
	path := filepath.Join(work, "disk.qcow2")
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	if err := qemuImg(ctx, append(args, path, fmt.Sprint(want.Size))...); err != nil {
		return none, err
	}
	if err := errors.Join(os.Chmod(path, 0o600), syncPath(path)); err != nil {
		return none, err
	}
	if err := fpVolume.Hit(); err != nil {
		return none, err
	}
	if err := os.Rename(path, p.volume(want.Volume)); err != nil {
		return none, err
	}
	if err := fpVolumeMade.Hit(); err != nil {
		return none, err
	}
	if err := syncPath(filepath.Join(p.dir, volumeDir)); err != nil {
		return none, err
	}
	v, _, err := p.stat(want.Volume)
	return v, err
}

// Resize grows a disk, under a running machine too. A smaller size is refused, the same is done.
func (s *Store) Resize(ctx context.Context, want agentproto.VolumeResize) (agentproto.Volume, error) {
	v, err := s.resize(ctx, want)
	return v, fault.Wrap(err, fault.Internal, "resize volume "+want.Volume)
}

func (s *Store) resize(ctx context.Context, want agentproto.VolumeResize) (agentproto.Volume, error) {
	none := agentproto.Volume{}
	p, release, err := s.take(ctx, want.VolumeRef)
	if err != nil {
		return none, err
	}
	defer release()
	v, _, err := p.stat(want.Volume)
	if err != nil {
		return none, err
	}
	if want.Size > maxVolume {
		return none, fault.Bad("size", "%d bytes is not a size of a disk", want.Size)
	}
	want.Size = (want.Size + sector - 1) / sector * sector
	switch {
	case want.Size == v.Size:
		return v, nil
	case want.Size < v.Size:
		return none, fault.Bad("size", "%d bytes is less than the present %d; a disk only grows", want.Size, v.Size)
	}
	path := p.volume(want.Volume)
	offline := func() error {
		if used, err := busy(path); err != nil {
			return err
		} else if used {
			return fault.New(fault.Conflict, "a machine that was not named has this disk open")
		}
		ctx, cancel := context.WithTimeout(ctx, quick)
		defer cancel()
		if err := qemuImg(ctx, "resize", "-q", "-f", "qcow2", path, fmt.Sprint(want.Size)); err != nil {
			return err
		}
		return syncPath(path)
	}
	if err := fpResize.Hit(); err != nil {
		return none, err
	}
	if want.Machine != "" && s.cfg.Grow != nil {
		err = s.cfg.Grow(ctx, want.Machine, path, want.Size, offline)
	} else {
		err = offline()
	}
	if err != nil {
		return none, err
	}
	if err := fpResized.Hit(); err != nil {
		return none, err
	}
	v, _, err = p.stat(want.Volume)
	if err == nil && v.Size < want.Size {
		err = fault.New(fault.Internal, "the disk is still %d bytes large", v.Size)
	}
	return v, err
}

// Delete removes a volume. What a running machine has open stays and is a conflict; what is not there
// is done.
func (s *Store) Delete(ctx context.Context, ref agentproto.VolumeRef) error {
	return fault.Wrap(s.remove(ctx, ref, (*pool).volume), fault.Internal, "delete volume "+ref.Volume)
}

// DeleteSeed removes a configuration disk, likewise.
func (s *Store) DeleteSeed(ctx context.Context, ref agentproto.VolumeRef) error {
	return fault.Wrap(s.remove(ctx, ref, (*pool).seed), fault.Internal, "delete configuration disk "+ref.Volume)
}

func (s *Store) remove(ctx context.Context, ref agentproto.VolumeRef, where func(*pool, string) string) error {
	p, release, err := s.take(ctx, ref)
	if err != nil {
		return err
	}
	defer release()
	path := where(p, ref.Volume)
	used, err := busy(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case used:
		return fault.New(fault.Conflict, "a running machine has this disk open; stop or delete the machine first")
	}
	if err := fpVolumeRemove.Hit(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := fpVolumeRemoved.Hit(); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// Stat tells a volume's size and what it takes on the host.
func (s *Store) Stat(ref agentproto.VolumeRef) (agentproto.Volume, error) {
	p, err := s.pool(ref.Pool)
	if err == nil {
		err = checkID("volume", ref.Volume)
	}
	if err != nil {
		return agentproto.Volume{}, err
	}
	v, _, err := p.stat(ref.Volume)
	return v, fault.Wrap(err, fault.Internal, "look at volume "+ref.Volume)
}

func (p *pool) stat(id string) (agentproto.Volume, header, error) {
	v := agentproto.Volume{VolumeRef: agentproto.VolumeRef{Pool: p.id, Volume: id}}
	f, err := os.Open(p.volume(id))
	if errors.Is(err, fs.ErrNotExist) {
		return v, header{}, fault.New(fault.NotFound, "pool %s has no volume %s", p.name, id)
	}
	if err != nil {
		return v, header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return v, header{}, err
	}
	h, err := readHeader(f, info.Size())
	if err != nil {
		return v, h, err
	}
	v.Size, v.Allocated = h.size, allocated(info)
	return v, h, nil
}

// Locate finds a volume for a machine to attach.
func (s *Store) Locate(ref agentproto.VolumeRef) (Location, error) {
	v, err := s.Stat(ref)
	if err != nil {
		return Location{}, err
	}
	p, err := s.pool(v.Pool)
	if err != nil {
		return Location{}, err
	}
	path := p.volume(v.Volume)
	return Location{Path: path, Format: "qcow2", Direct: direct(path)}, nil
}

// LocateSeed finds a configuration disk for a machine to attach.
func (s *Store) LocateSeed(ref agentproto.VolumeRef) (Location, error) {
	p, err := s.pool(ref.Pool)
	if err == nil {
		err = checkID("seed.volume", ref.Volume)
	}
	if err != nil {
		return Location{}, err
	}
	path := p.seed(ref.Volume)
	if _, err := os.Stat(path); err != nil {
		return Location{}, &fault.Error{Code: fault.NotFound, Message: "pool " + p.name + " has no configuration disk " + ref.Volume, Err: err}
	}
	return Location{Path: path, Format: "raw", Direct: direct(path)}, nil
}

// direct tells whether a file can be opened past the host's cache; memory file systems refuse.
func direct(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// WriteSeed makes or replaces a configuration disk. A machine that runs keeps the one it has until it
// starts again.
func (s *Store) WriteSeed(ctx context.Context, want agentproto.Seed) (agentproto.Volume, error) {
	v := agentproto.Volume{VolumeRef: want.VolumeRef}
	p, release, err := s.take(ctx, want.VolumeRef)
	if err != nil {
		return v, err
	}
	defer release()
	path := p.seed(want.Volume)
	docs := cloudinit.Documents{UserData: want.UserData, MetaData: want.MetaData, NetworkConfig: want.NetworkConfig}
	if err := seed.Write(path, p.work(), docs); err != nil {
		return v, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return v, fault.Wrap(err, fault.Internal, "look at configuration disk")
	}
	v.Size, v.Allocated = info.Size(), allocated(info)
	return v, nil
}

// take checks a volume's name and takes its turn.
func (s *Store) take(ctx context.Context, ref agentproto.VolumeRef) (*pool, func(), error) {
	p, err := s.pool(ref.Pool)
	if err == nil {
		err = checkID("volume", ref.Volume)
	}
	if err != nil {
		return nil, nil, err
	}
	release, err := s.turns.Take(ctx, "volume/"+ref.Pool+"/"+ref.Volume)
	return p, release, err
}
