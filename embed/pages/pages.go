// Package pages holds the few pages that people meet before they have logged in: those behind the links
// of letters and the one that lets a program in. They work without a script. They decide nothing.
package pages

import _ "embed" // the files below

// Page is the template of all of them, for html/template.
//
//go:embed page.html
var Page string

// Style is their style sheet.
//
//go:embed style.css
var Style []byte
