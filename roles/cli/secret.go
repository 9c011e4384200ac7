package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

func tokenCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: says["token"],
		Long: "Draw a new key for " + article(k.Title) + ". It is shown this once and cannot be shown again; the one before becomes worthless at once. " +
			"With --key-file it goes to a new file that only you can read, and is not shown.",
		Example:           fmt.Sprintf("  kowabunga %s token %s --key-file %s.key\n  kowabunga %s token %s --expire --expiration-date 2030-12-31", k.Name, nameOf(k.Name), nameOf(k.Name), k.Name, nameOf(k.Name)),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	queries := queryFlags(cmd, op)
	file := cmd.Flags().String("key-file", "", "`FILE`: write the key to this new file, readable by you alone, instead of showing it")
	_ = cmd.MarkFlagFilename("key-file")
	return leaf(cmd, k, asData, func(c *call, args []string) error {
		what := "draw a key for " + string(k.Name) + " " + args[0]
		// The file comes first: a key that cannot be kept must not replace the one before.
		kept, err := newKeyFile(what, *file)
		if err != nil {
			return err
		}
		q := url.Values{}
		addQuery(q, queries)
		a, err := c.api.Do(c.ctx, client.Request{Op: what, Method: op.Method, Path: pathOf(k, args[0]) + "/token", Query: q, Once: true})
		var drawn struct {
			ID  string `json:"id"`
			Key string `json:"key"`
		}
		if err == nil {
			err = a.Decode(what, &drawn)
		}
		if err == nil && drawn.Key == "" {
			err = &fault.Error{Code: fault.Internal, Op: what, Message: "the server answered no key"}
		}
		if kept != nil {
			return kept.finish(c, what, drawn.ID, drawn.Key, err)
		}
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(drawn)
		}
		fmt.Fprintf(c.t.Err, "The key of %s %s (id %s), shown this once:\n", k.Name, args[0], drawn.ID)
		return c.say("%s", drawn.Key)
	})
}

// keyFile is a new file for a key.
type keyFile struct{ f *os.File }

func newKeyFile(op, path string) (*keyFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, &fault.Error{Code: fault.Conflict, Op: op, Message: path + " exists already and is left as it is; name a new file"}
	}
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: op, Message: "the key file cannot be written, so no key was drawn", Err: err}
	}
	return &keyFile{f}, nil
}

// finish writes the key, or removes the file when there is none.
func (k *keyFile) finish(c *call, op, id, key string, err error) error {
	path := k.f.Name()
	if err != nil {
		_ = k.f.Close()
		_ = os.Remove(path) // it is empty
		return err
	}
	_, err = k.f.WriteString(key + "\n")
	if err = errors.Join(err, k.f.Sync(), k.f.Close()); err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: "a key was drawn but " + path + " could not be written; draw another one", Err: err}
	}
	if c.data() {
		return c.print(map[string]string{"id": id, "keyFile": path})
	}
	return c.say("the key for id %s is in %s", id, path)
}

func passwordCommand(k *catalogue.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password NAME",
		Short: says["password"],
		Long: "Set the password of a user. It is asked for without being shown, or read from a file; it is never an argument, which others on this machine could see. " +
			"All sessions of the user end.",
		Example:           "  kowabunga user password ann\n  kowabunga user password ann --password-file - < secret.txt",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	file := cmd.Flags().String("password-file", "", "`FILE`: read it from there (- for standard input) instead of asking")
	_ = cmd.MarkFlagFilename("password-file")
	return leaf(cmd, k, asText, func(c *call, args []string) error {
		what := "set the password of " + string(k.Name) + " " + args[0]
		value, err := c.password(*file)
		if err != nil {
			return err
		}
		body, err := json.Marshal(map[string]string{"value": value})
		if err != nil {
			return fault.Wrap(err, fault.Internal, what)
		}
		if _, err = c.api.Do(c.ctx, client.Request{Op: what, Method: http.MethodPut, Path: pathOf(k, args[0]) + "/password", Body: body}); err != nil {
			return err
		}
		return c.say("password: %s %s", k.Name, args[0])
	})
}

// password asks twice, or reads a file.
func (c *call) password(file string) (string, error) {
	if file != "" {
		return config.Secret{File: file}.Read(c.t.In)
	}
	if !term.IsTerminal(c.t.In) {
		return "", term.Usage(errors.New("a password is needed and this is no terminal; give a file (or - for standard input) with --password-file"))
	}
	first, err := c.t.Secret("New password", "--password-file")
	if err != nil {
		return "", err
	}
	second, err := c.t.Secret("The same again", "--password-file")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", fault.Bad("password", "the two differ; nothing was changed")
	}
	return first, nil
}
