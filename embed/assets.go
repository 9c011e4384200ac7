// Package assets holds bytes that the program carries with it: the user documentation. It decides nothing.
// Beside it lie the systemd units of the package.
package assets

import (
	"embed"
	"io/fs"
)

//go:embed docs/*.md
var docs embed.FS

// Docs is the user documentation: one Markdown file per topic, named TOPIC.md, whose first line is
// "# Title". Commands in its console blocks start with "$ " and can be run.
func Docs() fs.FS {
	sub, err := fs.Sub(docs, "docs")
	if err != nil {
		panic(err) // the folder's name is a constant above
	}
	return sub
}
