package seed

import (
	"io"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
)

// read takes the documents out of a configuration disk.
func read(path string) (cloudinit.Documents, error) {
	var docs cloudinit.Documents
	const op = "read configuration disk"
	f, err := os.Open(path)
	if err != nil {
		return docs, fault.Wrap(err, fault.NotFound, op)
	}
	defer f.Close()
	fs, err := iso9660.Read(file.New(f, true), 0, 0, sector)
	if err != nil {
		return docs, fault.Wrap(err, fault.Invalid, op)
	}
	for name, text := range documents(&docs) {
		document, err := fs.OpenFile("/"+name, os.O_RDONLY)
		if err != nil {
			return docs, fault.Wrap(err, fault.Invalid, op)
		}
		content, err := io.ReadAll(io.LimitReader(document, MaxDocuments))
		if err != nil {
			return docs, fault.Wrap(err, fault.Invalid, op)
		}
		*text = string(content)
	}
	return docs, nil
}
