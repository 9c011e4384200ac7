package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Environment variables that stand for the flags --credentials, --context and --ca.
const (
	CredentialsVariable = "KOWABUNGA_CREDENTIALS"
	ContextVariable     = "KOWABUNGA_CONTEXT"
	CAVariable          = "KOWABUNGA_CA"
)

// caFile is the name of the certificate of a local CA beside a credentials file.
const caFile = "ca.pem"

// maxFile bounds the files read here; a chain of certificates is far smaller.
const maxFile = 1 << 20

// Source says where credentials come from, as a person named it. Empty fields are looked up: Dir beats
// everything, then File, Context, the environment, the context in use, and the file in the user's
// configuration directory.
type Source struct {
	File    string // credentials file
	Context string // name of a context
	CA      string // certificate of the CA to trust, PEM
	Dir     string // directory of a Kahuna on this machine
}

// Credentials are a server and the proof shown to it.
type Credentials struct {
	URL     string
	Nodes   []string // all addresses of the server, in the order to try; URL alone when empty
	Key     string   // API key; empty over a socket, where the system vouches for the caller
	Session string   // token of a login, in place of a key
	CA      []byte   // PEM; the system's CAs are trusted when empty
	Socket  string   // path of the server's local socket
	From    string   // where they were found, for messages
	Context string   // name of the context they are, empty for other files
}

// addresses are those to try, in order.
func (c *Credentials) addresses() []string {
	if len(c.Nodes) > 0 {
		return c.Nodes
	}
	return []string{c.URL}
}

// DefaultFile is where credentials lie unless told otherwise: kowabunga/credentials.json below
// $XDG_CONFIG_HOME, which is ~/.config when unset.
func DefaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "kowabunga", "credentials.json")
}

// Load finds the credentials. Faults: NotFound without any, Denied for a file that others can read,
// Malformed and Invalid for one that cannot be used.
func (s Source) Load() (Credentials, error) {
	const op = "read the credentials"
	if s.Dir != "" {
		if s.File != "" {
			return Credentials{}, &fault.Error{Code: fault.Invalid, Op: op, Message: "--dir and --credentials name two servers; give one of them"}
		}
		return s.local(op)
	}
	if s.File != "" && s.Context != "" {
		return Credentials{}, &fault.Error{Code: fault.Invalid, Op: op, Message: "--context and --credentials name two servers; give one of them"}
	}
	file, context := s.find()
	if context != "" {
		if err := checkContext(context); err != nil {
			return Credentials{}, fault.Wrap(err, fault.Invalid, op)
		}
		file = Contexts{}.file(context)
	}
	raw, err := readPrivate(file)
	switch {
	case context != "" && errors.Is(err, fs.ErrNotExist):
		return Credentials{}, fault.Wrap(noContext(context), fault.NotFound, op)
	case errors.Is(err, fs.ErrNotExist) || file == "":
		return Credentials{}, &fault.Error{Code: fault.NotFound, Op: op,
			Message: fmt.Sprintf("%s does not exist; name the file with --credentials or %s (the sandbox writes DIR/credentials.json), or a Kahuna on this machine with --dir", file, CredentialsVariable)}
	case err != nil:
		return Credentials{}, fault.Wrap(err, fault.Unavailable, op)
	}
	c := Credentials{From: file, Context: context}
	if err := c.parse(raw, filepath.Dir(file)); err != nil {
		return Credentials{}, fault.Wrap(err, fault.Invalid, op)
	}
	return c, fault.Wrap(s.trust(&c), fault.Invalid, op)
}

// find is the file or the context to use.
func (s Source) find() (file, context string) {
	switch {
	case s.File != "":
		return s.File, ""
	case s.Context != "":
		return "", s.Context
	}
	if file = os.Getenv(CredentialsVariable); file != "" {
		return file, ""
	}
	if context = os.Getenv(ContextVariable); context != "" {
		return "", context
	}
	if context = (Contexts{}).Current(); context != "" {
		return "", context
	}
	return DefaultFile(), ""
}

