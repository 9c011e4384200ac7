package config

import (
	"io"
	"log/slog"
	"strings"
)

// Log is how a role logs; it is declared with Set.Log.
type Log struct {
	Format string // "text" or "json"
	Level  string // "debug", "info", "warn" or "error"
}

// Log declares log-format and log-level.
func (s *Set) Log(l *Log) {
	s.Choice(&l.Format, "log-format", "text", "form of the log on standard error", "text", "json")
	s.Choice(&l.Level, "log-level", "info", "least important entries to log", "debug", "info", "warn", "error")
}

// Logger makes the role's logger, one entry a line, usually to standard error. Attributes whose name says
// that they are secret are masked whatever group they are in: a last line of defence, not a licence.
// level, when not nil, receives the configured level and lets SIGHUP change it later.
func (l Log) Logger(w io.Writer, level *slog.LevelVar) *slog.Logger {
	if level == nil {
		level = new(slog.LevelVar)
	}
	level.Set(l.SlogLevel())
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: mask}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// SlogLevel is the configured level; anything unknown is info.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// Masked is what stands in the place of a secret.
const Masked = "[hidden]"

func mask(_ []string, a slog.Attr) slog.Attr {
	if SecretName(a.Key) && a.Value.Kind() != slog.KindGroup {
		return slog.String(a.Key, Masked)
	}
	return a
}

// separators is made once: every field of every line of a log asks.
var separators = strings.NewReplacer("_", "", "-", "", ".", "")

// SecretName reports whether a field of this name holds a secret: password, passphrase, secret, token,
// authorization, cookie, or a kind of key that opens something (api_key, agentKey, pre_shared_key, psk).
// Names of files and ids (…_file, …_id) are not secret.
func SecretName(name string) bool {
	plain := separators.Replace(strings.ToLower(name))
	if strings.HasSuffix(plain, "file") || strings.HasSuffix(plain, "id") {
		return false
	}
	for _, part := range []string{"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "apikey", "agentkey", "masterkey", "sharedkey", "privatekey", "sealingkey", "psk", "jwt"} {
		if strings.Contains(plain, part) {
			return true
		}
	}
	return false
}
