// Package kahuna is the control plane: REST API, agents' endpoint, operations and the store, as one
// process with one directory.
//
// The directory holds kahuna.yaml, secrets/ (master key, sealing key, fleet secret), tls/ (the local
// CA, where no certificate is given), data/ (the store), scratch/ (backups being made) and kahuna.sock, through which local commands
// reach the running server.
package kahuna

import (
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/acme"
)

// DefaultDir is where a Kahuna lives unless told otherwise.
const DefaultDir = "/var/lib/kowabunga/kahuna"

// Config is everything a Kahuna is told.
type Config struct {
	Dir           string
	Listen        string // address of the API and the agents' endpoint
	URL           string // how others reach it; made from Listen and the host's name when empty
	PairURL       string // how the other node and agents reach it; URL when empty
	StandbyOf     string // address of the primary that this one is the standby of
	PairKeyFile   string // for a new standby, from the primary
	MetadataURL   string // how machines reach it; URL when empty
	PlainHTTP     bool   // no TLS: behind a proxy, or on loopback
	TLSCert       string // PEM files; without them the local CA makes a certificate
	TLSKey        string
	ACME          ACME
	HTTPListen    string // where plain HTTP is answered for the public name; empty for nowhere
	MetricsListen string // loopback address for /metrics and health without credentials; empty for none
	Mail          string // "file:DIR", "smtp://...", "smtps://..."
	MailFrom      string
	MailPassword  config.Secret // of the user in Mail
	MailKeep      time.Duration // how long a letter is tried
	AdminEmail    string
	Passwords     string        // "chosen" or "generated"
	ConfirmLife   time.Duration // of links that confirm an account or an address
	ResetLife     time.Duration // of links that draw a new password
	Bootstrap     struct{ User, Pubkey string }
	Access        struct{ ProjectAdminsCreateProjects bool }
	SessionLife   time.Duration
	SigningAge    time.Duration // of the key that signs logins
	StopGrace     time.Duration // how long a guest may take to shut down
	Journal       struct {
		Age  time.Duration
		Size config.Size
	}
	Backup Backup
	Log    config.Log

	apart bool // each agent and each Kahuna counts as one of a host of its own, with a durable disk; for tests on one host
}

