package kahuna

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/store"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
)

var (
	initSecrets = failpoint.Register("kahuna.init.before-secrets")
	initStore   = failpoint.Register("kahuna.init.before-store")
	initConfig  = failpoint.Register("kahuna.init.before-config")
)

// tables is everything a Kahuna keeps.
func tables() []model.Table { return append(catalogue.Tables(), operation.Table) }

// initialised tells whether the directory holds a Kahuna: its configuration is written last.
func initialised(c *Config) bool {
	_, err := os.Stat(c.file())
	return err == nil
}

// initialise makes a new Kahuna in the directory: secrets, an empty store, and, last, the configuration
// with the given values. What an interrupted attempt left is taken up; anything else that is there is
// refused and left as it is.
func initialise(ctx context.Context, c *Config, s *config.Set, values map[string]string) error {
	const op = "initialise"
	if initialised(c) {
		return &fault.Error{Code: fault.Conflict, Op: op, Message: c.Dir + " holds a Kahuna already and is left as it is; start it with kowabunga kahuna serve --dir " + c.Dir}
	}
	if err := onlyOurs(c.Dir); err != nil {
		return err
	}
	for _, dir := range []string{c.Dir, c.secrets()} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return fault.Wrap(err, fault.Unavailable, op)
		}
	}
	if c.StandbyOf != "" {
		if err := enlist(ctx, c); err != nil {
			return err
		}
	}
	if err := initSecrets.Hit(); err != nil {
		return err
	}
	for path, draw := range map[string]func() string{
		c.masterKey():  func() string { return identity.NewMasterKey().Reveal() },
		c.sealingKey(): random32,
		c.fleetKey():   random32,
	} {
		if err := keep(path, draw); err != nil {
			return fault.Wrap(err, fault.Unavailable, op)
		}
	}
	key, err := readKey(c.sealingKey())
	if err != nil {
		return err
	}
	if err := initStore.Hit(); err != nil {
		return err
	}
	if err := store.Create(store.Options{Dir: c.data(), Tables: tables(), SealKey: key}); err != nil && !fault.Is(err, fault.Conflict) {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	if err := initConfig.Hit(); err != nil {
		return err
	}
	return s.WriteFile(c.file(), values)
}

// onlyOurs refuses a directory with files that no Kahuna puts there.
func onlyOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "initialise")
	}
	for _, e := range entries {
		switch e.Name() {
		case "secrets", "data", "tls", "scratch", "kahuna.sock", "kahuna.yaml" + durable.AsideExt, "lost+found":
		default:
			return &fault.Error{Code: fault.Conflict, Op: "initialise", Message: dir + " is not empty: it holds " + e.Name() + "; name an empty or new directory"}
		}
	}
	return nil
}

func random32() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// keep writes a new secret, readable by its owner alone, unless it exists.
func keep(path string, draw func() string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return durable.Write(path, []byte(draw()+"\n"), 0o600)
}

// readSecret reads a secret file of ours.
func readSecret(path string) (string, error) {
	return config.Secret{File: path}.Read(strings.NewReader(""))
}

// readKey reads a file of 32 bytes in hexadecimal digits.
func readKey(path string) (store.Key, error) {
	var key store.Key
	text, err := readSecret(path)
	if err != nil {
		return key, err
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(key) {
		return key, &fault.Error{Code: fault.Invalid, Op: "read " + path, Message: "the file does not hold 32 bytes in hexadecimal digits"}
	}
	copy(key[:], raw)
	return key, nil
}
