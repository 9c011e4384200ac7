package pair

import (
	"context"
	"io"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// Secrets are what both nodes must have alike, as their files hold them. They go over the pair's own
// connection only.
type Secrets struct {
	Master  string `json:"master"`
	Sealing string `json:"sealing"`
	Fleet   string `json:"fleet"`
	CACert  string `json:"caCert,omitempty"` // PEM, of the authority that Kahuna made itself
	CAKey   string `json:"caKey,omitempty"`
}

// FetchSecrets gets the secrets of the Kahuna at an address, for a node that is being made.
func FetchSecrets(ctx context.Context, url string, c TransportConfig) (Secrets, error) {
	t := NewTransport(c)
	defer t.Close()
	var s Secrets
	err := t.Fetch(ctx, lease.NodeID(url), forSecrets, io.Discard, &s)
	if err == nil && (s.Master == "" || s.Sealing == "" || s.Fleet == "") {
		err = fault.New(fault.Malformed, "the other Kahuna did not send all of its secrets; it may be of another release")
	}
	return s, fault.Wrap(err, fault.Unavailable, "get the secrets of "+url)
}

// Bulk answers a connection of the other node for something large; see TransportConfig.
func (d *Driver) Bulk(ctx context.Context, what string, p *link.Pipe) error {
	switch what {
	case forSnapshots:
		return sendBulk(ctx, p, func(w io.Writer) (any, error) {
			end, err := d.cfg.Journal.Snapshot(ctx, w)
			return snapshotEnd{End: end}, err
		})
	case forSecrets:
		return sendBulk(ctx, p, func(io.Writer) (any, error) { return d.cfg.Secrets() })
	}
	return fault.New(fault.Malformed, "nothing of the kind %.40q is handed out", what)
}
