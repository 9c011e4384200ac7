package kahuna

import (
	"context"
	"os"
	"path/filepath"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/localca"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/store/durable"
)

// enlist gets, for a directory that is becoming a standby, what it must have alike with the primary: the
// key of the pair from the file that was named, the secrets from the primary itself. What an interrupted
// attempt left is taken up.
func enlist(ctx context.Context, c *Config) error {
	const op = "become a standby"
	if c.PairKeyFile != "" {
		key, err := pair.ReadKey(c.PairKeyFile)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, op)
		}
		if err := key.Write(c.pairKey()); err != nil {
			return fault.Wrap(err, fault.Unavailable, op)
		}
	}
	if !exists(c.pairKey()) {
		return &fault.Error{Code: fault.Invalid, Op: op, Field: "pair-key-file", Message: "a standby needs the key of the pair: on the primary, kowabunga kahuna pair-key > pair.key; copy it here and name it with --pair-key-file"}
	}
	key, err := pair.ReadKey(c.pairKey())
	if err != nil {
		return fault.Wrap(err, fault.Invalid, op)
	}
	log := c.Log.Logger(os.Stderr, nil).With("part", "pair")
	self := lease.Node{ID: lease.NodeID(pair.NewID())} // of this one question
	secrets, err := pair.FetchSecrets(ctx, c.StandbyOf, pair.TransportConfig{Self: func() lease.Node { return self }, Release: config.Program().Version, Key: key.Secret, Roots: key.Roots(), Log: log})
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	for path, text := range map[string]string{c.masterKey(): secrets.Master, c.sealingKey(): secrets.Sealing, c.fleetKey(): secrets.Fleet} {
		if err := durable.Write(path, []byte(text+"\n"), 0o600); err != nil {
			return fault.Wrap(err, fault.Unavailable, op)
		}
	}
	if secrets.CACert == "" || c.PlainHTTP || c.TLSCert != "" || c.ACME.Name != "" {
		return nil
	}
	if err := durable.MkdirAll(c.tls(), 0o755); err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	if err := durable.Write(filepath.Join(c.tls(), localca.KeyFile), []byte(secrets.CAKey), 0o600); err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	return fault.Wrap(durable.Write(filepath.Join(c.tls(), localca.CertFile), []byte(secrets.CACert), 0o644), fault.Unavailable, op)
}
