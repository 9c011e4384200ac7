package block

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// about is image.json: what is known of an image beside its bytes.
type about struct {
	agentproto.Image
	File   string `json:"file"`   // its name in the image's directory
	Driver string `json:"driver"` // QEMU's name of its format
}

const aboutFile = "image.json"

// ImportImage fetches an image, checks it and keeps it. progress is told the bytes fetched and how
// many there are (0 while unknown). An image that is there already is the result, unless another
// checksum is asked for.
func (s *Store) ImportImage(ctx context.Context, want agentproto.ImageImport, progress func(done, total int64)) (agentproto.Image, error) {
	image, err := s.importImage(ctx, want, progress)
	return image, fault.Wrap(err, fault.Internal, "import image "+want.Image)
}

func (s *Store) importImage(ctx context.Context, want agentproto.ImageImport, progress func(done, total int64)) (agentproto.Image, error) {
	none := agentproto.Image{}
	p, release, err := s.takeImage(ctx, want.ImageRef)
	if err != nil {
		return none, err
	}
	defer release()
	want.SHA256 = strings.ToLower(want.SHA256)
	if raw, err := hex.DecodeString(want.SHA256); err != nil || len(raw) != 0 && len(raw) != sha256.Size {
		return none, fault.Bad("sha256", "is not a SHA-256 in hex")
	}
	if have, err := p.about(want.Image); err == nil {
		if want.SHA256 != "" && want.SHA256 != have.SHA256 {
			return none, fault.New(fault.Conflict, "an image of this id exists with the checksum %s", have.SHA256)
		}
		return have.Image, nil
	} else if !fault.Is(err, fault.NotFound) {
		return none, err
	}

	src, err := s.open(ctx, want.Source)
	if err != nil {
		return none, err
	}
	defer src.Close()
	if !src.whole && want.SHA256 == "" {
		return none, fault.New(fault.Invalid, "the source does not say how long the image is, so a broken transfer would not show; give its sha256")
	}
	if want.SHA256 == "" && strings.HasPrefix(want.Source, "http:") {
		s.cfg.Log.Warn("an image is fetched without encryption or checksum; anybody on the way can change it", "image", want.Image)
	}
	work, err := os.MkdirTemp(p.work(), "image-")
	if err != nil {
		return none, noSpace(err)
	}
	defer os.RemoveAll(work)
	limit := s.limit(want.MaxBytes)
	served := &meter{r: src, hash: sha256.New(), total: max(src.size, 0), report: progress}
	have, err := p.store(ctx, work, served, limit)
	if err != nil {
		return none, err
	}
	have.ImageRef = want.ImageRef
	have.SHA256 = hex.EncodeToString(served.hash.Sum(nil))
	if want.SHA256 != "" && want.SHA256 != have.SHA256 {
		return none, fault.New(fault.Invalid, "the source has the checksum %s, not the one asked for", have.SHA256)
	}
	body, err := json.MarshalIndent(have, "", "  ")
	if err != nil {
		return none, err
	}
	if err := writeFile(filepath.Join(work, aboutFile), work, append(body, '\n')); err != nil {
		return none, noSpace(err)
	}
	if err := os.Chmod(work, 0o711); err != nil {
		return none, err
	}
	if err := fpImage.Hit(); err != nil {
		return none, err
	}
	if err := os.Rename(work, p.image(want.Image)); err != nil {
		return none, err
	}
	if err := fpImageMade.Hit(); err != nil {
		return none, err
	}
	return have.Image, syncPath(filepath.Join(p.dir, imagesDir))
}

// store unpacks a source into the work directory and reads it to its end, so that its checksum covers
// all of it.
func (p *pool) store(ctx context.Context, work string, served *meter, limit int64) (about, error) {
	image, err := unpack(served)
	if err != nil {
		return about{}, err
	}
	defer image.close()
	format, err := recognise(image.Reader)
	if err != nil {
		return about{}, err
	}
	a := about{Image: agentproto.Image{Format: format}}
	if format == "raw" {
		a.File, a.Driver = "disk.raw", "raw"
		n, err := copySparse(ctx, p, filepath.Join(work, a.File), image, limit)
		if err != nil {
			return a, err
		}
		a.Size = (n + sector - 1) / sector * sector
		return a, served.drain()
	}
	a.File, a.Driver = "disk.qcow2", "qcow2"
	a.Size, err = p.convert(ctx, work, a.File, served, image.Reader, limit)
	return a, err
}

