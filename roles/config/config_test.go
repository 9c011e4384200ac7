package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/term"
)

// sample has one key of each kind.
type sample struct {
	Dir, Listen, URL, Mail, Name, CA string
	Projects                         bool
	Workers                          int
	Every                            time.Duration
	Body                             Size
	Allow                            []string
	Pools                            map[string]map[string]string
	Servers                          []string
	Key                              Secret
	Log                              Log
}

func sampleSet(c *sample) *Set {
	s := New("kahuna")
	s.Path(&c.Dir, "dir", "/var/lib/x", "directory").NotInFile()
	s.Address(&c.Listen, "listen", "127.0.0.1:8080", "address the API listens on").Required()
	s.URL(&c.URL, "url", "", "address others reach it by")
	s.URL(&c.Mail, "mail", "", "where mail goes", "file", "smtp")
	s.String(&c.Name, "name", "home", "display name")
	s.Path(&c.CA, "tls.ca", "", "certificates to trust")
	s.Bool(&c.Projects, "access.projectAdminsCreateProjects", false, "who may create projects")
	s.Int(&c.Workers, "workers", 4, "parallel operations").Between(1, 64)
	s.Duration(&c.Every, "retention.age", 30*24*time.Hour, "age of the journal").Between(int64(time.Hour), int64(365*24*time.Hour))
	s.Size(&c.Body, "max-body", MiB, "largest request").Between(int64(KiB), int64(64*MiB))
	s.Strings(&c.Allow, "import.allow", []string{"a", "b"}, "addresses to import from")
	s.URLs(&c.Servers, "servers", nil, "others of this kind", "https")
	s.Table(&c.Pools, "pools", "local pools", "path", "reserve")
	s.Secret(&c.Key, "key", "", "the key")
	s.Log(&c.Log)
	s.Accept("standby")
	return s
}

// load runs a command line against a file and an environment.
func load(t *testing.T, file string, env map[string]string, args ...string) (*sample, *Set, error) {
	t.Helper()
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "kahuna.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range env {
		t.Setenv(k, v)
	}
	c := &sample{}
	s := sampleSet(c)
	cmd := &cobra.Command{Use: "serve", SilenceUsage: true, SilenceErrors: true}
	var err error
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { err = s.Load(cmd, path, path != ""); return nil }
	s.Bind(cmd)
	cmd.SetArgs(append([]string{}, args...))
	if e := cmd.Execute(); e != nil {
		t.Fatal(e)
	}
	return c, s, err
}

func TestPrecedence(t *testing.T) {
	file := "listen: 10.0.0.1:1\nworkers: 7\nretention: {age: 10d}\naccess:\n  projectAdminsCreateProjects: yes\nimport:\n  allow: [x, 'y,z']\npools:\n  Fast: {path: /srv/fast, reserve: 1GiB}\n"
	env := map[string]string{"KOWABUNGA_KAHUNA_LISTEN": "10.0.0.2:2", "KOWABUNGA_KAHUNA_RETENTION_AGE": "20d", "KOWABUNGA_KAHUNA_ACCESS_PROJECTADMINSCREATEPROJECTS": "false", "KOWABUNGA_KAHUNA_NAME": ""}
	args := []string{"--listen", "10.0.0.3:3", "--import-allow", "p", "--import-allow", "q,r"}
	for _, c := range []struct {
		name     string
		file     string
		env      map[string]string
		args     []string
		listen   string
		workers  int
		age      time.Duration
		projects bool
		allow    []string
		source   string // of listen
	}{
		{"defaults", "", nil, nil, "127.0.0.1:8080", 4, 720 * time.Hour, false, []string{"a", "b"}, "default"},
		{"file", file, nil, nil, "10.0.0.1:1", 7, 240 * time.Hour, true, []string{"x", "y,z"}, "kahuna.yaml line 1"},
		{"environment", file, env, nil, "10.0.0.2:2", 7, 480 * time.Hour, false, []string{"x", "y,z"}, "KOWABUNGA_KAHUNA_LISTEN"},
		{"flag", file, env, args, "10.0.0.3:3", 7, 480 * time.Hour, false, []string{"p", "q", "r"}, "flag --listen"},
		{"flag for nested key", file, env, []string{"--access-project-admins-create-projects"}, "10.0.0.2:2", 7, 480 * time.Hour, true, []string{"x", "y,z"}, "KOWABUNGA_KAHUNA_LISTEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, s, err := load(t, c.file, c.env, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Listen != c.listen || got.Workers != c.workers || got.Every != c.age || got.Projects != c.projects || !reflect.DeepEqual(got.Allow, c.allow) {
				t.Errorf("got %+v", got)
			}
			if got.Name != "home" {
				t.Errorf("an empty variable must count as unset, name is %q", got.Name)
			}
			if src := s.byName["listen"].Source(); !strings.HasSuffix(src, c.source) {
				t.Errorf("listen comes from %q, want %q", src, c.source)
			}
			if c.file != "" && got.Pools["Fast"]["path"] != "/srv/fast" {
				t.Errorf("names people choose keep their case: %v", got.Pools)
			}
		})
	}
}

