// Package apidocs holds the bytes of the documentation pages: a style sheet and a script. They refer to
// nothing outside, so that the pages work in a closed network.
package apidocs

import _ "embed"

// Style is the style sheet, Script the script of the pages.
var (
	//go:embed style.css
	Style []byte
	//go:embed script.js
	Script []byte
)
