// Command deb makes the Debian package of a built program, out of the description in goreleaser.yaml, so
// that a package of one's own and one of a release cannot differ.
//
//	go run ./testdata/package/deb --program ./kowabunga --version 1.2.3 --target dist
//
// It runs at the top of the tree and prints the path of the package.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/goccy/go-yaml"
)

// nfpm is the release that goreleaser 2.12.7 builds packages with (its go.mod).
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4"

func main() {
	program := flag.String("program", "kowabunga", "the built program")
	version := flag.String("version", "", "version of the package")
	target := flag.String("target", "dist", "directory for the package")
	arch := flag.String("arch", runtime.GOARCH, "architecture, as Go names it")
	flag.Parse()
	path, err := build(*program, Version(*version), *target, *arch)
	if err != nil {
		fmt.Fprintln(os.Stderr, "deb:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

var release = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+`)

// Version makes a Debian version (deb-version(7)) out of what "git describe" says: 1.2.3-4-gabc becomes
// 1.2.3+4.gabc, which is later than 1.2.3 and earlier than 1.2.4; 1.3.0-rc.1 becomes 1.3.0~rc.1, which is
// earlier than 1.3.0; a bare hash becomes 0~hash.
func Version(described string) string {
	number := release.FindString(described)
	rest := strings.ReplaceAll(described[len(number):], "-", ".")
	switch {
	case number == "":
		return "0~" + strings.ReplaceAll(described, "-", ".")
	case strings.HasPrefix(rest, ".rc") || strings.HasPrefix(rest, ".alpha") || strings.HasPrefix(rest, ".beta"):
		return number + "~" + rest[1:]
	case rest != "":
		return number + "+" + rest[1:]
	}
	return number
}

func build(program, version, target, arch string) (string, error) {
	text, err := os.ReadFile("goreleaser.yaml")
	if err != nil {
		return "", err
	}
	description, err := describe(text, program, version, arch)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.Command("testdata/package/completions", "dist/completions").CombinedOutput(); err != nil {
		return "", fmt.Errorf("completions: %w\n%s", err, out)
	}
	config, err := os.CreateTemp("", "nfpm-*.yaml")
	if err != nil {
		return "", err
	}
	defer os.Remove(config.Name())
	if _, err := config.Write(description); err != nil {
		return "", err
	}
	if err := config.Close(); err != nil {
		return "", err
	}
	path := filepath.Join(target, fmt.Sprintf("kowabunga_%s_%s.deb", version, arch))
	out, err := exec.Command("go", "run", nfpm, "package", "--config", config.Name(), "--packager", "deb", "--target", path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nfpm: %w\n%s", err, out)
	}
	return path, nil
}

// describe turns goreleaser's description of packages into nfpm's, which differs in few names.
func describe(goreleaser []byte, program, version, arch string) ([]byte, error) {
	var release struct {
		NFPMs []map[string]any `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(goreleaser, &release); err != nil {
		return nil, fmt.Errorf("goreleaser.yaml: %w", err)
	}
	if len(release.NFPMs) != 1 {
		return nil, fmt.Errorf("goreleaser.yaml describes %d packages; this program knows one", len(release.NFPMs))
	}
	p := release.NFPMs[0]
	contents, is := p["contents"].([]any)
	bindir, isText := p["bindir"].(string)
	if !is || !isText {
		return nil, fmt.Errorf("goreleaser.yaml: the package needs contents and a bindir")
	}
	p["contents"] = append(contents, map[string]any{
		"src": program, "dst": bindir + "/kowabunga", "file_info": map[string]any{"mode": 0o755},
	})
	p["name"], p["depends"] = p["package_name"], p["dependencies"]
	for _, key := range []string{"package_name", "dependencies", "formats", "bindir"} {
		delete(p, key)
	}
	p["arch"], p["platform"], p["version"], p["version_schema"] = arch, "linux", version, "none"
	return yaml.Marshal(p)
}
