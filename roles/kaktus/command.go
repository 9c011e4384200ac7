package kaktus

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/kaktus/block"
	"kowabunga/roles/kaktus/compute"
)

const configFile = "kaktus.yaml"

// sockets are where libvirt's daemons listen: the one for QEMU alone, then the one for everything.
var sockets = []string{"/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"}

var idPattern = regexp.MustCompile(`^[0-9a-f]{24}$`)

// options is the configuration as people write it.
type options struct {
	Config
	key    config.Secret
	pools  map[string]map[string]string
	images config.Size
	log    config.Log
}

// Command is `kowabunga kaktus`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kaktus",
		Short: "Run virtual machines on this host",
		Long: `Kaktus is the agent of a hypervisor host. "join" makes this host known to itself: which Kahuna it belongs to and
with which key. "serve" is the agent. More: kowabunga help kaktus`,
	}
	cmd.AddCommand(joinCommand(), serveCommand())
	return cmd
}

func (o *options) declare() *config.Set {
	set := config.New("kaktus")
	set.Path(&o.Dir, "dir", "/var/lib/kowabunga/kaktus", "directory of the agent: configuration, key, state").NotInFile()
	set.URLs(&o.URLs, "url", nil, "Kahuna, as https://HOST[:PORT]; where there are several, any or all of them").Required()
	set.String(&o.ID, "id", "", "id of this agent").Required().Check(func(id string) error {
		if !idPattern.MatchString(id) {
			return errors.New("must be 24 lower-case hex digits, as Kahuna shows it")
		}
		return nil
	})
	set.Secret(&o.key, "key", "", "the agent's key")
	set.Path(&o.CAFile, "ca-file", "", "certificates (PEM) to trust Kahuna by, instead of the system's")
	set.Path(&o.Socket, "libvirt.socket", "", "libvirt's local socket; found by itself when empty")
	set.Path(&o.ConsoleDir, "consoles", "", "directory for the logs of serial consoles; DIR/console when empty")
	set.Choice(&o.Accel, "accel", compute.AccelAuto, "how guests' processors run; auto tries a guest on KVM first", compute.AccelAuto, compute.AccelKVM, compute.AccelTCG)
	set.Choice(&o.Firmware, "firmware", compute.FirmwareAuto, "what machines that ask for UEFI start by; auto is UEFI where the host has it", compute.FirmwareAuto, compute.FirmwareBIOS)
	set.String(&o.DisplayAddress, "display.address", "", "address of this host at which people reach the screens of machines; that by which it reaches Kahuna when empty")
	set.String(&o.DisplayPorts, "display.ports", DisplayPorts, "ports for the screens of machines, each open for one client of a ticket")
	set.Table(&o.pools, "pools", "storage pools by the name Kahuna calls them", "path")
	set.Strings(&o.Import.Dirs, "import.dirs", nil, "directories that file URLs of templates may name files in")
	set.Strings(&o.Import.Allow, "import.allow", nil, "addresses or prefixes to download templates from though they are loopback, link-local or metadata services")
	set.Size(&o.images, "import.max-size", config.Size(block.DefaultMaxImage), "largest virtual size of a template").Between(1<<20, 1<<50)
	set.Strings(&o.Uplinks, "bridges.uplinks", nil, "interfaces that may become ports of bridges although this host uses them; the first carries the VLANs")
	set.Duration(&o.Grace, "grace", time.Minute, "how long a machine may take to shut down before its power is taken").Between(int64(time.Second), int64(time.Hour))
	set.Address(&o.Listen, "listen", "", "loopback address of /metrics, /healthz and /readyz; none when empty").Check(loopback)
	set.Log(&o.log)
	set.Validate(func() error {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "find the agent's directory")
		}
		o.Dir = dir
		o.Pools = map[string]string{}
		for name, fields := range o.pools {
			o.Pools[name] = fields["path"]
		}
		o.KeyFile, o.Import.MaxBytes, o.LogLevel = o.key.File, int64(o.images), o.log.SlogLevel()
		if o.KeyFile == "" {
			o.KeyFile = filepath.Join(o.Dir, "key")
		}
		return o.Config.check()
	})
	return set
}

func serveCommand() *cobra.Command {
	var o options
	set := o.declare()
	var show bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Kahuna on this host",
		Long: `Serve Kahuna on this host: dial it, keep the connection, and do what it asks for with machines, disks, images and
bridges. Without Kahuna the machines run on. SIGTERM lets running calls end; machines are not touched. SIGHUP
reads log level, pools and import rules again.`,
		Args: cobra.NoArgs,
	}
	set.Bind(cmd)
	cmd.Flags().BoolVar(&show, "print-config", false, "show the configuration and where each value came from, then end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file := filepath.Join(set.Early(cmd, "dir"), configFile)
		if err := set.Load(cmd, file, false); err != nil {
			return err
		}
		if show {
			return set.Print(cmd.OutOrStdout())
		}
		return o.serve(cmd, file)
	}
	return cmd
}

func (o *options) serve(cmd *cobra.Command, file string) error {
	level := new(slog.LevelVar)
	cfg := o.Config
	cfg.Log, cfg.Level, cfg.Release = o.log.Logger(cmd.ErrOrStderr(), level), level, config.Program().Version
	if cfg.Socket == "" {
		cfg.Socket = findSocket(os.Stat)
	}
	reload, stop := hangups()
	defer stop()
	cfg.Reload = reload
	cfg.Reread = func() (Config, error) {
		notify(daemon.SdNotifyReloading)
		defer notify(daemon.SdNotifyReady)
		var again options
		err := again.declare().Load(cmd, file, false)
		return again.Config, err
	}
	cfg.OnReady = func() { notify(daemon.SdNotifyReady) }
	stopping := context.AfterFunc(cmd.Context(), func() { notify(daemon.SdNotifyStopping) })
	defer stopping()
	return Run(cmd.Context(), cfg)
}

// notify tells systemd, if it listens.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// hangups turns SIGHUP into requests to read the configuration again.
func hangups() (<-chan struct{}, func()) {
	signals, reload, done := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
			case <-done:
				return
			}
			select {
			case reload <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return reload, func() {
		signal.Stop(signals)
		close(done)
	}
}

// findSocket takes the first socket that is there; the last is named when none is, and waited for.
func findSocket(stat func(string) (os.FileInfo, error)) string {
	for _, path := range sockets {
		if _, err := stat(path); err == nil {
			return path
		}
	}
	return sockets[len(sockets)-1]
}
