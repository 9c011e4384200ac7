package config

import (
	"runtime"
	"runtime/debug"
)

// Build says which program this is.
type Build struct {
	Version  string `json:"version"`  // release, or "devel"
	Commit   string `json:"commit"`   // full hash, "+changes" when the tree was not clean; may be empty
	Date     string `json:"date"`     // RFC 3339 time of build or commit; may be empty
	Go       string `json:"go"`       // compiler release
	Platform string `json:"platform"` // GOOS/GOARCH
}

var stamped struct{ version, commit, date string }

// Stamp records what the linker wrote into the program (-ldflags "-X kowabunga/roles.version=…"). The
// command tree calls it once, before any role runs.
func Stamp(version, commit, date string) {
	stamped.version, stamped.commit, stamped.date = version, commit, date
}

// Program describes the running program: what was stamped, else what the Go tool recorded.
func Program() Build {
	b := Build{Version: stamped.version, Commit: stamped.commit, Date: stamped.date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		if b.Commit == "" && settings["vcs.revision"] != "" {
			b.Commit = settings["vcs.revision"]
			if settings["vcs.modified"] == "true" {
				b.Commit += "+changes"
			}
		}
		if b.Date == "" {
			b.Date = settings["vcs.time"]
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}
