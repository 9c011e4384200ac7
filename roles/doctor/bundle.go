package doctor

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Bundle is what goes into a support archive and where it is written.
type Bundle struct {
	Dir    string   // data directory of a Kahuna; may be empty
	Output string   // file to create, "-" for the writer given to Write
	Logs   []string // log files
	Tail   int64    // bytes of each log to take from its end; 0 is 1 MiB
	Checks []Result
	Now    time.Time
}

const packing = "pack the support bundle"

// Write makes the archive (tar, gzip) and returns the names inside. The file is created with mode 0600, is
// never replaced, and vanishes again when something goes wrong. What cannot be had - a Kahuna that does not
// answer, an unreadable log - is said in MANIFEST and does not stop the rest.
func (b Bundle) Write(ctx context.Context, stdout io.Writer) ([]string, error) {
	p := &packer{scrub: newScrubber(b.Dir), now: b.Now}
	if err := b.gather(ctx, p); err != nil {
		return nil, err
	}
	if b.Output == "-" {
		return p.names(), fault.Wrap(p.write(stdout), fault.Unavailable, packing)
	}
	f, err := os.OpenFile(b.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, &fault.Error{Code: fault.Conflict, Op: packing, Message: b.Output + " exists already and is left as it is"}
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, packing)
	}
	if err := errors.Join(p.write(f), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(b.Output)
		return nil, fault.Wrap(err, fault.Unavailable, packing)
	}
	return p.names(), nil
}

func (b Bundle) gather(ctx context.Context, p *packer) error {
	if err := p.json("version.json", config.Program()); err != nil {
		return err
	}
	if err := p.json("checks.json", b.Checks); err != nil {
		return err
	}
	if b.Dir != "" {
		b.config(p)
		b.ask(ctx, p)
	}
	for i, log := range b.Logs {
		if err := b.outside(log); err != nil {
			return err
		}
		text, err := tail(log, cmp.Or(b.Tail, 1<<20))
		if err != nil {
			p.miss("log "+log, err)
			continue
		}
		p.text(fmt.Sprintf("logs/%02d-%s", i, filepath.Base(log)), text)
	}
	if p.scrub.blind {
		p.notes = append(p.notes, "The secrets could not be read; they were masked by their looks alone.")
	}
	p.manifest()
	return nil
}

// outside refuses a file below DIR/secrets, also through a link.
func (b Bundle) outside(file string) error {
	if b.Dir == "" {
		return nil
	}
	root, err := filepath.EvalSymlinks(filepath.Join(b.Dir, secretsDir))
	if err != nil {
		return nil // no secrets there
	}
	if root, err = filepath.Abs(root); err != nil {
		return fault.Wrap(err, fault.Internal, packing)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil // tail says what is wrong with it
	}
	if real, err = filepath.Abs(real); err != nil {
		return fault.Wrap(err, fault.Internal, packing)
	}
	if rel, err := filepath.Rel(root, real); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return &fault.Error{Code: fault.Denied, Op: packing, Message: file + " lies below the secrets and never goes into a bundle"}
	}
	return nil
}

// config packs the configuration: keys and values only, since a comment may hold anything.
func (b Bundle) config(p *packer) {
	file := filepath.Join(b.Dir, configFile)
	if err := b.outside(file); err != nil {
		p.miss(configFile, err)
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		p.miss(configFile, err)
		return
	}
	var values yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &values, yaml.UseOrderedMap()); err != nil {
		p.miss(configFile, errors.New("it is not valid YAML, so its secrets could not be told apart"))
		return
	}
	masked, err := yaml.Marshal(maskValues(values))
	if err != nil {
		p.miss(configFile, err)
		return
	}
	p.text("config/"+configFile, masked)
}

// maskValues blanks every value whose key names a secret, at any depth.
func maskValues(value any) any {
	switch v := value.(type) {
	case yaml.MapSlice:
		out := make(yaml.MapSlice, len(v))
		for i, item := range v {
			if config.SecretName(fmt.Sprint(item.Key)) {
				out[i] = yaml.MapItem{Key: item.Key, Value: config.Masked}
			} else {
				out[i] = yaml.MapItem{Key: item.Key, Value: maskValues(item.Value)}
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = maskValues(v[i])
		}
		return out
	}
	return value
}

// ask packs what a running Kahuna says about itself.
func (b Bundle) ask(ctx context.Context, p *packer) {
	k := kahuna(b.Dir)
	defer k.CloseIdleConnections()
	for _, what := range []string{"healthz", "readyz", "metrics"} {
		body, status, err := ask(ctx, k, "/"+what)
		if err != nil {
			p.miss("/"+what, err)
			continue
		}
		p.text("kahuna/"+what+".txt", append(fmt.Appendf(nil, "# status %d\n", status), body...))
	}
}

// tail is the end of a file. The line cut in two at its beginning is dropped: half a secret would not be
// recognised.
func tail(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	from := max(0, info.Size()-most)
	text, err := io.ReadAll(io.NewSectionReader(f, from, most))
	if err != nil || from == 0 {
		return text, err
	}
	_, rest, found := bytes.Cut(text, []byte("\n"))
	if !found {
		return nil, errors.New("its last line is longer than what is taken of it")
	}
	return rest, nil
}

// packer gathers the members of an archive; nothing enters it unscrubbed.
type packer struct {
	scrub   *scrubber
	now     time.Time
	members []member
	notes   []string
}

type member struct {
	name    string
	content []byte
}

func (p *packer) text(name string, content []byte) {
	clean := p.scrub.text(string(content))
	p.members = append(p.members, member{p.scrub.text(name), []byte(clean)})
}

func (p *packer) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.Wrap(err, fault.Internal, packing)
	}
	p.text(name, append(text, '\n'))
	return nil
}

func (p *packer) miss(what string, err error) {
	p.notes = append(p.notes, fmt.Sprintf("Missing: %s (%v)", what, err))
}

func (p *packer) manifest() {
	var b strings.Builder
	fmt.Fprintf(&b, "Kowabunga support bundle, %s\n\n", p.now.UTC().Format(time.RFC3339))
	for _, m := range p.members {
		fmt.Fprintf(&b, "%8d  %s\n", len(m.content), m.name)
	}
	for _, note := range p.notes {
		b.WriteString("\n" + note)
	}
	b.WriteString("\n")
	p.text("MANIFEST", []byte(b.String()))
}

func (p *packer) names() []string {
	names := make([]string, len(p.members))
	for i, m := range p.members {
		names[i] = m.name
	}
	return names
}

func (p *packer) write(w io.Writer) error {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, m := range p.members {
		head := &tar.Header{Name: path.Join("kowabunga-support", m.name), Mode: 0o600, Size: int64(len(m.content)), ModTime: p.now, Format: tar.FormatPAX}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		if _, err := archive.Write(m.content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}
