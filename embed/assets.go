// Package assets holds bytes that the program carries with it: the user documentation and the systemd
// units. It decides nothing.
package assets

import (
	"embed"
	"io/fs"
)

//go:embed docs/*.md
var docs embed.FS

//go:embed units/*.service
var units embed.FS

// Docs is the user documentation: one Markdown file per topic, named TOPIC.md, whose first line is
// "# Title". Commands in its console blocks start with "$ " and can be run.
func Docs() fs.FS {
	sub, err := fs.Sub(docs, "docs")
	if err != nil {
		panic(err) // the folder's name is a constant above
	}
	return sub
}

// Units are the systemd units of the package, kowabunga-ROLE.service each; see systemd.service(5). They
// expect the program in /usr/bin and, but for Kaktus, a user "kowabunga".
func Units() fs.FS {
	sub, err := fs.Sub(units, "units")
	if err != nil {
		panic(err) // the folder's name is a constant above
	}
	return sub
}
