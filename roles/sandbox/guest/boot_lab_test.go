//go:build lab

package guest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"kowabunga/roles/sandbox/guest"
	"kowabunga/testdata/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

const (
	mac      = "da:1e:70:00:00:2a"
	outside  = "198.18.77.1" // RFC 2544 keeps 198.18.0.0/15 for tests like this one
	inside   = "198.18.77.2"
	password = "correct horse"
	// openssl passwd -6 -salt kowabunga 'correct horse'
	hash = "$6$kowabunga$LG3vbtlOQG8ZIj72MxSMelWAULpW/p3uaT0BwAX6b5HkheQAhHCYdmwy8tFWIyz6L9wXnz43BjuTzgxqburcj."
)

var seed = map[string]string{
	"meta-data": "{\n  \"instance-id\": \"i-1\",\n  \"local-hostname\": \"surf-1\"\n}\n",
	"network-config": `{"version": 2, "ethernets": {"nic0": {
		"match": {"macaddress": "` + strings.ToUpper(mac) + `"},
		"addresses": ["` + inside + `/24"],
		"routes": [{"to": "0.0.0.0/0", "via": "` + outside + `"}],
		"nameservers": {"addresses": ["` + outside + `"], "search": ["x.y"]}}}}`,
	"user-data": "#cloud-config\n" + `{"hostname": "surf-1", "ssh_pwauth": false, "users": [
		{"name": "root", "lock_passwd": false, "hashed_passwd": "` + hash + `"},
		{"name": "ops", "ssh_authorized_keys": ["ssh-ed25519 AAAAC3 ops \"at\" $(touch /run/injected) \u0060x\u0060"]}]}`,
}

// machine is a guest under emulation with its serial port in our hands.
type machine struct {
	t       *testing.T
	cmd     *exec.Cmd
	serial  io.Writer
	lines   chan string // complete lines, and the unfinished one with a prompt
	monitor string
	agent   string
	began   time.Time
}

// boot starts QEMU on a disk. The arguments add devices.
func boot(t *testing.T, disk string, more ...string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "kw-boot-") // sockets want a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, lines: make(chan string, 1000), monitor: filepath.Join(dir, "m"), agent: filepath.Join(dir, "a"), began: time.Now()}
	args := append([]string{"-machine", "q35", "-accel", "tcg,tb-size=64", "-m", "192", "-smp", "2", "-display", "none", "-nodefaults",
		"-serial", "stdio", "-qmp", "unix:" + m.monitor + ",server=on,wait=off",
		"-drive", "file=" + disk + ",format=raw,if=virtio",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=ga,server=on,wait=off,path=" + m.agent,
		"-device", "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"}, more...)
	m.cmd = exec.Command("qemu-system-x86_64", args...)
	m.cmd.Stderr = os.Stderr
	if m.serial, err = m.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("%v\n(install with: apt-get install qemu-system-x86)", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(m.lines)
		var line strings.Builder
		for in := bufio.NewReader(out); ; {
			c, err := in.ReadByte()
			if err != nil {
				return
			}
			if line.WriteByte(c); c == '\n' || strings.HasSuffix(line.String(), ogin) || strings.HasSuffix(line.String(), "assword: ") {
				m.lines <- strings.Trim(line.String(), "\r\n")
				line.Reset()
			}
		}
	}()
	t.Cleanup(func() {
		m.cmd.Process.Kill()
		<-read
		m.cmd.Wait()
	})
	return m
}

const ogin = "login: "

// expect reads lines until one matches and answers its groups; it fails when the machine ends or takes
// longer than a minute (it takes seconds).
func (m *machine) expect(pattern string) []string {
	m.t.Helper()
	want := regexp.MustCompile(pattern)
	var seen []string
	deadline := time.After(time.Minute)
	for {
		select {
		case line, more := <-m.lines:
			if !more {
				m.t.Fatalf("the machine ended before it printed %s; it printed:\n%s", pattern, strings.Join(seen, "\n"))
			}
			seen = append(seen, line)
			if groups := want.FindStringSubmatch(line); groups != nil {
				return groups
			}
		case <-deadline:
			m.t.Fatalf("no %s in a minute, but:\n%s", pattern, strings.Join(seen, "\n"))
		}
	}
}

