package kahuna

import (
	"path/filepath"
	"time"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/backups"
)

// Backup is where backups go by themselves, and how S3-compatible storage is reached in general.
type Backup struct {
	Target     string // a directory, or s3://BUCKET[/PREFIX]; empty for none
	Every      time.Duration
	FullEvery  time.Duration
	Keep       string // how many chains, or how long
	Recipients []string
	S3         backups.S3
}

func (b *Backup) keys(s *config.Set) {
	s.String(&b.Target, "backup.target", "", "where backups go by themselves: a directory, or s3://BUCKET/PREFIX; empty for none")
	s.Duration(&b.Every, "backup.every", time.Hour, "time between two backups").Between(int64(time.Minute), int64(30*24*time.Hour))
	s.Duration(&b.FullEvery, "backup.full-every", 24*time.Hour, "time after which a full backup begins a new chain; those between hold what changed").Between(int64(time.Minute), int64(365*24*time.Hour))
	s.String(&b.Keep, "backup.keep", "14", "how many chains of backups are kept, or how long (30d); 0 for all")
	s.Strings(&b.Recipients, "backup.recipients", nil, "age recipients to encrypt backups for as a whole, the sealing key inside")
	s.String(&b.S3.Endpoint, "backup.s3.endpoint", "", "where the storage of s3:// answers, https://HOST[:PORT]; that of Amazon when empty")
	s.String(&b.S3.Region, "backup.s3.region", "us-east-1", "region of the storage")
	s.Path(&b.S3.CA, "backup.s3.ca", "", "certificates to trust for the storage, PEM; the system's when empty")
	s.Secret(&b.S3.Key, "backup.s3.key", "", "ACCESSKEY:SECRETKEY of the storage")
}

func (b *Backup) check() error {
	if _, err := backups.ParseKeep(b.Keep); err != nil {
		return err
	}
	for _, r := range b.Recipients {
		if _, err := age.ParseX25519Recipient(r); err != nil {
			return fault.Bad("backup.recipients", "%q is no age recipient (age1...)", r)
		}
	}
	if b.Target == "" {
		return nil
	}
	p := b.at(b.Target)
	if !p.Remote() && !filepath.IsAbs(p.Target) {
		return fault.Bad("backup.target", "%q is neither the absolute path of a directory nor s3://BUCKET/PREFIX", p.Target)
	}
	return p.Check()
}

// place is where backups go by themselves.
func (b *Backup) place() (backups.Place, error) { return b.at(b.Target).Absolute() }

// at is a target that is reached as configured.
func (b *Backup) at(target string) backups.Place { return backups.Place{Target: target, S3: b.S3} }
