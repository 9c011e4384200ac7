package cloudinit

import _ "embed"

// Metadata is how a machine reads what is known of it while it runs.
type Metadata struct {
	URI     string // of the document
	LocalIP string // the address it says it comes from
	Secret  string // letters and digits
	CA      string // DER of the authority to trust besides the public ones, base 64; empty for none
}

// kwMeta is the program in the guest that reads the document: kw-meta.
//
//go:embed kw-meta.sh
var kwMeta string

// KwMeta is where the program stands in the guest.
const KwMeta = "/usr/bin/kw-meta"

// credentials stands below a key whose content cloud-init shows to root alone
// (DataSource.sensitive_metadata_keys of its sources).
type credentials struct {
	Secret string `json:"kowabunga_metadata_secret"`
}

type file struct {
	Path        string `json:"path"`
	Permissions string `json:"permissions"`
	Content     string `json:"content"`
}

// meta is the meta-data document. The names with underscores are those of the earlier releases.
type meta struct {
	InstanceID  string       `json:"instance-id"`
	Hostname    string       `json:"local-hostname"`
	CloudName   string       `json:"cloud-name"`
	Region      string       `json:"region,omitempty"`
	Zone        string       `json:"availability-zone,omitempty"`
	URI         string       `json:"kowabunga_metadata_uri,omitempty"`
	LocalIP     string       `json:"kowabunga_local_ip,omitempty"`
	CA          string       `json:"kowabunga_metadata_ca,omitempty"`
	Credentials *credentials `json:"security-credentials,omitempty"`
}

func metaData(m Machine) meta {
	out := meta{InstanceID: m.InstanceID, Hostname: m.Hostname, CloudName: "kowabunga", Region: m.Region, Zone: m.Zone}
	if m.Metadata.Secret != "" {
		out.URI, out.LocalIP, out.CA = m.Metadata.URI, m.Metadata.LocalIP, m.Metadata.CA
		out.Credentials = &credentials{m.Metadata.Secret}
	}
	return out
}