// set declares the keys of a configuration.
func (c *Config) set() *config.Set {
	s := config.New("kahuna")
	s.Path(&c.Dir, "dir", DefaultDir, "directory of this Kahuna").NotInFile()
	s.Address(&c.Listen, "listen", ":8443", "address to serve the API and the agents on")
	s.URL(&c.URL, "url", "", "public URL, when it is not https://HOSTNAME and the port", "http", "https")
	s.URL(&c.StandbyOf, "standby-of", "", "URL of the Kahuna that this one is the standby of", "http", "https")
	s.Path(&c.PairKeyFile, "pair-key-file", "", "key of the pair, for a new standby (made by: kowabunga kahuna pair-key): a file only its owner can read")
	s.URL(&c.PairURL, "pair-url", "", "URL by which the other Kahuna and agents reach this one, when it is not the public one", "http", "https")
	s.URL(&c.MetadataURL, "metadata-url", "", "URL by which machines reach Kahuna for their metadata, when it is not the public one", "http", "https")
	s.Bool(&c.PlainHTTP, "plain-http", false, "serve without TLS: on loopback, or behind a proxy that does TLS")
	s.Path(&c.TLSCert, "tls-cert", "", "certificate chain, PEM; a local CA makes one when empty")
	s.Path(&c.TLSKey, "tls-key", "", "private key of the certificate, PEM")
	s.String(&c.ACME.Name, "acme.name", "", "public DNS name to get a certificate for")
	s.URL(&c.ACME.Directory, "acme.directory", acme.LetsEncrypt, "directory of the authority to get it from (RFC 8555)", "https")
	s.String(&c.ACME.Email, "acme.email", "", "address the authority may write to")
	s.Bool(&c.ACME.Agree, "acme.agree", false, "agree to the authority's terms of service")
	s.Path(&c.ACME.Roots, "acme.roots", "", "roots to trust for the directory, PEM; the system's when empty")
	s.Address(&c.HTTPListen, "http-listen", ":80", "address of plain HTTP for the public name: the authority's challenges, and the way to https; empty for none")
	s.Address(&c.MetricsListen, "metrics-listen", "", "loopback address for /metrics, /healthz and /readyz without credentials")
	s.String(&c.Mail, "mail", "", "where mail goes: smtp://[USER@]HOST[:PORT] or smtps://..., a relay; or file:DIR, one .eml per letter")
	s.String(&c.MailFrom, "mail-from", "Kowabunga <kowabunga@localhost>", "sender of mail")
	s.Secret(&c.MailPassword, "mail-password", "", "password of the user at the mail relay")
	s.Duration(&c.MailKeep, "mail-keep", account.DefaultLetterLife, "how long a letter is tried before it is given up").Between(int64(time.Minute), int64(30*24*time.Hour))
	s.String(&c.AdminEmail, "admin-email", "", "who gets mail about agents")
	s.Choice(&c.Passwords, "passwords", "chosen", "who makes up passwords: users may choose them, or they are only drawn here", "chosen", "generated")
	s.Duration(&c.ConfirmLife, "confirm-life", account.DefaultConfirmLife, "how long a link that confirms an account or an address is good for").Between(int64(time.Minute), int64(30*24*time.Hour))
	s.Duration(&c.ResetLife, "reset-life", account.DefaultResetLife, "how long a link that draws a new password is good for").Between(int64(time.Minute), int64(30*24*time.Hour))
	s.String(&c.Bootstrap.User, "bootstrap.user", "kowabunga", "service account of new machines, unless their project names one")
	s.String(&c.Bootstrap.Pubkey, "bootstrap.pubkey", "", "SSH public key of that account")
	s.Bool(&c.Access.ProjectAdminsCreateProjects, "access.projectAdminsCreateProjects", false, "let projectAdmins create projects for teams they are in")
	s.Duration(&c.SessionLife, "session-life", 24*time.Hour, "how long a login lasts")
	s.Duration(&c.SigningAge, "signing-key-age", 30*24*time.Hour, "age at which the key that signs logins is replaced; 0 for never")
	s.Duration(&c.StopGrace, "stop-grace", time.Minute, "how long a guest may take to shut down before it is forced")
	s.Duration(&c.Journal.Age, "journal.age", 90*24*time.Hour, "how long the journal is kept; 0 for ever")
	s.Size(&c.Journal.Size, "journal.size", 1<<30, "how large the journal may grow; 0 without bound")
	c.Backup.keys(s)
	s.Log(&c.Log)
	s.Validate(func() error {
		if (c.TLSCert == "") != (c.TLSKey == "") {
			return fault.Bad("tls-cert", "a certificate and its key come together")
		}
		if c.PlainHTTP && c.TLSCert != "" {
			return fault.Bad("plain-http", "contradicts tls-cert")
		}
		if err := c.checkACME(); err != nil {
			return err
		}
		if err := c.Backup.check(); err != nil {
			return err
		}
		if c.MetricsListen != "" && !loopback(c.MetricsListen) {
			return fault.Bad("metrics-listen", "%q is not a loopback address; others read /metrics with an API key", c.MetricsListen)
		}
		if _, user, _ := strings.Cut(c.Mail, "//"); c.MailPassword.Given() && !strings.Contains(user, "@") {
			return fault.Bad("mail-password-file", "is of no use without a user in mail: smtps://USER@HOST")
		}
		return nil
	})
	return s
}

// accounts is what the configuration says about links and letters.
func (c *Config) accounts() account.Terms {
	return account.Terms{URL: c.publicURL(), AdminEmail: c.AdminEmail, ConfirmLife: c.ConfirmLife, ResetLife: c.ResetLife, LetterLife: c.MailKeep,
		Generated: c.Passwords == "generated"}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Places below the directory.
func (c *Config) file() string       { return filepath.Join(c.Dir, "kahuna.yaml") }
func (c *Config) secrets() string    { return filepath.Join(c.Dir, "secrets") }
func (c *Config) masterKey() string  { return filepath.Join(c.Dir, "secrets", "master-key") }
func (c *Config) sealingKey() string { return filepath.Join(c.Dir, "secrets", "sealing-key") }
func (c *Config) nodeKey() string    { return filepath.Join(c.Dir, "secrets", "node-key") }
func (c *Config) pairKey() string    { return filepath.Join(c.Dir, "secrets", "pair-key") }
func (c *Config) fleetKey() string   { return filepath.Join(c.Dir, "secrets", "fleet-secret") }
func (c *Config) data() string       { return filepath.Join(c.Dir, "data") }
func (c *Config) scratch() string    { return filepath.Join(c.Dir, "scratch") }
func (c *Config) tls() string        { return filepath.Join(c.Dir, "tls") }
func (c *Config) socket() string     { return filepath.Join(c.Dir, "kahuna.sock") }

// load fills the configuration from flags, environment and DIR/kahuna.yaml.
func load(cmd *cobra.Command, c *Config, s *config.Set, required bool) error {
	c.Dir = s.Early(cmd, "dir")
	return s.Load(cmd, c.file(), required)
}
