package term

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	xterm "golang.org/x/term"

	"kowabunga/core/fault"
)

// Confirm asks a question that is answered with yes or no; an empty answer takes the default. Without a
// terminal nobody can answer: that is a fault which names the flag that answers beforehand, such as "--yes".
func (t *Terminal) Confirm(question string, def bool, flag string) (bool, error) {
	if !IsTerminal(t.In) {
		return false, &fault.Error{Code: fault.Invalid, Op: "ask", Message: fmt.Sprintf("%q needs an answer and this is no terminal; say %s to agree beforehand", question, flag)}
	}
	return confirm(t.In, t.Err, question, def)
}

func confirm(in io.Reader, out io.Writer, question string, def bool) (bool, error) {
	choice := "y/N"
	if def {
		choice = "Y/n"
	}
	lines := bufio.NewReader(in)
	for range 3 {
		fmt.Fprintf(out, "%s [%s] ", question, choice)
		answer, err := lines.ReadString('\n')
		if err != nil && answer == "" {
			fmt.Fprintln(out)
			return false, fault.Wrap(err, fault.Cancelled, "ask")
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "":
			return def, nil
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
		fmt.Fprintln(out, "Please answer yes or no.")
	}
	return false, &fault.Error{Code: fault.Invalid, Op: "ask", Message: "no clear answer; nothing was done"}
}

// Line asks for a line of text. Without a terminal it is a fault that names the flag which gives it.
func (t *Terminal) Line(prompt, flag string) (string, error) {
	if !IsTerminal(t.In) {
		return "", &fault.Error{Code: fault.Invalid, Op: "ask", Message: fmt.Sprintf("this is no terminal; give it with %s", flag)}
	}
	fmt.Fprintf(t.Err, "%s: ", prompt)
	line, err := bufio.NewReader(t.In).ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(t.Err)
		return "", fault.Wrap(err, fault.Cancelled, "ask")
	}
	return strings.TrimSpace(line), nil
}

// Secret asks for a secret without showing what is typed. Without a terminal it is a fault that names the
// flag which reads the secret from a file or standard input.
func (t *Terminal) Secret(prompt, flag string) (string, error) {
	f, ok := t.In.(interface{ Fd() uintptr })
	if !ok || !IsTerminal(t.In) {
		return "", &fault.Error{Code: fault.Invalid, Op: "ask", Message: fmt.Sprintf("%s is needed and this is no terminal; give a file (or - for standard input) with %s", prompt, flag)}
	}
	fmt.Fprintf(t.Err, "%s: ", prompt)
	text, err := xterm.ReadPassword(int(f.Fd()))
	fmt.Fprintln(t.Err)
	if errors.Is(err, io.EOF) || (err == nil && len(text) == 0) {
		return "", &fault.Error{Code: fault.Invalid, Op: "ask", Message: "nothing was typed"}
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "ask")
	}
	return string(text), nil
}
