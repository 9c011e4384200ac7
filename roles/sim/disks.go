package sim

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// Sizes of pretended things, in bytes. An image's source may say ?size=BYTES.
const (
	imageSize = 1 << 30
	seedSize  = 376832 // what a small ISO 9660 file system takes
	sector    = 512
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func compare(a, b, c, d string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(c, d)) }

// pools is what the host sees of its pools; it needs the lock, like every function here without one.
func (k *Kaktus) pools() []agentproto.PoolStatus {
	out := []agentproto.PoolStatus{}
	for _, p := range k.state.Pools {
		out = append(out, agentproto.PoolStatus{ID: p.ID, Ready: true, Capacity: k.cfg.PoolCapacity, Available: k.cfg.PoolCapacity - k.used(p.ID)})
	}
	return out
}

func (k *Kaktus) used(pool string) (bytes int64) {
	for ref, i := range k.images {
		if ref.Pool == pool {
			bytes += i.Size
		}
	}
	for ref, v := range k.volumes {
		if ref.Pool == pool {
			bytes += v.Size
		}
	}
	return bytes
}

func (k *Kaktus) poolUsed(pool string) bool { return k.used(pool) > 0 }

func (k *Kaktus) pool(id string) error {
	if slices.ContainsFunc(k.state.Pools, func(p agentproto.Pool) bool { return p.ID == id }) {
		return nil
	}
	return fault.New(fault.Unavailable, "pool %s is not ready on this host", id)
}

// room checks that so many more bytes fit into a pool.
func (k *Kaktus) room(pool string, more int64) error {
	if left := k.cfg.PoolCapacity - k.used(pool); more > left {
		return fault.New(fault.Exhausted, "pool %s has %d bytes left, %d are needed", pool, left, more)
	}
	return nil
}

func (k *Kaktus) importImage(ctx context.Context, call *agent.Call, want agentproto.ImageImport) (agentproto.Image, error) {
	none := agentproto.Image{}
	source, err := url.Parse(want.Source)
	if err != nil || source.Scheme != "http" && source.Scheme != "https" && source.Scheme != "file" {
		return none, fault.Bad("source", "the source must be an http, https or file URL")
	}
	image := agentproto.Image{ImageRef: want.ImageRef, Size: imageSize, SHA256: want.SHA256, Format: "raw"}
	if n, err := strconv.ParseInt(source.Query().Get("size"), 10, 64); err == nil && n > 0 {
		image.Size = n
	}
	if path.Ext(source.Path) == ".qcow2" {
		image.Format = "qcow2"
	}
	if image.SHA256 == "" {
		sum := sha256.Sum256([]byte(want.Source))
		image.SHA256 = hex.EncodeToString(sum[:])
	}
	if want.MaxBytes > 0 && image.Size > want.MaxBytes {
		return none, fault.Bad("source", "the image has %d bytes, at most %d are allowed", image.Size, want.MaxBytes)
	}
	const parts = 4
	for part := range int64(parts) {
		call.Progress(image.Size*part/parts, image.Size, "bytes")
		if err := sleep(ctx, k.cfg.Latency); err != nil {
			return none, err
		}
	}
	call.Progress(image.Size, image.Size, "bytes")
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.pool(want.Pool); err != nil {
		return none, err
	}
	if have, ok := k.images[want.ImageRef]; ok {
		if want.SHA256 != "" && have.SHA256 != want.SHA256 {
			return none, fault.New(fault.Conflict, "another image was imported under this id")
		}
		return have, nil
	}
	if err := k.room(want.Pool, image.Size); err != nil {
		return none, err
	}
	k.images[want.ImageRef] = image
	return image, nil
}

func (k *Kaktus) deleteImage(_ context.Context, _ *agent.Call, ref agentproto.ImageRef) (agentproto.Empty, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for vref, v := range k.volumes {
		if v.image == ref.Image && vref.Pool == ref.Pool {
			return agentproto.Empty{}, fault.New(fault.Conflict, "volume %s is a clone of this image; delete it first", vref.Volume)
		}
	}
	delete(k.images, ref)
	return agentproto.Empty{}, nil
}

func (k *Kaktus) createVolume(_ context.Context, _ *agent.Call, want agentproto.VolumeCreate) (agentproto.Volume, error) {
	none := agentproto.Volume{}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.pool(want.Pool); err != nil {
		return none, err
	}
	if want.Size <= 0 {
		return none, fault.Bad("size", "%d bytes is not a size of a disk", want.Size)
	}
	want.Size = (want.Size + sector - 1) / sector * sector
	if want.Image != "" {
		image, ok := k.images[agentproto.ImageRef{Pool: want.Pool, Image: want.Image}]
		if !ok {
			return none, fault.New(fault.NotFound, "pool %s has no image %s", want.Pool, want.Image)
		}
		if want.Size < image.Size {
			return none, fault.Bad("size", "%d bytes is less than the %d of the image", want.Size, image.Size)
		}
	}
	if have, ok := k.volumes[want.VolumeRef]; ok {
		if have.image != want.Image || have.Size < want.Size {
			return none, fault.New(fault.Conflict, "a volume of this id exists with another size or image")
		}
		return have.Volume, nil
	}
	if err := k.room(want.Pool, want.Size); err != nil {
		return none, err
	}
	v := volume{Volume: agentproto.Volume{VolumeRef: want.VolumeRef, Size: want.Size}, image: want.Image}
	k.volumes[want.VolumeRef] = v
	return v.Volume, nil
}

func (k *Kaktus) resizeVolume(_ context.Context, _ *agent.Call, want agentproto.VolumeResize) (agentproto.Volume, error) {
	none := agentproto.Volume{}
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.volumes[want.VolumeRef]
	if !ok {
		return none, missing(want.VolumeRef)
	}
	want.Size = (want.Size + sector - 1) / sector * sector
	if want.Size < v.Size {
		return none, fault.Bad("size", "%d bytes is less than the present %d; a disk only grows", want.Size, v.Size)
	}
	if err := k.room(want.Pool, want.Size-v.Size); err != nil {
		return none, err
	}
	v.Size = want.Size
	k.volumes[want.VolumeRef] = v
	return v.Volume, nil
}

func (k *Kaktus) deleteVolume(_ context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Empty, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, m := range k.machines {
		if m.state != agentproto.StateShutoff && slices.Contains(m.Disks, agentproto.Disk{VolumeRef: ref}) {
			return agentproto.Empty{}, fault.New(fault.Conflict, "machine %s has this disk open; stop or delete the machine first", id)
		}
	}
	delete(k.volumes, ref)
	return agentproto.Empty{}, nil
}

func (k *Kaktus) statVolume(_ context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Volume, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.volumes[ref]
	if !ok {
		return agentproto.Volume{}, missing(ref)
	}
	return v.Volume, nil
}

func missing(ref agentproto.VolumeRef) error {
	return fault.New(fault.NotFound, "pool %s has no volume %s", ref.Pool, ref.Volume)
}

func (k *Kaktus) writeSeed(_ context.Context, _ *agent.Call, seed agentproto.Seed) (agentproto.Volume, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.pool(seed.Pool); err != nil {
		return agentproto.Volume{}, err
	}
	k.seeds[seed.VolumeRef] = seed
	return agentproto.Volume{VolumeRef: seed.VolumeRef, Size: seedSize, Allocated: seedSize}, nil
}

func (k *Kaktus) deleteSeed(_ context.Context, _ *agent.Call, ref agentproto.VolumeRef) (agentproto.Empty, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.seeds, ref)
	return agentproto.Empty{}, nil
}
