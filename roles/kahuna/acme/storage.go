package acme

import "github.com/caddyserver/certmagic"

// storage is where the account's key, certificates and pending challenges are kept: files that only their
// owner can read. Another place, one that several servers share, would go here.
func storage(dir string) certmagic.Storage { return &certmagic.FileStorage{Path: dir} }
