// Package koala holds the bytes of Koala, the web interface: a page, its style sheet, and modules that browsers
// load as they are, so that nothing has to be built. It decides nothing.
//
// main.js begins. nodes.js says which Kahuna a page asks next and what an answer means; follow.js asks by that;
// api.js is what views read by, writes.js holds everything that changes something. The views are in views/, one
// file each. kinds.js is made by the server from the catalogue. In vendor/ is what others wrote: htm 3.1.1 with
// preact 10 in one file, as its publisher builds it (htm/preact/standalone.module.js), and their licences.
package koala

import "embed"

// Files are all of it, index.html being a template for html/template.
//
//go:embed index.html *.css *.svg *.js views/*.js vendor/*
var Files embed.FS