// What a person wrote is never ignored and never silently changed: each row is a mistake and what the
// answer must name.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name  string
		file  string
		env   map[string]string
		args  []string
		want  []string
		usage bool
	}{
		{"unknown key", "# note\nlistn: 1\n", nil, nil, []string{`unknown key "listn" at line 2 of `, `did you mean "listen"?`}, false},
		{"unknown nested key", "access:\n  projectAdminCreateProjects: true\n", nil, nil, []string{`"access.projectAdminCreateProjects" at line 2`, `did you mean "access.projectAdminsCreateProjects"?`}, false},
		{"unknown group", "acess:\n  x: true\n", nil, nil, []string{`unknown key "acess" at line 1`, `did you mean "access"?`}, false},
		{"case counts", "Listen: 1\n", nil, nil, []string{`unknown key "Listen"`, `did you mean "listen"?`}, false},
		{"nothing near", "xyzzy: 1\n", nil, nil, []string{`unknown key "xyzzy" at line 1`}, false},
		{"unknown variable", "", map[string]string{"KOWABUNGA_KAHUNA_LISTN": "x"}, nil, []string{"unknown environment variable KOWABUNGA_KAHUNA_LISTN", `did you mean "KOWABUNGA_KAHUNA_LISTEN"?`}, false},
		{"twice", "workers: 1\nworkers: 2\n", nil, nil, []string{"workers", "kahuna.yaml"}, false},
		{"wrong in file", "\nworkers: many\n", nil, nil, []string{"workers: ", `"many" must be a whole number`, "kahuna.yaml line 2"}, false},
		{"wrong in environment", "", map[string]string{"KOWABUNGA_KAHUNA_MAX_BODY": "1MB"}, nil, []string{"max-body: ", `"1MB"`, `unknown unit "MB"; use B, KiB, MiB`, "from the environment, KOWABUNGA_KAHUNA_MAX_BODY"}, false},
		{"wrong flag", "", nil, []string{"--listen", "8080"}, []string{"listen: ", `"8080" must be HOST:PORT`, "from flag --listen"}, true},
		{"out of bounds", "max-body: 65MiB\n", nil, nil, []string{`"65MiB" must lie between 1KiB and 64MiB`}, false},
		{"duration bounds", "", nil, []string{"--retention-age=1m"}, []string{"between 1h and 365d"}, true},
		{"required", "listen: ''\n", nil, nil, []string{"listen: must be given"}, false},
		{"emptied by flag", "", nil, []string{"--listen="}, []string{"listen: must be given (from flag --listen)"}, true},
		{"choice", "", nil, []string{"--log-format=jsn"}, []string{"must be one of text, json", `did you mean "json"?`}, true},
		{"not a list", "import: {allow: {a: b}}\n", nil, nil, []string{"import.allow", "must be a list", "line 1"}, false},
		{"not a value", "name: [a]\n", nil, nil, []string{"name: must be a single value", "line 1"}, false},
		{"group without keys", "access: true\n", nil, nil, []string{"access: holds keys of its own"}, false},
		{"table field", "pools:\n  fast: {pth: /x}\n", nil, nil, []string{`unknown field "pth" of "fast"`, `did you mean "path"?`}, false},
		{"in the file at all", "dir: /x\n", nil, nil, []string{"dir: cannot stand in the file; use --dir"}, false},
		{"not YAML", "listen: [\n", nil, nil, []string{"is not valid YAML"}, false},
		{"a list", "- a\n", nil, nil, []string{"must hold keys with values"}, false},
		{"password in a URL", "url: https://root:hunter2@host/\n", nil, nil, []string{"url: ", "must not carry a user or password"}, false},
		{"password in one of several URLs", "servers: [https://a, https://root:hunter2@host/]\n", nil, nil, []string{"servers: ", "must not carry a user or password", `"https://…@host/" which`}, false},
		{"wrong URL", "", nil, []string{"--servers", "https://a,http://b"}, []string{`has "http://b" which must start with https://`}, true},
		{"wrong scheme", "url: ftp://host/\n", nil, nil, []string{"must start with http:// or https://"}, false},
		{"several", "listn: 1\nworkers: 0\n", map[string]string{"KOWABUNGA_KAHUNA_WORKER": "1"}, []string{"--max-body=x"}, []string{"4 things are wrong", "listn", "workers: ", "KOWABUNGA_KAHUNA_WORKER;", "max-body: "}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := load(t, c.file, c.env, c.args...)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
			if got := term.ExitCode(err) == term.ExitUsage; got != c.usage {
				t.Errorf("usage error %v, want %v", got, c.usage)
			}
			if code := fault.CodeOf(err); code != fault.Invalid && code != fault.Malformed {
				t.Errorf("code %s", code)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "x.yaml")
	if err := sampleSet(&sample{}).Load(nil, nowhere, false); err != nil {
		t.Errorf("an optional file may be missing: %v", err)
	}
	if err := sampleSet(&sample{}).Load(nil, nowhere, true); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("a required file: %v", err)
	}
}

