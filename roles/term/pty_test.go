package term

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// pseudoTerminal opens a real terminal pair: what is written to the far side can be read from the near one.
func pseudoTerminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine gives no pseudo terminal: %v", err)
	}
	t.Cleanup(func() { near.Close() })
	fd := int(near.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 90}); err != nil {
		t.Fatal(err)
	}
	if far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("this machine gives no pseudo terminal: %v", err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

func TestProgressOnTerminal(t *testing.T) {
	near, far := pseudoTerminal(t)
	if !IsTerminal(far) || Width(far) != 90 {
		t.Fatalf("terminal %v, width %d", IsTerminal(far), Width(far))
	}
	seen := make(chan string)
	drawn := make(chan struct{})
	go func() {
		var all bytes.Buffer
		buffer := make([]byte, 4096)
		told := false
		for {
			n, err := near.Read(buffer)
			all.Write(buffer[:n])
			if !told && strings.Contains(all.String(), "(25 %), checking") {
				told = true
				close(drawn)
			}
			if err != nil || strings.Contains(all.String(), "THE END") {
				seen <- all.String()
				return
			}
		}
	}()
	before := goleak.IgnoreCurrent()
	p := NewProgress(far)
	first, second := p.Step("template"), p.Step("pool")
	first.Update(8<<20, 32<<20)
	first.Say("checking")
	select {
	case <-drawn:
	case <-time.After(10 * time.Second):
		t.Error("the bar of a running step was never drawn")
	}
	second.Done("created")
	first.Done("imported")
	p.Step("abandoned")
	p.Close()
	goleak.VerifyNone(t, before)
	_, _ = io.WriteString(far, "THE END\n")
	text := <-seen
	for _, want := range []string{"pool      \x1b[32mcreated\x1b[0m", "template  \x1b[32mimported\x1b[0m", "left unfinished"} {
		if !strings.Contains(text, want) {
			t.Errorf("the terminal shows no %q in %q", want, text)
		}
	}
}

// A table is coloured on a terminal, and only where NO_COLOR and TERM allow it.
func TestColoursOnTerminal(t *testing.T) {
	near, far := pseudoTerminal(t)
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	show := func() string {
		cmd := &cobra.Command{}
		cmd.SetOut(far)
		if err := Of(cmd).Table(&Table{Head: []string{"phase"}, rows: [][]string{{"ready"}, {"END"}}}); err != nil {
			t.Fatal(err)
		}
		var screen bytes.Buffer
		buffer := make([]byte, 256)
		for !strings.Contains(screen.String(), "END") {
			n, err := near.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			screen.Write(buffer[:n])
		}
		return screen.String()
	}
	if got := show(); !strings.Contains(got, "\x1b[32mready\x1b[0m") {
		t.Errorf("a terminal gets %q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := show(); strings.Contains(got, "\x1b") {
		t.Errorf("with NO_COLOR it gets %q", got)
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if got := show(); strings.Contains(got, "\x1b") {
		t.Errorf("a dumb terminal gets %q", got)
	}
}

// What is typed at a secret prompt never comes back to the screen.
func TestSecretPrompt(t *testing.T) {
	near, far := pseudoTerminal(t)
	term := &Terminal{In: far, Out: far, Err: far}
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := term.Secret("Password", "--password-file")
		done <- answer{text, err}
	}()
	var screen bytes.Buffer
	buffer := make([]byte, 256)
	read := func(until string) {
		for !strings.Contains(screen.String(), until) {
			n, err := near.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			screen.Write(buffer[:n])
		}
	}
	read("Password: ")
	waitForEcho(t, far, false)
	if _, err := io.WriteString(near, "open sesame\n"); err != nil {
		t.Fatal(err)
	}
	got := <-done
	_, _ = io.WriteString(far, "THE END\n")
	read("THE END")
	if got.err != nil || got.text != "open sesame" {
		t.Errorf("read %q, %v", got.text, got.err)
	}
	if strings.Contains(screen.String(), "sesame") {
		t.Errorf("the secret was shown: %q", screen.String())
	}
}

// waitForEcho returns once the terminal's echo is as wanted.
func waitForEcho(t *testing.T, f *os.File, want bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if (state.Lflag&unix.ECHO != 0) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the terminal's echo never changed")
		}
	}
}
