package term

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"kowabunga/core/fault"
)

// Exit codes of the program.
const (
	ExitOK      = 0
	ExitFailure = 1 // the command was understood and failed
	ExitUsage   = 2 // the command line was wrong
	ExitTrouble = 3 // it failed, of commands that end with 1 for an outcome, such as "there are differences"
)

// UsageError is a mistake in the command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives errors.As the mistake itself.
func (e *UsageError) Unwrap() error { return e.Err }

// Usage marks an error as a mistake in the command line (exit code 2). Usage(nil) is nil.
func Usage(err error) error {
	var u *UsageError
	if err == nil || errors.As(err, &u) {
		return err
	}
	return &UsageError{err}
}

// Hinted is an error with the next thing to try.
type Hinted struct {
	Err  error
	Next []string // commands or sentences, one line each
}

func (e *Hinted) Error() string { return e.Err.Error() }

// Unwrap gives errors.As the error itself.
func (e *Hinted) Unwrap() error { return e.Err }

// Hint adds what the person can do next, usually a command, to an error. Hint(nil, …) is nil.
func Hint(err error, next ...string) error {
	if err == nil {
		return nil
	}
	return &Hinted{err, next}
}

// Status is an outcome with an exit code of its own.
type Status struct {
	Code int
	Err  error // printed; nil for an outcome that is no failure, such as "there are differences"
}

func (e *Status) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap gives errors.As the error itself.
func (e *Status) Unwrap() error { return e.Err }

// ExitCode is the exit code for what a command returned.
func ExitCode(err error) int {
	var u *UsageError
	var s *Status
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &s):
		return s.Code
	case errors.As(err, &u):
		return ExitUsage
	}
	return ExitFailure
}

// Report prints an error once: "kowabunga: WHAT: FIELD: MESSAGE", then the next steps. command is the
// path of the command that failed, for the hint of a usage error.
func Report(w io.Writer, command string, err error) {
	var quiet *Status
	if err == nil || errors.As(err, &quiet) && quiet.Err == nil {
		return
	}
	fmt.Fprintf(w, "kowabunga: %s\n", strings.TrimRight(printable(err.Error()), "\n"))
	var h *Hinted
	if errors.As(err, &h) {
		for _, next := range h.Next {
			fmt.Fprintf(w, "next step: %s\n", next)
		}
		return
	}
	if next := nextStep(command, err); next != "" {
		fmt.Fprintf(w, "next step: %s\n", next)
	}
}

// nextStep is the general advice for a kind of error, empty where the message has to suffice.
func nextStep(command string, err error) string {
	var u *UsageError
	if errors.As(err, &u) {
		return command + " --help"
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	switch f.Code {
	case fault.Unauthenticated, fault.Denied:
		return "kowabunga help access"
	case fault.Unavailable:
		return "kowabunga doctor"
	case fault.Internal:
		return "kowabunga doctor bundle --output support.tar.gz   (and report it; this is a defect)"
	}
	return ""
}

// printable drops control characters, which could come from another machine's answer and rewrite the
// screen; line ends and tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f)) {
			return r
		}
		return -1
	}, text)
}
