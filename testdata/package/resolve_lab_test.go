//go:build lab

package packaging

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// unreachable is how apt says that it could not fetch an archive's index, as opposed to not knowing a
// package in it.
var unreachable = regexp.MustCompile(`(?i)failed to fetch|could not (resolve|connect)|connection (failed|timed out|refused)|temporary failure`)

// From nothing but an archive's index, apt finds everything that is to be installed. The addresses of
// archives are mmdebstrap's own defaults.
func TestPackagesResolve(t *testing.T) {
	names := append(listed(t, "sandbox"), listed(t, "test")...)
	for _, system := range []struct {
		name, suite string
		own         []string
		more        []string
	}{
		{"Debian 12", "bookworm", listed(t, "test-debian"), nil},
		{"Debian 13", "trixie", listed(t, "test-debian"), nil},
		// Debian has no keyring for Ubuntu's archive. Nothing of it is unpacked or run here.
		{"Ubuntu 24.04", "noble", nil, []string{"--components=main,universe",
			`--aptopt=Acquire::AllowInsecureRepositories "true"`, `--aptopt=APT::Get::AllowUnauthenticated "true"`}},
	} {
		t.Run(system.name, func(t *testing.T) {
			t.Parallel()
			names := slices.Concat(names, system.own)
			missing, err := resolve(t, system.suite, system.more, names...)
			if err != nil && unreachable.MatchString(missing) {
				t.Skipf("NOT CHECKED: the archive of %s cannot be reached from here: %s", system.name, complaint(missing))
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, missing)
			}
			t.Logf("%s: %s", system.name, strings.Join(names, " "))
		})
	}
}

// The check above notices a name that an archive does not have.
func TestUnknownPackageDoesNotResolve(t *testing.T) {
	t.Parallel()
	out, err := resolve(t, "bookworm", nil, "kowabunga-no-such-package")
	if unreachable.MatchString(out) {
		t.Skip("NOT CHECKED: the archive of Debian 12 cannot be reached from here")
	}
	if err == nil || !strings.Contains(out, "Unable to locate package kowabunga-no-such-package") {
		t.Errorf("%v: %s", err, out)
	}
}

func resolve(t *testing.T, suite string, more []string, names ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	args := append([]string{"--simulate", "--verbose", "--variant=apt", `--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::http::Timeout "20"`,
		`--aptopt=Acquire::Languages "none"`, "--include=" + strings.Join(names, ",")}, more...)
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, suite, "/dev/null")...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func complaint(text string) string {
	for _, line := range strings.Split(text, "\n") {
		if unreachable.MatchString(line) {
			return line
		}
	}
	return ""
}
