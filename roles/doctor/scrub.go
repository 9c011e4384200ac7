package doctor

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kowabunga/roles/config"
)

// scrubber removes secrets from text in two ways, because either alone could miss one: by what is known
// (the contents of the files below DIR/secrets, in every usual encoding) and by what secrets look like.
type scrubber struct {
	known []string // longest first
	blind bool     // the secrets could not all be read: only the looks are left
}

// shortest is the length from which a line of a secret file is searched for; shorter ones would blank out
// ordinary words, and nothing Kowabunga draws is that short.
const shortest = 8

func newScrubber(dir string) *scrubber {
	s := &scrubber{}
	if dir == "" {
		return s
	}
	err := filepath.WalkDir(filepath.Join(dir, secretsDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > 1<<20 {
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil {
			s.learn(content)
		}
		return err
	})
	s.blind = err != nil && !os.IsNotExist(err)
	s.known = slices.Compact(sortedByLength(s.known))
	return s
}

func (s *scrubber) learn(content []byte) {
	whole := bytes.TrimSpace(content)
	for _, form := range [][]byte{content, whole} {
		s.add(hex.EncodeToString(form), strings.ToUpper(hex.EncodeToString(form)),
			base64.StdEncoding.EncodeToString(form), base64.RawStdEncoding.EncodeToString(form),
			base64.URLEncoding.EncodeToString(form), base64.RawURLEncoding.EncodeToString(form))
	}
	for line := range bytes.Lines(content) {
		text := string(bytes.TrimSpace(line))
		escaped, _ := json.Marshal(text)
		s.add(text, url.QueryEscape(text), strings.Trim(string(escaped), `"`))
	}
}

func (s *scrubber) add(texts ...string) {
	for _, t := range texts {
		if len(t) >= shortest && !strings.HasPrefix(t, "-----") {
			s.known = append(s.known, t)
		}
	}
}

func sortedByLength(texts []string) []string {
	slices.SortFunc(texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return texts
}

// looks are patterns of secrets; the first group stays, the rest is masked.
var looks = []*regexp.Regexp{
	regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`(?i)(\bauthorization["']?\s*[:=]\s*["']?)(?:(?:basic|bearer)\s+)?[^\s"',]+`),
	regexp.MustCompile(`(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), // a JWT (RFC 7519)
	regexp.MustCompile(`()AGE-SECRET-KEY-[A-Z0-9-]+`),
	regexp.MustCompile(`(://)[^/@\s"']+@`),
	regexp.MustCompile(`()\$(?:argon2id?|2[aby]|5|6|y)\$[^\s"',]+`), // password hashes (crypt(5), argon2)
	regexp.MustCompile(`(?i)((?:[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[-_]?key|agent[-_]?key|master[-_]?key|shared[-_]?key|psk|cookie|jwt))\\?["']?\s*[:=]\s*)(?:\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|[^\s,;&}]+)`),
}

// text is the input without secrets.
func (s *scrubber) text(in string) string {
	for _, secret := range s.known {
		in = strings.ReplaceAll(in, secret, config.Masked)
	}
	for _, pattern := range looks {
		in = pattern.ReplaceAllString(in, "${1}"+config.Masked)
	}
	return in
}
