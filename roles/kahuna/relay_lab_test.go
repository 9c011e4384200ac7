//go:build lab

package kahuna

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kowabunga/core/model"
)

// mta is Debian's Exim with a directory, a port and a configuration of its own: it takes mail for
// everybody and puts it into one maildir.
type mta struct {
	t    *testing.T
	dir  string
	port string
	stop func()
}

const eximConfig = `primary_hostname = relay.test
spool_directory = DIR/spool
log_file_path = DIR/log/%%s
pid_file_path = DIR/spool/pid
daemon_smtp_ports = PORT
local_interfaces = 127.0.0.1
keep_environment =
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
deliver_drop_privilege = true
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
  defer recipients = later@example.org
        condition = ${if !exists{DIR/log/seen}}
        message = come again
  deny recipients = never@example.org
        message = no such user
  accept
begin routers
everybody:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = DIR/mail
  maildir_format
  user = Debian-exim
  group = Debian-exim
`

func newMTA(t *testing.T) *mta {
	t.Helper()
	if _, err := exec.LookPath("exim4"); err != nil || os.Geteuid() != 0 {
		t.Fatal("this test starts a mail server and needs root and: apt-get install --no-install-recommends exim4-daemon-light")
	}
	m := &mta{t: t}
	var err error
	// Exim gives its privileges up, and directories of tests are for their owner alone.
	if m.dir, err = os.MkdirTemp("", "kowabunga-mta-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, m.port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	owner, err := user.Lookup("Debian-exim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chmod(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spool", "log", "mail"} {
		path := filepath.Join(m.dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("DIR", m.dir, "PORT", m.port, "%%", "%").Replace(eximConfig)
	if err := os.WriteFile(m.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mta) config() string { return filepath.Join(m.dir, "exim.conf") }

// start runs the server until the test ends or stop is called, and returns when it answers.
func (m *mta) start() {
	m.t.Helper()
	cmd := exec.Command("exim4", "-C", m.config(), "-bdf", "-q1m")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	stopped := false
	m.stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	}
	m.t.Cleanup(m.stop)
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+m.port)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
			m.t.Fatalf("the mail server does not answer: %v\n%s", err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// mail is what was delivered so far.
func (m *mta) mail() []received {
	m.t.Helper()
	var out []received
	err := filepath.WalkDir(filepath.Join(m.dir, "mail", "new"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // not made yet
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			out = append(out, readLetter(m.t, raw))
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// idle tells whether nothing waits in the spool.
func (m *mta) idle() bool {
	files, err := filepath.Glob(filepath.Join(m.dir, "spool", "input", "*"))
	if err != nil {
		m.t.Fatal(err)
	}
	return len(files) == 0
}

// Letters go through a real mail server, also when it was away: requests are answered meanwhile, and each
// letter arrives once, whole.
func TestLettersArriveThroughARealMailServer(t *testing.T) {
	m := newMTA(t)
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(m.dir, "log", "main")); t.Failed() {
			t.Logf("the mail server says (%v):\n%s", err, text)
		}
	})
	dir := t.TempDir()
	target := func(c *Config) { c.Mail, c.URL = "smtp://127.0.0.1:"+m.port, "http://cloud.example.org" }
	r := start(t, dir, target)
	create := func(name string) model.ID {
		var o struct{ ID model.ID }
		if status := r.ask("POST", "/api/v1/user", fmt.Sprintf(`{"name":"%s","email":"%s@example.org","role":"user"}`, name, name), &o); status != 201 {
			t.Fatalf("%s: %d", name, status)
		}
		return o.ID
	}
	id := create("eve")
	create("later")
	create("never")
	r.until("the server was missed", func() bool {
		for l := range model.All[*model.Letter](r.s.store.View()) {
			if l.Attempts > 0 {
				return true
			}
		}
		return false
	})
	m.start()
	arrived := func(to string) (n int) {
		for _, l := range m.mail() {
			if l.To == to+"@example.org" {
				n++
			}
		}
		return n
	}
	r.until("the letter arrives once the server is there", func() bool { return arrived("eve") == 1 })
	r.until("one is deferred and one refused", func() bool {
		reasons := ""
		for l := range model.All[*model.Letter](r.s.store.View()) {
			reasons += l.Reason
		}
		return strings.Contains(reasons, "come again") && strings.Contains(reasons, "no such user")
	})
	if err := os.WriteFile(filepath.Join(m.dir, "log", "seen"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.until("the deferred one arrives", func() bool { return arrived("later") == 1 })
	// Exim delivers once more what it is killed over before it has noted that it did.
	r.until("the mail server is done with it", m.idle)

	// Away again, and Kahuna stops with a letter that waits.
	m.stop()
	if status := r.ask("PATCH", "/api/v1/user/"+string(id)+"/resetPassword", "", nil); status != 200 {
		t.Fatal(status)
	}
	r.stop()
	m.start()
	r = start(t, dir, target)
	r.until("the letter arrives after a restart", func() bool { return arrived("eve") == 2 })
	r.until("only the refused one waits", func() bool { return r.s.store.View().Len(model.KindLetter) == 1 })
	ids := map[string]bool{}
	for _, l := range m.mail() {
		if ids[l.ID] || !strings.HasSuffix(l.ID, "@localhost>") {
			t.Errorf("%s arrived twice, or has the Message-ID %s", l.Subject, l.ID)
		}
		ids[l.ID] = true
		if l.To == "eve@example.org" {
			r.follow(l)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d letters arrived", len(ids))
	}
}
