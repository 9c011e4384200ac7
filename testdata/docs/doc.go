// Package docs holds the user documentation to its word: the examples in embed/docs are run, and what they
// say is printed has to be printed.
//
// A fenced block whose first word is "console" holds commands, each behind "$ " and followed by what it
// prints. More words on the fence say how it is meant:
//
//	console                  is run; every command ends with exit code 0
//	console fails            is run; the last command ends with another exit code, and so may those before it
//	console host (not run)   needs root or other machines; roles checks that its commands and flags exist
//
// A topic is run from its top to its end by one shell in an empty home directory. A simulated sandbox stands
// in ./try there, unless the topic makes it itself. Three words are put in before a command runs: URL is the
// sandbox's address, ID the last id that a command of the topic printed, 127.0.0.1:8443 a free port.
//
// In what is printed, numbers, ids, keys and blanks may differ; "…" stands for anything, alone on its line for
// any lines. Lines of progress that only say that a step takes its time may come besides.
package docs
