package docs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit bounds one command; the slowest takes about a second on an idle machine.
const limit = 40 * time.Second

// shell is a person's shell in an empty home directory.
type shell struct {
	t      *testing.T
	home   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	codes  *os.File // exit codes, one a line
	reader *bufio.Reader
	n      int
	listen string // a free address in place of 127.0.0.1:8443
	lastID string
}

// open starts a shell whose first word for a program is this one.
func open(t *testing.T, program string) *shell {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, home: home, cmd: exec.Command("sh"), listen: freeAddress(t)}
	s.cmd.Dir, s.cmd.Env = home, environment(home, filepath.Dir(program))
	// A group of its own, so that whatever it leaves in the background can be ended with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	codes, given, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.codes, s.reader = codes, bufio.NewReader(codes)
	s.cmd.ExtraFiles = []*os.File{given}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = given.Close()
	t.Cleanup(s.close)
	return s
}

// environment is that of somebody who never used the program.
func environment(home, bin string) []string {
	env := []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C.UTF-8", "NO_COLOR=1"}
	for _, name := range []string{"TMPDIR", "SYSTEMROOT"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var (
	idForm  = regexp.MustCompile(`\b[0-9a-f]{24}\b`)
	urlWord = regexp.MustCompile(`\bURL\b`)
	idWord  = regexp.MustCompile(`\bID\b`)
	serving = regexp.MustCompile(`\bkahuna serve --dir (\S+) .*&$`)
)

// substitute puts in what only this run knows.
func (s *shell) substitute(command string) (string, error) {
	command = strings.ReplaceAll(command, "127.0.0.1:8443", s.listen)
	if urlWord.MatchString(command) {
		var c struct{ URL string }
		text, err := os.ReadFile(filepath.Join(s.home, "try", "credentials.json"))
		if err = errors.Join(err, json.Unmarshal(text, &c)); err != nil {
			return "", fmt.Errorf("the address of the sandbox: %w", err)
		}
		command = urlWord.ReplaceAllLiteralString(command, c.URL)
	}
	if idWord.MatchString(command) && s.lastID == "" {
		return "", errors.New("no command before printed an id")
	}
	return idWord.ReplaceAllLiteralString(command, s.lastID), nil
}

// run carries out a command and returns what it printed, with the home directory called /home/ann, and its
// exit code.
func (s *shell) run(command string) (printed string, code int, err error) {
	if command, err = s.substitute(command); err != nil {
		return "", 0, err
	}
	s.n++
	out := filepath.Join(s.t.TempDir(), "out"+strconv.Itoa(s.n))
	if _, err := fmt.Fprintf(s.in, "{ %s\n} >'%s' 2>&1 </dev/null\necho $? >&3\n", command, out); err != nil {
		return "", 0, fmt.Errorf("the shell has ended: %w", err)
	}
	_ = s.codes.SetReadDeadline(time.Now().Add(limit))
	line, err := s.reader.ReadString('\n')
	text, _ := os.ReadFile(out)
	if err != nil {
		return string(text), 0, fmt.Errorf("it did not end within %v: %w", limit, err)
	}
	if code, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return string(text), 0, err
	}
	if ids := idForm.FindAllString(string(text), -1); ids != nil {
		s.lastID = ids[len(ids)-1]
	}
	if m := serving.FindStringSubmatch(command); m != nil {
		err = answers(filepath.Join(s.home, m[1], "kahuna.sock"))
	}
	return strings.ReplaceAll(string(text), s.home, "/home/ann"), code, err
}

// answers waits for a server in the background, as a person does without noticing.
func answers(socket string) error {
	deadline := time.Now().Add(limit)
	for {
		// The socket's path may be longer than an address can be (unix(7)); its folder is entered by descriptor.
		dir, err := os.Open(filepath.Dir(socket))
		if err == nil {
			var c net.Conn
			if c, err = net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket))); err == nil {
				_ = c.Close()
			}
			_ = dir.Close()
		}
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server does not answer: %w", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// close ends what the topic left running: jobs of the shell, then its sandbox.
func (s *shell) close() {
	if path := filepath.Join(s.home, "try", "sandbox.json"); fileExists(path) {
		if printed, code, err := s.run("kowabunga sandbox destroy --dir ./try --yes"); err != nil || code != 0 {
			s.t.Errorf("the sandbox is not removed: %d, %v\n%s", code, err, printed)
		}
	}
	if _, code, err := s.run("kill $(jobs -p) 2>/dev/null; wait; true"); err != nil || code != 0 {
		s.t.Errorf("what ran in the background does not end: %v", err)
	}
	_ = s.in.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(limit):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // its leader is ours and not reaped yet
		<-ended
		s.t.Error("the shell had to be killed")
	}
	_ = s.codes.Close()
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
