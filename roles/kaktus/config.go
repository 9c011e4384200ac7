package kaktus

import (
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/block"
	"kowabunga/roles/kaktus/compute"
)

// Config is everything a Kaktus is told by its host.
type Config struct {
	Dir     string   // keeps everything; mode 0700
	URLs    []string // of one Kahuna, or of each; others that these tell of are found by themselves
	ID      string   // of the agent resource
	KeyFile string
	CAFile  string // empty: the system's certificates
	Release string

	Socket     string // of libvirt
	ConsoleDir string // empty: Dir/console
	Accel      string // "auto", "kvm" or "tcg"
	Firmware   string // "auto" or "bios"

	DisplayAddress string // where clients of screens come in; empty: the address by which Kahuna is reached
	DisplayPorts   string // range of ports for them; empty: DisplayPorts

	Pools    map[string]string // directory by pool name
	Import   Import
	Uplinks  []string      // may become ports of bridges although the host uses them; the first carries the VLANs
	Grace    time.Duration // for machines that are shut down without one; 0 = one minute
	Drain    time.Duration // for running calls when the agent ends; 0 = 10 s
	Listen   string        // loopback address of /metrics, /healthz and /readyz; empty for none
	LogLevel slog.Level    // applied by SIGHUP

	Log   *slog.Logger
	Level *slog.LevelVar // what Log listens to; may be nil

	Reload  <-chan struct{}        // a value asks to read the configuration again
	Reread  func() (Config, error) // does so
	OnReady func()                 // everything runs
}

// Import is what template sources the host accepts.
type Import struct {
	Dirs     []string // directories that file URLs may name files in
	Allow    []string // addresses or prefixes to download from though they are loopback, link-local or metadata services
	MaxBytes int64    // bound on an image's virtual size; 0 = block.DefaultMaxImage
}

// rules translates the text of the configuration.
func (i Import) rules() (block.Import, error) {
	rules := block.Import{Dirs: i.Dirs, MaxBytes: i.MaxBytes}
	for _, text := range i.Allow {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return rules, fault.Bad("import.allow", "%q is neither an address nor a prefix such as 127.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		rules.Allow = append(rules.Allow, prefix)
	}
	return rules, nil
}

func (c Config) check() error {
	if !filepath.IsAbs(c.Dir) {
		return fault.Bad("dir", "%q is not an absolute path", c.Dir)
	}
	if _, err := c.Import.rules(); err != nil {
		return err
	}
	if _, err := c.doors(); err != nil {
		return err
	}
	switch c.Accel {
	case "", compute.AccelAuto, compute.AccelKVM, compute.AccelTCG:
	default:
		return fault.Bad("accel", "%.32q is not known; auto, kvm and tcg are", c.Accel)
	}
	switch c.Firmware {
	case "", compute.FirmwareAuto, compute.FirmwareBIOS:
	default:
		return fault.Bad("firmware", "%.32q is not known; auto and bios are", c.Firmware)
	}
	return loopback(c.Listen)
}

// loopback refuses a listener that others could reach: what it shows is not protected by a key.
func loopback(listen string) error {
	if listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fault.Bad("listen", "%q is not HOST:PORT", listen)
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(host))
	if host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return fault.Bad("listen", "%q is not an address of this machine alone, such as 127.0.0.1:9152", listen)
	}
	return nil
}

func (c Config) console() string {
	if c.ConsoleDir != "" {
		return c.ConsoleDir
	}
	return filepath.Join(c.Dir, "console")
}
