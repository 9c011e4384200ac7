package hypervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// A daemon that ends by itself is started again, as the distributions' units do (Restart=on-failure), unless
// it ended at once: then something is wrong that another start does not mend.
const (
	restartAfter = 100 * time.Millisecond // RestartSec of systemd
	atOnce       = time.Second
)

// supervise runs the daemon until it is told to end, or ends so soon after a start. libvirtd can crash when a client is
// killed in the midst of a call; guests do not notice, and the daemon that is started in its place finds them.
func (d Daemon) supervise(binary string, soon time.Duration) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT)
	defer signal.Stop(asked)
	for {
		if err := d.endProbes(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "what libvirtd asked before it ended stays: %v\n", err)
		}
		cmd := exec.Command(binary, "--config", d.path("etc", "libvirtd.conf"), "--pid-file", d.path("run", "libvirtd.pid"))
		cmd.Args[0] = "libvirtd"
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-asked:
			_ = cmd.Process.Signal(unix.SIGTERM) // whoever asked kills what does not obey
			<-ended
			return nil
		case err := <-ended:
			if lived := time.Since(began); err == nil || lived < soon {
				return fault.New(fault.Unavailable, "it ended %.1f s after its start: %s", lived.Seconds(), cmd.ProcessState)
			}
			fmt.Fprintf(os.Stderr, "%s libvirtd ended by itself (%s) and is started again\n", time.Now().UTC().Format(time.RFC3339), cmd.ProcessState)
		}
		select {
		case <-asked:
			return nil
		case <-time.After(restartAfter):
		}
	}
}
