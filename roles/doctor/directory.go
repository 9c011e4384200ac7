package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Names below a Kahuna's data directory.
const (
	configFile = "kahuna.yaml"
	secretsDir = "secrets"
	socketFile = "kahuna.sock"
)

func directory(_ context.Context, dir string) Result {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(dir+" does not exist", "kowabunga kahuna init --dir "+dir)
	case err != nil:
		return fail(err.Error(), "run as the user Kahuna runs as, or as root")
	case !info.IsDir():
		return fail(dir+" is not a directory", "name the data directory of a Kahuna")
	case info.Mode().Perm()&0o002 != 0:
		return fail(fmt.Sprintf("%s may be written by everybody (mode %04o)", dir, info.Mode().Perm()), "chmod o-w "+dir)
	}
	if _, err := os.Stat(filepath.Join(dir, configFile)); err != nil {
		return warn(fmt.Sprintf("%s holds no %s", dir, configFile), "kowabunga kahuna init --dir "+dir)
	}
	return ok(fmt.Sprintf("%s, mode %04o", dir, info.Mode().Perm()))
}

// secrets looks at owners and permissions only; nothing is opened.
func secrets(_ context.Context, dir string) Result {
	root := filepath.Join(dir, secretsDir)
	owner, err := os.Stat(dir)
	if err != nil {
		return warn(err.Error(), "")
	}
	n := 0
	var wrong string
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			n++
		}
		switch {
		case wrong != "":
		case info.Mode()&fs.ModeSymlink != 0:
			wrong = path + " is a link"
		case info.Mode().Perm()&0o077 != 0 && !info.IsDir(), info.Mode().Perm()&0o007 != 0:
			wrong = fmt.Sprintf("%s may be read by others (mode %04o)", path, info.Mode().Perm())
		case uid(info) != uid(owner) && uid(info) != 0:
			wrong = path + " belongs to another user than " + dir
		}
		return nil
	})
	advice := fmt.Sprintf("chmod -R u=rwX,go= %s", root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("there are none yet", "kowabunga kahuna init --dir "+dir)
	case errors.Is(err, fs.ErrPermission):
		return warn("this user may not look at them", "run as the user Kahuna runs as, or as root")
	case err != nil:
		return warn(err.Error(), "")
	case wrong != "":
		return fail(wrong, advice)
	}
	return ok(fmt.Sprintf("%d, readable by their owner only", n))
}

func uid(info fs.FileInfo) uint32 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Uid
	}
	return 0
}

// running asks the Kahuna of the directory whether it is ready.
func running(ctx context.Context, dir string) Result {
	k := kahuna(dir)
	defer k.CloseIdleConnections()
	body, status, err := ask(ctx, k, "/readyz")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("not running", "kowabunga kahuna serve --dir "+dir)
	case errors.Is(err, fs.ErrPermission):
		return warn("this user may not open "+filepath.Join(dir, socketFile), "run as the user Kahuna runs as, or as root")
	case errors.Is(err, syscall.ECONNREFUSED):
		return warn("not running; it left its socket behind", "kowabunga kahuna serve --dir "+dir)
	case err != nil:
		return fail("does not answer: "+err.Error(), "look at its log")
	case status != http.StatusOK:
		return fail(fmt.Sprintf("not ready (%d): %s", status, short(body)), "look at its log")
	}
	return ok("ready; this program is " + build())
}

// maxAnswer bounds what is read from a Kahuna; /metrics of a large cloud is about 2 MiB.
const maxAnswer = 8 << 20

// kahuna is a client of the socket in a data directory.
func kahuna(dir string) *http.Client {
	path := filepath.Join(dir, socketFile)
	return &http.Client{
		Timeout: limit,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func ask(ctx context.Context, k *http.Client, path string) (body []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://kahuna"+path, nil)
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.Internal, "ask Kahuna")
	}
	r.Header.Set("User-Agent", "kowabunga-doctor/"+config.Program().Version)
	answer, err := k.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return body, answer.StatusCode, err
}

func short(body []byte) string {
	const most = 200
	if len(body) > most {
		body = body[:most]
	}
	return string(body)
}
