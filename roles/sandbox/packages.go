package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/sandbox/guest"
	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/roles/term"
)

// why says what each package is for.
var why = map[string]string{
	"busybox-static":             "everything but the kernel in the small guest image",
	"e2fsprogs":                  "mke2fs: the guest's data partition",
	"libvirt-daemon":             "libvirtd, started privately; no service is enabled",
	"libvirt-daemon-driver-qemu": "libvirtd's driver for QEMU",
	"mtools":                     "writes the guest's boot partition without mounting it",
	"qemu-system-x86":            "the virtual machines",
	"qemu-utils":                 "qemu-img: images and disks",
	"syslinux":                   "the guest's boot loader",
	"syslinux-common":            "its master boot record",
}

// Packages are the Debian and Ubuntu packages a sandbox needs, by name. Bridges and addresses need none.
// ownImage says that an image was given, so that none has to be built.
func Packages(ownImage bool) []string {
	names := hypervisor.Packages()
	if !ownImage {
		names = slices.Concat(names, guest.Packages())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// PackageReason says in a few words what one of the packages is for.
func PackageReason(name string) string { return why[name] }

// missingPackages are those of the given that dpkg does not call installed.
func missingPackages(ctx context.Context, names []string) ([]string, error) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return nil, nil // no Debian: the steps that need something say what
	}
	var missing []string
	for _, name := range names {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status}", name).Output()
		if ctx.Err() != nil {
			return nil, fault.From(context.Cause(ctx))
		}
		if err != nil || strings.TrimSpace(string(out)) != "installed" {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// askPackages says what is missing and why, and asks once unless that was agreed to beforehand.
func askPackages(t *term.Terminal, missing []string, yes bool) error {
	fmt.Fprintln(t.Err, "This machine lacks these packages:")
	table := &term.Table{}
	for _, name := range missing {
		table.Add(" ", name, why[name])
	}
	if err := (&term.Terminal{Out: t.Err}).Table(table); err != nil {
		return err
	}
	if yes {
		return nil
	}
	agreed, err := t.Confirm(fmt.Sprintf("Install these %d packages with apt-get now?", len(missing)), false, "--yes")
	if err != nil {
		return term.Hint(err, installCommand(missing))
	}
	if !agreed {
		return term.Hint(fault.New(fault.Cancelled, "nothing was installed and nothing started"), installCommand(missing))
	}
	return nil
}

func installCommand(names []string) string {
	return "apt-get install --no-install-recommends " + strings.Join(names, " ")
}

// installPackages installs, quietly, up to three times: archives fail now and then.
func installPackages(ctx context.Context, names []string, say func(format string, args ...any)) error {
	quiet := []string{"-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"}
	var err error
	for try := range 3 {
		if try > 0 {
			say("apt-get failed; once more")
			if err := pause(ctx, time.Duration(5*try)*time.Second); err != nil {
				return err
			}
		}
		say("reading package lists")
		if err = aptGet(ctx, append(quiet, "update")...); err == nil {
			say("installing %s", strings.Join(names, " "))
			err = aptGet(ctx, slices.Concat(quiet, []string{"install", "--yes", "--no-install-recommends"}, names)...)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

func aptGet(ctx context.Context, args ...string) error {
	path, err := exec.LookPath("apt-get")
	if err != nil {
		return fault.New(fault.Unavailable, "there is no apt-get here; Debian 12, Debian 13 and Ubuntu 24.04 are known to work")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fault.From(context.Cause(ctx))
		}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return &fault.Error{Code: fault.Unavailable, Op: "apt-get", Message: strings.Join(lines[max(0, len(lines)-3):], "; "), Err: err}
	}
	return nil
}