// Texts stay what was written, whatever YAML would make of them; other commands' keys are let through;
// null leaves the default; relative paths start at the file.
func TestFileTexts(t *testing.T) {
	c, s, err := load(t, "name: 0123\nstandby: {a: b}\nworkers:\nmax-body: 64KiB\nlog-level: debug\nkey-file: keys/a\ntls: {ca: /etc/ca.pem}\nimport:\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "0123" || c.Workers != 4 || c.Body != 64*KiB || c.CA != "/etc/ca.pem" {
		t.Errorf("got %+v", c)
	}
	if want := filepath.Join(filepath.Dir(s.file), "keys/a"); c.Key.File != want {
		t.Errorf("the key is at %q, want %q", c.Key.File, want)
	}
	c, _, err = load(t, "", nil, "--key-file=keys/a", "--name", "no")
	if err != nil || c.Key.File != "keys/a" || c.Name != "no" {
		t.Errorf("a flag's path starts at the working directory: %+v, %v", c, err)
	}
}

func TestEarlyAndReload(t *testing.T) {
	t.Setenv("KOWABUNGA_KAHUNA_DIR", "/from/env")
	first := &sample{}
	s := sampleSet(first)
	cmd := &cobra.Command{Run: func(*cobra.Command, []string) {}}
	s.Bind(cmd)
	if got := s.Early(cmd, "dir"); got != "/from/env" {
		t.Errorf("dir is %q", got)
	}
	cmd.SetArgs([]string{"--dir", "/from/flag", "--workers=9"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if got := s.Early(cmd, "dir"); got != "/from/flag" {
		t.Errorf("dir is %q", got)
	}
	file := filepath.Join(t.TempDir(), "k.yaml")
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte("name: "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		again := &sample{}
		if err := sampleSet(again).Load(cmd, file, true); err != nil {
			t.Fatal(err)
		}
		if again.Name != name || again.Workers != 9 {
			t.Errorf("read again: %+v", again)
		}
	}
}

func TestValidateNamesTheSource(t *testing.T) {
	c := &sample{}
	s := sampleSet(c)
	s.Validate(func() error {
		if c.Mail == "" {
			return fault.Bad("mail", "is needed to reach the administrator")
		}
		return nil
	})
	err := s.Load(nil, "", false)
	if err == nil || !strings.Contains(err.Error(), "mail: is needed to reach the administrator (the default)") {
		t.Errorf("got %v", err)
	}
}

// What WriteFile writes, Load reads back as the same values, and the comments tell the defaults.
func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kahuna.yaml")
	values := map[string]string{
		"listen": "[::1]:8443", "name": "yes: # \"quoted\" é", "import.allow": "a,b\\,c,- d", "retention.age": "90d", "max-body": "2MiB",
		"pools": "slow.path=/b,fast.path=/a,slow.reserve=1GiB", "access.projectAdminsCreateProjects": "true", "url": "https://cloud.example.org",
	}
	c := &sample{}
	if err := sampleSet(c).WriteFile(path, values); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/written.yaml")
	if *update {
		_ = os.WriteFile("testdata/written.yaml", text, 0o644)
	} else if err != nil || string(text) != string(want) {
		t.Errorf("written:\n%s", text)
	}
	got := &sample{}
	if err := sampleSet(got).Load(nil, path, true); err != nil {
		t.Fatal(err)
	}
	if got.Listen != "[::1]:8443" || got.Name != values["name"] || got.Every != 90*24*time.Hour || got.Body != 2*MiB || !got.Projects ||
		!reflect.DeepEqual(got.Allow, []string{"a", "b,c", "- d"}) || got.Pools["slow"]["reserve"] != "1GiB" || got.Pools["fast"]["path"] != "/a" || got.Workers != 4 {
		t.Errorf("read back %+v", got)
	}
	if err := sampleSet(c).WriteFile(path, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("an existing file was replaced: %v", err)
	}
	other := filepath.Join(t.TempDir(), "x.yaml")
	if err := sampleSet(c).WriteFile(other, map[string]string{"workers": "x"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong value was written: %v", err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a refused file exists")
	}
}

func TestPrint(t *testing.T) {
	_, s, err := load(t, "name: file\n", map[string]string{"KOWABUNGA_KAHUNA_WORKERS": "8"}, "--log-level=warn", "--key-file=/run/key")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`^name: file +# .*kahuna.yaml line 1$`, `^workers: 8 +# KOWABUNGA_KAHUNA_WORKERS$`, `^log-level: warn +# flag --log-level$`, `^max-body: 1MiB +# default$`, `^key-file: /run/key +# flag --key-file$`} {
		if !matchLine(b.String(), want) {
			t.Errorf("no line %s in\n%s", want, b.String())
		}
	}
}

