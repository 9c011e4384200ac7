package kahuna

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/localca"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/store"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
)

var (
	joinState = failpoint.Register("kahuna.join.before-state")
	joinKey   = failpoint.Register("kahuna.join.before-key")
)

// pairing is this Kahuna as a node of a pair. One that is alone is the sole node of one.
type pairing struct {
	self      lease.Node
	key       pair.Key
	ca        *x509.Certificate // this node's own authority, nil where it has none
	certify   func(lease.CertificateKind, lease.Epoch) lease.Certificate
	transport *pair.Transport
	driver    *pair.Driver
}

// join makes this Kahuna a node: what it promised, its key, its connection with the other one and what
// drives it. Nothing runs yet.
func (s *Server) join(o store.Options) error {
	missed := exists(s.cfg.nodeKey())
	state, how, err := pair.LoadState(s.cfg.data(), missed)
	if err != nil {
		return err
	}
	text, err := keepNodeKey(&s.cfg, how == pair.Kept)
	if err != nil {
		return err
	}
	signer, err := pair.NodeKey(text)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "read "+s.cfg.nodeKey())
	}
	present := s.store.Present()
	self := lease.Node{ID: state.Node, Address: s.cfg.pairURL(), Key: signer.Public().(ed25519.PublicKey)}
	switch {
	case how == pair.Kept, s.cfg.StandbyOf != "":
	case how == pair.Fresh:
		last := lease.Epoch{Counter: present.HighestEpoch(), Node: present.Epoch().Node}
		state = lease.Found(self, state.Log, last, lease.DefaultTimers())
	default:
		state.Restored = true
		s.log.Error("what this Kahuna promised is lost or damaged; it commands nobody, so that there are not two that do. Make it the standby of the other one (--standby-of), or, if that is off for good, promote it: kowabunga kahuna promote",
			"file", filepath.Join(s.cfg.data(), "voter.json"))
	}
	if err := joinState.Hit(); err != nil {
		return err
	}
	if how != pair.Kept {
		if err := pair.SaveState(s.cfg.data(), state); err != nil {
			return fault.Wrap(err, fault.Unavailable, "write what this node promises")
		}
	}
	if err := joinKey.Hit(); err != nil {
		return err
	}
	if !missed {
		if err := durable.Write(s.cfg.nodeKey(), []byte(text+"\n"), 0o600); err != nil {
			return fault.Wrap(err, fault.Unavailable, "write the node's key")
		}
	}
	p := &pairing{self: self, certify: func(kind lease.CertificateKind, e lease.Epoch) lease.Certificate {
		return lease.Certify(kind, e, signer)
	}}
	if p.ca, err = s.tls.own(); err != nil {
		return err
	}
	if p.key, err = keepPairKey(&s.cfg, p.ca); err != nil {
		return err
	}
	p.transport = pair.NewTransport(pair.TransportConfig{Self: func() lease.Node { return self }, Release: config.Program().Version, Key: p.key.Secret, Roots: p.key.Roots(p.ca), Log: s.part("pair"),
		Receive: func(from lease.NodeID, m any) { p.driver.Receive(from, m) }, Bulk: func(ctx context.Context, what string, conn *link.Pipe) error { return p.driver.Bulk(ctx, what, conn) }})
	var peers []string
	if s.cfg.StandbyOf != "" {
		peers = []string{s.cfg.StandbyOf}
	}
	p.driver = pair.New(pair.Config{
		Replica: lease.Config{Self: self, Highest: present.HighestEpoch(), Timers: lease.DefaultTimers(), Sign: p.certify,
			Valid: func(c lease.Certificate, nodes []lease.Node) bool { return c.SignedBy(nodes) }},
		State: state, Dir: s.cfg.data(), Peers: peers, Journal: pair.NewLedger(s.store, o), Carrier: p.transport, Witnesses: witnesses{s}, Role: s,
		Secrets: s.secrets, Log: s.part("pair")})
	s.pair = p
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keepNodeKey reads the node's key, or draws one. A node without its promises is another one and has
// another key.
func keepNodeKey(c *Config, kept bool) (string, error) {
	if kept && exists(c.nodeKey()) {
		return readSecret(c.nodeKey())
	}
	if !exists(c.nodeKey()) {
		return pair.NewNodeKey(), nil
	}
	text := pair.NewNodeKey()
	return text, fault.Wrap(durable.Write(c.nodeKey(), []byte(text+"\n"), 0o600), fault.Unavailable, "write the node's key")
}

// keepPairKey reads the key that both nodes share, or draws one.
func keepPairKey(c *Config, ca *x509.Certificate) (pair.Key, error) {
	if !exists(c.pairKey()) {
		key := pair.NewKey(ca)
		if err := key.Write(c.pairKey()); err != nil {
			return pair.Key{}, err
		}
	}
	return pair.ReadKey(c.pairKey())
}

// secrets are what a standby needs to show and continue what this Kahuna keeps.
func (s *Server) secrets() (out pair.Secrets, err error) {
	for path, into := range map[string]*string{s.cfg.masterKey(): &out.Master, s.cfg.sealingKey(): &out.Sealing, s.cfg.fleetKey(): &out.Fleet} {
		if *into, err = readSecret(path); err != nil {
			return pair.Secrets{}, err
		}
	}
	if s.tls == nil || s.tls.ca == nil {
		return out, nil
	}
	for path, into := range map[string]*string{filepath.Join(s.cfg.tls(), localca.CertFile): &out.CACert, filepath.Join(s.cfg.tls(), localca.KeyFile): &out.CAKey} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return pair.Secrets{}, fault.Wrap(err, fault.Unavailable, "read the local CA")
		}
		*into = string(raw)
	}
	return out, nil
}

// cluster names this Kahuna and its standby for agents: both have the secret that it is made of.
func cluster(fleet []byte) string {
	sum := sha256.Sum256(append([]byte("kowabunga cluster\x00"), fleet...))
	return hex.EncodeToString(sum[:16])
}

// kahunas are nodes as agents are told of them.
func kahunas(all []lease.Node) []agentproto.Kahuna {
	var out []agentproto.Kahuna
	for _, n := range all {
		out = append(out, agentproto.Kahuna{ID: string(n.ID), Address: n.Address, Key: n.Key})
	}
	return out
}

// members are the nodes of the newest record, or this one where there is none yet.
func (s *Server) members() []lease.Node {
	if s.pair == nil {
		return nil
	}
	if r := s.pair.driver.Status().Record; r != nil {
		return r.Nodes
	}
	return []lease.Node{s.pair.self}
}