// insist types a line until the answer comes: a program that asks for a password throws away what was typed
// before it turned the echo off, which is after it asked. It returns what fits the answer.
func (m *machine) insist(line, answer string) string {
	m.t.Helper()
	again := time.NewTicker(5 * time.Second)
	defer again.Stop()
	answered := make(chan struct{})
	typed := make(chan struct{})
	go func() {
		defer close(typed)
		for {
			fmt.Fprintln(m.serial, line)
			select {
			case <-again.C:
			case <-answered:
				return
			}
		}
	}()
	defer func() { // also when there is none
		close(answered)
		<-typed
	}()
	return m.expect(answer)[0]
}

// ended waits for the machine to switch itself off.
func (m *machine) ended(within time.Duration) time.Duration {
	m.t.Helper()
	from := time.Now()
	deadline := time.After(within)
	for {
		select {
		case _, more := <-m.lines:
			if !more {
				return time.Since(from)
			}
		case <-deadline:
			m.t.Fatalf("still running after %s", within)
		}
	}
}

// ask sends JSON commands to a socket of QEMU or the agent, an answer read for each.
func ask(t *testing.T, socket string, commands ...string) (last string) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for _, command := range commands {
		fmt.Fprintln(conn, command)
		if last, err = in.ReadString('\n'); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	return last
}

func (m *machine) powerButton() {
	m.t.Helper()
	// QEMU greets first, so each answer read belongs to the command before.
	ask(m.t, m.monitor, `{"execute":"qmp_capabilities"}`, `{"execute":"system_powerdown"}`, `{"execute":"query-status"}`)
}

// disk is a copy of the image, grown as the platform grows disks.
func disk(t *testing.T, size int64) string {
	t.Helper()
	body, err := os.ReadFile(lab.GuestImage(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// tap is a network card's other end on this machine, with an address.
func tap(t *testing.T) string {
	t.Helper()
	link := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("kwt%d", os.Getpid())}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatalf("make a tap device (root is needed): %v", err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Error(err)
		}
	})
	address, err := netlink.ParseAddr(outside + "/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link.Name
}

func TestGuestLife(t *testing.T) {
	const grown = 96 << 20
	image, iso, card := disk(t, grown), lab.Seed(t, seed), tap(t)
	more := []string{"-drive", "file=" + iso + ",format=raw,if=virtio,readonly=on",
		"-netdev", "tap,id=n,ifname=" + card + ",script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,mac=" + mac + ",romfile="}
	m := boot(t, image, more...)

	m.expect(`^kowabunga-guest: host surf-1$`)
	m.expect(`^kowabunga-guest: address ` + regexp.QuoteMeta(inside) + `/24 dev eth0 mac ` + mac + `$`)
	m.expect(fmt.Sprintf(`^kowabunga-guest: cpus 2 memory-kb 1\d{5} disk-bytes %d boots 1$`, grown))
	m.expect(`^kowabunga-guest: ready$`)
	m.expect(`^surf-1 login: $`)
	t.Logf("login after %.1f s", time.Since(m.began).Seconds())

	t.Run("network", func(t *testing.T) {
		m.t = t
		if out, err := exec.Command("busybox", "ping", "-c", "1", "-W", "5", inside).CombinedOutput(); err != nil {
			t.Errorf("no answer to a ping: %v\n%s", err, out)
		}
		client := http.Client{Timeout: 10 * time.Second}
		response, err := client.Get("http://" + inside + "/status")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var status guest.Status
		if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
			t.Fatal(err)
		}
		if status.Hostname != "surf-1" || status.CPUs != 2 || status.Boots != 1 || status.DiskBytes != grown || status.MemoryKB < 100_000 ||
			len(status.Addresses) != 1 || status.Addresses[0] != (guest.Address{Address: inside + "/24", Dev: "eth0", MAC: mac}) {
			t.Errorf("/status says %+v", status)
		}
	})
	t.Run("login", func(t *testing.T) {
		m.t = t
		fmt.Fprintln(m.serial, "root")
		m.expect(`assword: $`)
		fmt.Fprintln(m.serial, password)
		io.WriteString(m.serial, "ls /run/injected; cat /home/ops/.ssh/authorized_keys; ip route; stat -c '%U %a' /home/ops/.ssh/authorized_keys\n")
		m.expect(`ls: /run/injected: No such file`)
		m.expect(`^ssh-ed25519 AAAAC3 ops "at" \$\(touch /run/injected\) ` + "`x`" + `$`)
		m.expect(`^default via ` + regexp.QuoteMeta(outside) + ` dev eth0`)
		m.expect(`^ops 600$`)
		fmt.Fprintln(m.serial, "exit")
		m.expect(`^surf-1 login: $`)
		fmt.Fprintln(m.serial, "root")
		m.expect(`assword: $`)
		fmt.Fprintln(m.serial, "wrong")
		m.expect(`ogin incorrect`)
	})
	t.Run("guest agent", func(t *testing.T) {
		m.t = t
		answer := ask(t, m.agent, `{"execute":"guest-network-get-interfaces"}`)
		if !strings.Contains(answer, inside) {
			t.Errorf("the agent does not tell the address: %s", answer)
		}
	})
	t.Run("power button", func(t *testing.T) {
		m.t = t
		m.powerButton()
		t.Logf("off %.1f s after the power button", m.ended(20*time.Second).Seconds())
	})
	t.Run("second boot", func(t *testing.T) {
		m := boot(t, image, more...)
		m.expect(`boots 2$`)
		m.expect(`^surf-1 login: $`)
		t.Logf("login after %.1f s", time.Since(m.began).Seconds())
		ask(t, m.agent, `{"execute":"guest-ping"}`)
		// The answer to a shutdown is that the machine goes away.
		conn, err := net.Dial("unix", m.agent)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintln(conn, `{"execute":"guest-shutdown"}`)
		t.Logf("off %.1f s after the agent's shutdown", m.ended(20*time.Second).Seconds())
	})
}