// One URL is written as a value, several as a list, and both read the same as flags and variables with commas.
func TestURLs(t *testing.T) {
	both := []string{"https://a", "https://b:8443/x"}
	for name, c := range map[string]struct {
		file string
		env  map[string]string
		args []string
		want []string
	}{
		"one in the file":         {"servers: https://a\n", nil, nil, both[:1]},
		"several in the file":     {"servers:\n  - https://a\n  - https://b:8443/x\n", nil, nil, both},
		"several in one value":    {"servers: https://a, https://b:8443/x\n", nil, nil, both},
		"a variable":              {"", map[string]string{"KOWABUNGA_KAHUNA_SERVERS": "https://a,https://b:8443/x"}, nil, both},
		"a flag":                  {"servers: https://c\n", nil, []string{"--servers", "https://a,https://b:8443/x"}, both},
		"a flag given repeatedly": {"", nil, []string{"--servers", "https://a", "--servers", "https://b:8443/x"}, both},
	} {
		t.Run(name, func(t *testing.T) {
			got, s, err := load(t, c.file, c.env, c.args...)
			if err != nil || !reflect.DeepEqual(got.Servers, c.want) {
				t.Fatal(got.Servers, err)
			}
			path := filepath.Join(t.TempDir(), "kahuna.yaml")
			if err := s.WriteFile(path, map[string]string{"servers": strings.Join(c.want, ",")}); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if again, _, err := load(t, string(text), nil); err != nil || !reflect.DeepEqual(again.Servers, c.want) {
				t.Errorf("written and read again: %v, %v", again.Servers, err)
			}
		})
	}
}
