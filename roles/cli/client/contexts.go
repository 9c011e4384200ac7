package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Context is a server that somebody logged in to, as it is kept: a credentials file that may hold the
// token of a login in place of a key.
type Context struct {
	URL     string   `json:"url"`
	Nodes   []string `json:"nodes,omitempty"` // all addresses of the server where it has several, the one that answered last first
	APIKey  string   `json:"apiKey,omitempty"`
	Session string   `json:"jwt,omitempty"`
	Email   string   `json:"email,omitempty"` // who logged in, to be shown
	CA      string   `json:"ca,omitempty"`    // PEM, or the name of a file
}

// Addresses are those of the server, in the order to try.
func (c Context) Addresses() []string {
	if len(c.Nodes) > 0 {
		return c.Nodes
	}
	return []string{c.URL}
}

// Met sets the addresses to those a client knows by now.
func (c *Context) Met(nodes []string) {
	if c.Nodes = nil; len(nodes) > 1 {
		c.Nodes = nodes
	}
}

// Contexts are the servers of a person: files of their own, readable by nobody else, below
// kowabunga/contexts in the user's configuration directory. The file "context" beside that folder names
// the one in use.
type Contexts struct{}

// contextName is a name that is a file name on every system.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func checkContext(name string) error {
	if !contextName.MatchString(name) {
		return fault.Bad("context", "%q is no name for one: letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

func noContext(name string) error {
	message := fmt.Sprintf("there is no context %q", name)
	if near := config.Nearest(name, Contexts{}.Names()); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return &fault.Error{Code: fault.NotFound, Message: message}
}

func (Contexts) file(name string) string {
	return filepath.Join(filepath.Dir(DefaultFile()), "contexts", name+".json")
}

func (Contexts) current() string { return filepath.Join(filepath.Dir(DefaultFile()), "context") }

// Names are those of all contexts, in order.
func (c Contexts) Names() []string {
	entries, _ := os.ReadDir(filepath.Dir(c.file("x"))) // without the folder there are none
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && contextName.MatchString(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Current is the name of the context in use, empty when there is none.
func (c Contexts) Current() string {
	raw, _ := os.ReadFile(c.current()) // without the file there is none
	if name := strings.TrimSpace(string(raw)); contextName.MatchString(name) {
		return name
	}
	return ""
}

// Use makes a context the one in use. Faults: NotFound.
func (c Contexts) Use(name string) error {
	if _, err := c.Read(name); err != nil {
		return err
	}
	return keep(c.current(), []byte(name+"\n"))
}

// Read returns a context. Faults: NotFound, Denied for a file that others can read, Malformed.
func (c Contexts) Read(name string) (Context, error) {
	if err := checkContext(name); err != nil {
		return Context{}, err
	}
	raw, err := readPrivate(c.file(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Context{}, noContext(name)
	case err != nil:
		return Context{}, fault.Wrap(err, fault.Unavailable, "read context "+name)
	}
	var out Context
	if json.Unmarshal(raw, &out) != nil {
		return Context{}, fault.New(fault.Malformed, "%s cannot be read; delete the context and log in again", c.file(name))
	}
	return out, nil
}

// Write keeps a context under a name.
func (c Contexts) Write(name string, context Context) error {
	if err := checkContext(name); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(context, "", "  ")
	if err != nil {
		return fault.Wrap(err, fault.Internal, "write context "+name)
	}
	return keep(c.file(name), append(raw, '\n'))
}

// Remember keeps the addresses that a client of the context knows by now, if they are others than before.
func (c Contexts) Remember(name string, nodes []string) error {
	context, err := c.Read(name)
	if err != nil || slices.Equal(context.Addresses(), nodes) {
		return err
	}
	context.Met(nodes)
	return c.Write(name, context)
}

// Delete forgets a context.
func (c Contexts) Delete(name string) error {
	if err := checkContext(name); err != nil {
		return err
	}
	if err := os.Remove(c.file(name)); errors.Is(err, fs.ErrNotExist) {
		return noContext(name)
	} else if err != nil {
		return fault.Wrap(err, fault.Unavailable, "delete context "+name)
	}
	if c.Current() == name {
		return fault.Wrap(os.Remove(c.current()), fault.Unavailable, "leave context "+name)
	}
	return nil
}

// Rename gives a context another name that none has.
func (c Contexts) Rename(from, to string) error {
	old, err := c.Read(from)
	if err != nil {
		return err
	}
	if err := checkContext(to); err != nil {
		return err
	}
	if slices.Contains(c.Names(), to) {
		return fault.New(fault.Conflict, "there is a context %q already; delete it first", to)
	}
	if err := c.Write(to, old); err != nil {
		return err
	}
	used := c.Current() == from
	if err := c.Delete(from); err != nil || !used {
		return err
	}
	return c.Use(to)
}

// ReadCA reads a file of certificates, to be kept in a context.
func ReadCA(file string) (string, error) {
	var c Credentials
	err := c.readCA(file)
	return string(c.CA), err
}

// CheckURL refuses an address that no credentials may be sent to.
func CheckURL(raw string) error { return checkURL(raw) }

// keep replaces a file by one that only its owner can read, whole or not at all.
func keep(path string, raw []byte) error {
	const op = "keep credentials"
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: folder + " cannot be made", Err: reason(err)}
	}
	f, err := os.CreateTemp(folder, ".new-*") // readable by its owner alone
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: folder + " cannot be written to", Err: reason(err)}
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: path + " cannot be written", Err: err}
	}
	return nil
}