// Without a seed the guest still comes up, and nobody can log in.
func TestGuestWithoutSeed(t *testing.T) {
	m := boot(t, disk(t, lab.GuestImage(t).Size))
	m.expect(`^kowabunga-guest: warning no disk labelled cidata$`)
	m.expect(`^kowabunga-guest: host guest$`)
	m.expect(`^kowabunga-guest: ready$`)
	m.expect(`^guest login: $`)
	fmt.Fprintln(m.serial, "root")
	m.expect(`assword: $`)
	// What busybox says of "!", which is no hash, may be lost when the next program takes the line.
	if next := m.insist("", `^guest login: $|[#$] $`); !strings.HasSuffix(next, "login: ") {
		t.Errorf("after a password that nobody has there is %q", next)
	}
}

// A power cut keeps the count of boots readable and the guest bootable.
func TestGuestSurvivesPowerCut(t *testing.T) {
	image := disk(t, lab.GuestImage(t).Size)
	for n := 1; n <= 2; n++ {
		m := boot(t, image)
		m.expect(fmt.Sprintf(`boots %d$`, n))
		m.cmd.Process.Kill()
		m.ended(10 * time.Second)
		m.cmd.Wait()
	}
}

func TestInterruptedBuildIsRepeated(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := guest.Recipe{Dir: dir, Progress: func(step string, _, _ int64) {
		if step == "unpack" {
			cancel()
		}
	}}.Build(ctx)
	if err == nil {
		t.Fatal("a cancelled build made an image")
	}
	leftovers := filepath.Join(dir, "build-1234")
	if err := os.MkdirAll(filepath.Join(leftovers, "tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	image, err := guest.Recipe{Dir: dir}.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("built %d bytes in %.1f s, kernel %s", image.Size, time.Since(began).Seconds(), image.Kernel)
	if image.Size > 64<<20 {
		t.Errorf("the image has %d bytes", image.Size)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(entries) != 3 { // image, description, lock
		t.Errorf("the directory holds %v: %v", entries, err)
	}
}
