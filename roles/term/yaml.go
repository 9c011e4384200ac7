package term

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// YAML writes a value as one YAML document, in the order its JSON has. The text is written here because
// it is read back: every reader, of YAML 1.1 too, gets the same words and numbers.
func (t *Terminal) YAML(v any) error {
	text, err := YAML(v)
	if err != nil {
		return err
	}
	_, err = t.Out.Write(text)
	return err
}

// YAML is what the method writes. Fails for values that JSON cannot hold.
func YAML(v any) ([]byte, error) {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	w := &yamlWriter{in: json.NewDecoder(&raw)}
	w.in.UseNumber()
	if err := w.value(0, false); err != nil {
		return nil, err
	}
	return bytes.TrimLeft(w.out.Bytes(), " \n"), nil
}

type yamlWriter struct {
	in  *json.Decoder
	out bytes.Buffer
}

// value writes the next value. depth is the column of what stands below it; item tells that it stands
// behind the dash of a list, where its first line may begin at once.
func (w *yamlWriter) value(depth int, item bool) error {
	token, err := w.in.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case json.Delim:
		if !w.in.More() {
			w.out.WriteString(" " + map[json.Delim]string{'{': "{}", '[': "[]"}[token] + "\n")
		} else if token == '{' {
			err = w.object(depth, item)
		} else {
			err = w.array(depth)
		}
		if err != nil {
			return err
		}
		_, err = w.in.Token() // its end
		return err
	case string:
		w.out.WriteByte(' ')
		w.text(token, depth)
		return nil
	}
	scalar, err := json.Marshal(token)
	w.out.WriteString(" " + string(scalar) + "\n")
	return err
}

func (w *yamlWriter) object(depth int, item bool) error {
	for first := true; w.in.More(); first = false {
		switch {
		case first && item:
			w.out.WriteByte(' ')
		default:
			if first {
				w.out.WriteByte('\n')
			}
			w.out.WriteString(strings.Repeat(" ", depth))
		}
		name, err := w.in.Token()
		if err != nil {
			return err
		}
		w.out.WriteString(yamlText(name.(string)) + ":")
		if err := w.value(depth+2, false); err != nil {
			return err
		}
	}
	return nil
}

// array writes its dashes below the name of the list, two columns in.
func (w *yamlWriter) array(depth int) error {
	w.out.WriteByte('\n')
	for w.in.More() {
		w.out.WriteString(strings.Repeat(" ", depth) + "-")
		if err := w.value(depth+2, true); err != nil {
			return err
		}
	}
	return nil
}

// text writes several lines as they are where that is exact, anything else on one line.
func (w *yamlWriter) text(s string, depth int) {
	lines := strings.Split(s, "\n")
	literal := len(lines) > 1 && depth > 0 && lines[len(lines)-1] != "" && !slices.ContainsFunc(lines, func(l string) bool {
		return l == "" || strings.TrimSpace(l) != l || strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) })
	})
	if !literal {
		w.out.WriteString(yamlText(s) + "\n")
		return
	}
	w.out.WriteString("|-\n")
	for _, line := range lines {
		w.out.WriteString(strings.Repeat(" ", depth) + line + "\n")
	}
}

var (
	// yamlPlain is text that no reader takes for anything but text, besides the words below.
	yamlPlain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./+@=-]*( [A-Za-z0-9_./+@=(-][A-Za-z0-9_./+@=()-]*)*$|^[0-9]+(\.[0-9]+){3}(/[0-9]+)?$|^[0-9]+[MGTP]iB$`)
	// yamlWord is text that some reader takes for a truth value or for nothing (YAML 1.1, type repository).
	yamlWord = regexp.MustCompile(`^(?i:y|n|yes|no|true|false|on|off|null)$`)
)

// yamlText is a text on one line; in double quotes JSON and YAML 1.2 agree.
func yamlText(s string) string {
	if yamlPlain.MatchString(s) && !yamlWord.MatchString(s) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can be written
	return strings.TrimSpace(b.String())
}
