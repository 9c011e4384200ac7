// Package mail holds the templates of the letters that Kahuna writes: for each NAME.txt, whose first line
// is the subject, and NAME.html, which layout.html surrounds. They decide nothing.
package mail

import "embed"

// Templates are the files, at the top of the file system.
//
//go:embed *.txt *.html
var Templates embed.FS