// convert spools a qcow2 image, judges it, and rewrites it: what comes out holds the guest's content
// and nothing else, no snapshots, bitmaps or foreign features.
func (p *pool) convert(ctx context.Context, work, name string, served *meter, image *bufio.Reader, limit int64) (int64, error) {
	// A header that will be refused need not be downloaded whole.
	if head, err := image.Peek(peekBytes); err == nil {
		if h, err := readHeader(strings.NewReader(string(head)), 1<<62); err == nil {
			if err := h.strict(1<<62, limit); err != nil {
				return 0, judged(err)
			}
		}
	}
	spool, out := filepath.Join(work, "source.qcow2"), filepath.Join(work, name)
	// Metadata of an image that was written to at random may exceed its content somewhat.
	if _, err := copySparse(ctx, p, spool, image, limit+limit/8+(64<<20)); err != nil {
		return 0, err
	}
	if err := served.drain(); err != nil {
		return 0, err
	}
	h, err := readFileHeader(spool)
	if err != nil {
		return 0, judged(err)
	}
	length, err := os.Stat(spool)
	if err == nil {
		err = h.strict(length.Size(), limit)
	}
	if err != nil {
		return 0, judged(err)
	}
	if err := p.room(length.Size()); err != nil {
		return 0, err
	}
	// A file that lacks its end reads as zeros there; the check finds that.
	if err := qemuImg(ctx, "check", "-q", "-f", "qcow2", spool); err != nil && !leaksOnly(err) {
		return 0, toolFault(err, "the image is damaged or cut off")
	}
	if err := qemuImg(ctx, "convert", "-q", "-f", "qcow2", "-O", "qcow2", spool, out); err != nil {
		return 0, toolFault(err, "the image cannot be converted")
	}
	if err := os.Remove(spool); err != nil {
		return 0, err
	}
	made, err := readFileHeader(out)
	if err != nil || made.size < h.size || made.backing != "" {
		return 0, &fault.Error{Code: fault.Internal, Message: "the converted image is not what was asked for", Err: err}
	}
	if err := os.Chmod(out, 0o600); err != nil {
		return 0, err
	}
	return made.size, syncPath(out)
}

// DeleteImage removes an image. It is a conflict while clones stand on it; an absent one is done.
func (s *Store) DeleteImage(ctx context.Context, ref agentproto.ImageRef) error {
	return fault.Wrap(s.deleteImage(ctx, ref), fault.Internal, "delete image "+ref.Image)
}

func (s *Store) deleteImage(ctx context.Context, ref agentproto.ImageRef) error {
	p, release, err := s.takeImage(ctx, ref)
	if err != nil {
		return err
	}
	defer release()
	p.clones.Lock()
	defer p.clones.Unlock()
	dir := p.image(ref.Image)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, id := range p.ids(volumeDir, ".qcow2") {
		_, h, err := p.stat(id)
		if fault.Is(err, fault.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return &fault.Error{Code: fault.Conflict, Message: "whether volume " + id + " stands on this image cannot be told; look at it first", Err: err}
		}
		if strings.HasPrefix(h.backing, dir+"/") {
			return fault.New(fault.Conflict, "volume %s is a clone of this image; delete its clones first", id)
		}
	}
	// Renaming takes it away in one step; the rest cannot leave half an image.
	work, err := os.MkdirTemp(p.work(), "gone-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := fpImageRemove.Hit(); err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(work, ref.Image)); err != nil {
		return err
	}
	if err := fpImageRemoved.Hit(); err != nil {
		return err
	}
	return syncPath(filepath.Join(p.dir, imagesDir))
}

func (p *pool) about(id string) (about, error) {
	var a about
	text, err := os.ReadFile(filepath.Join(p.image(id), aboutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, fault.New(fault.NotFound, "pool %s has no image %s", p.name, id)
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err == nil && (a.File != "disk.raw" && a.File != "disk.qcow2" || a.Size <= 0) {
		err = errors.New("it does not make sense")
	}
	if err != nil {
		return a, &fault.Error{Code: fault.Internal, Message: "the description of image " + id + " cannot be read", Err: err}
	}
	a.Pool, a.Image.Image = p.id, id
	return a, nil
}

func (s *Store) takeImage(ctx context.Context, ref agentproto.ImageRef) (*pool, func(), error) {
	p, err := s.pool(ref.Pool)
	if err == nil {
		err = checkID("image", ref.Image)
	}
	if err != nil {
		return nil, nil, err
	}
	release, err := s.turns.Take(ctx, "image/"+ref.Pool+"/"+ref.Image)
	return p, release, err
}

func (s *Store) limit(asked int64) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if asked > 0 {
		return min(asked, s.cfg.Import.MaxBytes)
	}
	return s.cfg.Import.MaxBytes
}

// meter counts and hashes what a source served.
type meter struct {
	r           io.Reader
	hash        hash.Hash
	done, total int64
	report      func(done, total int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.hash.Write(p[:n])
	m.done += int64(n)
	if m.report != nil && n > 0 {
		m.report(m.done, m.total)
	}
	return n, err
}

// drain reads what a decompressor left over, padding mostly.
func (m *meter) drain() error {
	_, err := io.Copy(io.Discard, m)
	if err == nil && m.total > 0 && m.done != m.total {
		err = fault.New(fault.Unavailable, "the source had %d bytes and gave %d", m.total, m.done)
	}
	return err
}

func readFileHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	return readHeader(f, info.Size())
}

// judged makes a sentence of what the header's judge found.
func judged(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		said := *f
		said.Message = "the image " + f.Message
		return &said
	}
	return err
}

// leaksOnly: qemu-img check exits with 3 when clusters are merely wasted (qemu-img(1)).
func leaksOnly(err error) bool {
	var tool *toolError
	return errors.As(err, &tool) && tool.status == 3
}

// toolFault blames the image when the tool ran and said no.
func toolFault(err error, message string) error {
	var tool *toolError
	if errors.As(err, &tool) {
		return &fault.Error{Code: fault.Invalid, Message: message, Err: err}
	}
	return err
}

func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault.Error{Code: fault.Exhausted, Message: "the pool is full", Err: err}
	}
	return err
}
