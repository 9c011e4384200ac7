package durable

import "os"

// paceBytes is how much of a large file waits for the disk at most: what others sync waits for that, too.
const paceBytes = 8 << 20

// Paced writes a large file of which every few megabytes are on disk before it goes on. A single sync at the end
// would hold up everybody else's for as long as the disk takes for all of it: beside 1 GB, small ones of another
// file took 150 to 260 ms at worst, and 12 ms with this, on a virtual disk.
type Paced struct {
	file  *os.File
	since int // bytes since the last sync
}

// NewPaced begins where the file is. The last bytes are not synced.
func NewPaced(f *os.File) *Paced { return &Paced{file: f} }

// Write implements io.Writer.
func (p *Paced) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	if p.since += n; err == nil && p.since >= paceBytes {
		p.since, err = 0, p.file.Sync()
	}
	return n, err
}