func (s Source) local(op string) (Credentials, error) {
	socket := filepath.Join(s.Dir, "kahuna.sock")
	info, err := os.Stat(socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Credentials{}, &fault.Error{Code: fault.Denied, Op: op, Message: s.Dir + " may not be entered by you; run this as root, or use --credentials"}
	case err != nil:
		return Credentials{}, &fault.Error{Code: fault.Unavailable, Op: op, Message: fmt.Sprintf("no Kahuna runs in %s (there is no kahuna.sock); start it with kowabunga kahuna serve --dir %s", s.Dir, s.Dir)}
	case info.Mode().Type() != fs.ModeSocket:
		return Credentials{}, &fault.Error{Code: fault.Invalid, Op: op, Message: socket + " is no socket"}
	}
	return Credentials{URL: "http://kahuna", Socket: socket, From: socket}, nil
}

// parse reads {"url","apiKey"[,"ca"]}, or what a login left; "ca" is a certificate in PEM or the name of
// a file, relative to the folder of the credentials.
func (c *Credentials) parse(raw []byte, folder string) error {
	var sent Context
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&sent); err != nil {
		return &fault.Error{Code: fault.Malformed, Message: fmt.Sprintf(`%s is not of the form {"url": "https://…", "apiKey": "…", "ca": "ca.pem"}, where "ca" may be absent`, c.From)}
	}
	c.URL, c.Key, c.Session = strings.TrimRight(sent.URL, "/"), sent.APIKey, sent.Session
	switch {
	case c.Key == "" && c.Session == "" && c.Context != "":
		return &fault.Error{Code: fault.Unauthenticated, Message: fmt.Sprintf("you are logged out of %s; say who you are with kowabunga login --context %s", c.Context, c.Context)}
	case c.Key == "" && c.Session == "":
		return fault.Bad("apiKey", "is missing in %s", c.From)
	case strings.ContainsFunc(c.Key+c.Session, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault.Bad("apiKey", "holds blanks or line ends in %s; copy it again", c.From)
	}
	if err := checkURL(c.URL); err != nil {
		return err
	}
	for i, node := range sent.Nodes {
		if node = strings.TrimRight(node, "/"); checkURL(node) != nil {
			return fault.Bad(fmt.Sprintf("nodes[%d]", i), "%q is no address that credentials may be sent to: it must be https:// and a host", node)
		}
		c.Nodes = append(c.Nodes, node)
	}
	if len(c.Nodes) > 0 && !slices.Contains(c.Nodes, c.URL) {
		c.Nodes = append(c.Nodes, c.URL)
	}
	switch {
	case sent.CA == "":
	case strings.HasPrefix(strings.TrimSpace(sent.CA), "-----BEGIN"):
		c.CA = []byte(sent.CA)
	case filepath.IsAbs(sent.CA):
		return c.readCA(sent.CA)
	default:
		return c.readCA(filepath.Join(folder, sent.CA))
	}
	return nil
}

// trust finds the CA to trust: flag, environment, credentials, then the file beside them.
func (s Source) trust(c *Credentials) error {
	named := s.CA
	if named == "" {
		named = os.Getenv(CAVariable)
	}
	if named != "" {
		return c.readCA(named)
	}
	if beside := filepath.Join(filepath.Dir(c.From), caFile); len(c.CA) == 0 {
		if _, err := os.Stat(beside); err == nil {
			return c.readCA(beside)
		}
	}
	return nil
}

func (c *Credentials) readCA(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.Bad("ca", "%s cannot be read: %v", file, reason(err))
	}
	defer f.Close()
	if c.CA, err = io.ReadAll(io.LimitReader(f, maxFile)); err != nil {
		return fault.Bad("ca", "%s cannot be read: %v", file, reason(err))
	}
	return nil
}

// reason is what went wrong with a file, without its name.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// checkURL wants https, or http to this machine: anything else would show the key to the network.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return fault.Bad("url", "is missing")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fault.Bad("url", "must be https:// and a host, such as https://kahuna.example.org:8443")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fault.Bad("url", "http:// would send the API key readable over the network; use https:// (only this machine itself may be reached by http)")
	}
	return nil
}

// readPrivate reads a file that nobody else may read.
func readPrivate(path string) ([]byte, error) {
	if path == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, &fault.Error{Code: fault.Denied, Message: fmt.Sprintf("%s may be read by everybody (mode %04o); run: chmod 0600 %s", path, info.Mode().Perm(), path)}
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// agentName is how this program introduces itself to servers (RFC 9110 section 10.1.5).
func agentName() string { return "kowabunga-cli/" + config.Program().Version }
