package block

import (
	"bufio"
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"kowabunga/core/fault"
)

const (
	// maxWindow bounds the memory a decompressor may be asked to take: twice what xz -9 uses, and
	// what zstd decoders take by default (--ultra --long=27).
	maxWindow = 128 << 20
	peekBytes = 4096
)

// unpacked is the image inside a source: what is left when gzip, xz or zstd is taken off.
type unpacked struct {
	*bufio.Reader
	close func()
}

// unpack recognises compression by content, whatever the name says.
func unpack(r io.Reader) (unpacked, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(peekBytes)
	if err != nil && err != io.EOF {
		return unpacked{}, err
	}
	out := unpacked{Reader: in, close: func() {}}
	var inner io.Reader
	switch {
	case len(head) == 0:
		return out, fault.New(fault.Invalid, "the source is empty")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		inner, err = gzip.NewReader(in)
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		if window := xzWindow(head); window > maxWindow {
			return out, fault.New(fault.Invalid, "the image was compressed with a dictionary of %d MiB; at most %d are accepted", window>>20, maxWindow>>20)
		}
		inner, err = xz.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true)); err == nil {
			inner, out.close = z, z.Close
		}
	default:
		return out, nil
	}
	if err != nil {
		return out, damaged(err)
	}
	out.Reader = bufio.NewReaderSize(&decompressed{inner}, 256<<10)
	return out, nil
}

// decompressed marks what goes wrong while decompressing as the source's fault.
type decompressed struct{ r io.Reader }

func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}

func damaged(err error) error {
	if f := fault.From(err); f.Code != fault.Internal {
		return f // the transfer failed, not the format
	}
	return &fault.Error{Code: fault.Invalid, Message: "the compressed image is damaged or cut off", Err: err}
}

// xzWindow is the dictionary size that the first block of an xz stream asks for (The .xz File Format,
// 3.1 and 5.3.1); 0 when it cannot be told, which the decoder then complains about.
func xzWindow(head []byte) int64 {
	const start = 12 // the stream header
	if len(head) < start+3 || head[start] == 0 {
		return 0
	}
	block := head[start:]
	if size := (int(block[0]) + 1) * 4; size <= len(block) {
		block = block[:size]
	}
	at := 2
	for _, bit := range []byte{0x40, 0x80} { // compressed and uncompressed size, as varints
		if block[1]&bit != 0 {
			for at < len(block) && block[at]&0x80 != 0 {
				at++
			}
			at++
		}
	}
	for at+2 < len(block) {
		id, size := block[at], int(block[at+1])
		if id == 0x21 && size == 1 {
			bits := int64(block[at+2])
			return (2 | bits&1) << (bits/2 + 11)
		}
		at += 2 + size
	}
	return 0
}

// kinds are contents that people offer by mistake, with what to do about each.
var kinds = []struct {
	at   int
	mark string
	hint string
}{
	{0, "KDMV", "a VMDK image; convert it with qemu-img convert -O qcow2"},
	{0, "# Disk DescriptorFile", "a VMDK description; convert the image with qemu-img convert -O qcow2"},
	{0, "vhdxfile", "a VHDX image; convert it with qemu-img convert -O qcow2"},
	{0, "conectix", "a VHD image; convert it with qemu-img convert -O qcow2"},
	{0x40, "\x7f\x10\xda\xbe", "a VDI image; convert it with qemu-img convert -O qcow2"},
	{257, "ustar", "a tar archive; unpack it and import the image inside"},
	{0, "PK\x03\x04", "a zip archive; unpack it and import the image inside"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it and import the image inside"},
	{0, "BZh", "compressed with bzip2; gzip, xz and zstd are understood"},
	{0, "\x04\x22\x4d\x18", "compressed with lz4; gzip, xz and zstd are understood"},
	{0, "\x1f\x8b", "compressed twice; compress it once"},
	{0, "\xfd7zXZ\x00", "compressed twice; compress it once"},
	{0, "\x28\xb5\x2f\xfd", "compressed twice; compress it once"},
	{0, "\x7fELF", "a program, not a disk image"},
}

// recognise tells raw from qcow2 by content and refuses what is certainly neither.
func recognise(r *bufio.Reader) (string, error) {
	head, err := r.Peek(peekBytes)
	if err != nil && err != io.EOF {
		return "", err
	}
	if len(head) == 0 {
		return "", fault.New(fault.Invalid, "the image is empty")
	}
	if bytes.HasPrefix(head, []byte(qcow2Magic)) {
		return "qcow2", nil
	}
	for _, k := range kinds {
		if len(head) >= k.at+len(k.mark) && string(head[k.at:k.at+len(k.mark)]) == k.mark {
			return "", fault.New(fault.Invalid, "the source is %s", k.hint)
		}
	}
	if text(head[:min(len(head), sector)], len(head) > sector) {
		return "", fault.New(fault.Invalid, "the source is a text, such as a web page, not a disk image")
	}
	return "raw", nil
}

// text tells whether a first sector is all printable: no boot sector, partition table or file system
// is. Where it was cut, a character may have lost its end.
func text(b []byte, cut bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n <= 1:
			return cut && len(b) < utf8.UTFMax
		case !unicode.IsPrint(r) && !unicode.IsSpace(r):
			return false
		}
		b = b[n:]
	}
	return true
}
