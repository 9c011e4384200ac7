package backups

import (
	"context"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Target keeps objects under names with slashes. Faults: Unavailable when it does not answer, Denied when
// it refuses the credentials, Exhausted when it is full, NotFound for an object that is not there.
type Target interface {
	// Put writes an object of this size, all of it or nothing. The name is a new one.
	Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List is every object whose name begins with a prefix, with its size.
	List(ctx context.Context, prefix string) (map[string]int64, error)
	// Remove removes an object; one that is gone already is no fault.
	Remove(ctx context.Context, name string) error
	String() string
}

// Place says where a target is.
type Place struct {
	Target string // a directory, or s3://BUCKET[/PREFIX]
	S3     S3
}

// S3 is how to reach S3-compatible storage.
type S3 struct {
	Endpoint string        // https://HOST[:PORT]; http on loopback only
	Region   string        // "us-east-1" when empty
	CA       string        // PEM file with the authorities to trust; the system's when empty
	Key      config.Secret // one line, ACCESSKEY:SECRETKEY
}

// Given reports whether there is a target.
func (p Place) Given() bool { return p.Target != "" }

// Remote reports whether the target is no directory.
func (p Place) Remote() bool { return strings.Contains(p.Target, "://") }

// Absolute is the place as seen from any working directory.
func (p Place) Absolute() (Place, error) {
	if p.Remote() {
		p.Target = strings.TrimRight(p.Target, "/")
	}
	for _, file := range []*string{&p.Target, &p.S3.CA, &p.S3.Key.File} {
		if *file == "" || *file == "-" || file == &p.Target && p.Remote() {
			continue
		}
		full, err := filepath.Abs(*file)
		if err != nil {
			return p, fault.Wrap(err, fault.Unavailable, "find the working directory")
		}
		*file = full
	}
	return p, nil
}

// Check finds mistakes in a place without going there. Fault: Invalid.
func (p Place) Check() error {
	if !p.Remote() {
		return nil
	}
	if _, _, err := p.bucket(); err != nil {
		return err
	}
	if _, err := p.S3.endpoint(); err != nil {
		return err
	}
	if !p.S3.Key.Given() || p.S3.Key.File == "-" { // it is read anew each time
		return fault.Bad("backup.s3.key-file", "s3:// needs a file with ACCESSKEY:SECRETKEY")
	}
	return nil
}

// Open makes the target. It reads the credentials and goes nowhere yet.
func (p Place) Open() (Target, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.Remote() {
		return openS3(p)
	}
	return directory(filepath.Clean(p.Target)), nil
}

// bucket splits s3://BUCKET/PREFIX; the prefix is empty or ends in a slash.
func (p Place) bucket() (bucket, prefix string, err error) {
	u, err := url.Parse(p.Target)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Port() != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", "", fault.Bad("backup.target", "%q is neither a directory nor s3://BUCKET/PREFIX", p.shown())
	}
	if prefix = strings.Trim(path.Clean("/"+u.Path), "/"); prefix != "" {
		prefix += "/"
	}
	return u.Host, prefix, nil
}

// shown is the target without what may be a password.
func (p Place) shown() string {
	if u, err := url.Parse(p.Target); err == nil {
		return u.Redacted()
	}
	return "the target"
}

// Exists tells whether a name leads to a target and not to a file.
func (p Place) Exists() bool {
	if p.Remote() {
		return true
	}
	info, err := os.Stat(p.Target)
	return err == nil && info.IsDir()
}
