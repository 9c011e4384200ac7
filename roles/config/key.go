package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a key as help texts show it.
type kind string

const (
	kindString   kind = "text"
	kindBool     kind = "bool"
	kindInt      kind = "number"
	kindDuration kind = "duration"
	kindSize     kind = "size"
	kindAddress  kind = "address"
	kindURL      kind = "url"
	kindPath     kind = "path"
	kindList     kind = "list"
	kindTable    kind = "table"
	kindSecret   kind = "file"
)

// Key is one entry of a Set. Its methods refine the declaration and return the key, so that they chain.
type Key struct {
	name, flag, short string
	help              string
	kind              kind
	deflt             string
	choices           []string
	hidden, required  bool
	fileless          bool
	min, max          int64
	bounded           bool
	checks            []func(value string) error
	assign            func(raw string) error // parses and stores
	show              func() string          // the stored value as a person would write it
	number            func() int64           // the stored value where Between applies

	given  *string // what the flag was given, nil when it was not
	source string  // after Load: "flag --listen", "KOWABUNGA_…", "FILE line 3" or "default"
}

// NotInFile makes a key settable by flag and environment only: the one that says where the file is.
func (k *Key) NotInFile() *Key { k.fileless = true; return k }

// Hidden leaves the flag out of help texts.
func (k *Key) Hidden() *Key { k.hidden = true; return k }

// Required refuses an empty value.
func (k *Key) Required() *Key { k.required = true; return k }

// Short gives the flag a one-letter form.
func (k *Key) Short(letter string) *Key { k.short = letter; return k }

// Between bounds a number, a size (bytes) or a duration (nanoseconds), both ends included.
func (k *Key) Between(min, max int64) *Key { k.min, k.max, k.bounded = min, max, true; return k }

// Check adds a rule for the text of the value; an error's text becomes the reason shown.
func (k *Key) Check(rule func(value string) error) *Key {
	k.checks = append(k.checks, rule)
	return k
}

// String, Set and Type make a key the pflag.Value of its flag. Parsing waits for Load, so that wrong
// values of flags, environment and file are reported in the same words.
func (k *Key) String() string {
	if k.given != nil {
		return *k.given
	}
	return k.deflt
}

// Set records what the flag was given; lists may be given several times and add up.
func (k *Key) Set(raw string) error {
	if k.given != nil && (k.kind == kindList || k.kind == kindTable) {
		raw = *k.given + "," + raw
	}
	k.given = &raw
	return nil
}

// Type names the kind of value in help texts.
func (k *Key) Type() string { return string(k.kind) }

// Source says where the value came from, once Load has run.
func (k *Key) Source() string { return k.source }

// String declares free text.
func (s *Set) String(p *string, key, def, help string) *Key {
	return s.text(kindString, p, key, def, help, func(raw string) (string, error) { return raw, nil })
}

// Choice declares text which must be one of the given words.
func (s *Set) Choice(p *string, key, def, help string, words ...string) *Key {
	k := s.text(kindString, p, key, def, help+" ("+strings.Join(words, ", ")+")", func(raw string) (string, error) {
		for _, w := range words {
			if raw == w {
				return raw, nil
			}
		}
		return "", fmt.Errorf("must be one of %s%s", strings.Join(words, ", "), didYouMean(raw, words))
	})
	k.choices = words
	return k
}

// Address declares a listening or dialling address, HOST:PORT; HOST may be empty for all interfaces.
func (s *Set) Address(p *string, key, def, help string) *Key {
	return s.text(kindAddress, p, key, def, help, parseAddress)
}

// URL declares an absolute URL without credentials in it; schemes limits what it may start with
// (default http and https).
func (s *Set) URL(p *string, key, def, help string, schemes ...string) *Key {
	if len(schemes) == 0 {
		schemes = []string{"http", "https"}
	}
	return s.text(kindURL, p, key, def, help, func(raw string) (string, error) { return parseURL(raw, schemes) })
}

// Path declares the name of a file or directory. A relative one in the file is taken from the folder
// the file lies in; elsewhere from the working directory.
func (s *Set) Path(p *string, key, def, help string) *Key {
	return s.text(kindPath, p, key, def, help, func(raw string) (string, error) { return raw, nil })
}

func (s *Set) text(of kind, p *string, key, def, help string, parse func(string) (string, error)) *Key {
	return s.add(&Key{name: key, kind: of, deflt: def, help: help,
		assign: func(raw string) (err error) {
			if raw == "" {
				*p = ""
				return nil
			}
			*p, err = parse(raw)
			return err
		},
		show: func() string { return *p },
	})
}

// Bool declares a switch: true, false, yes, no, on, off.
func (s *Set) Bool(p *bool, key string, def bool, help string) *Key {
	return s.add(&Key{name: key, kind: kindBool, deflt: strconv.FormatBool(def), help: help,
		assign: func(raw string) (err error) { *p, err = parseBool(raw); return err },
		show:   func() string { return strconv.FormatBool(*p) },
	})
}

// Int declares a whole number.
func (s *Set) Int(p *int, key string, def int, help string) *Key {
	return s.add(&Key{name: key, kind: kindInt, deflt: strconv.Itoa(def), help: help,
		assign: func(raw string) (err error) {
			if *p, err = strconv.Atoi(strings.ReplaceAll(raw, "_", "")); err != nil {
				return fmt.Errorf("must be a whole number")
			}
			return nil
		},
		show:   func() string { return strconv.Itoa(*p) },
		number: func() int64 { return int64(*p) },
	})
}

// Duration declares a length of time: 90s, 15m, 36h, 30d.
func (s *Set) Duration(p *time.Duration, key string, def time.Duration, help string) *Key {
	return s.add(&Key{name: key, kind: kindDuration, deflt: formatDuration(def), help: help,
		assign: func(raw string) (err error) { *p, err = ParseDuration(raw); return err },
		show:   func() string { return formatDuration(*p) },
		number: func() int64 { return int64(*p) },
	})
}

// Size declares a number of bytes: 4096, 64KiB, 512MiB, 20GiB.
func (s *Set) Size(p *Size, key string, def Size, help string) *Key {
	return s.add(&Key{name: key, kind: kindSize, deflt: def.String(), help: help,
		assign: func(raw string) (err error) { *p, err = ParseSize(raw); return err },
		show:   func() string { return p.String() },
		number: func() int64 { return int64(*p) },
	})
}

// Strings declares a list of texts: a YAML sequence in the file, commas or repeated flags elsewhere.
func (s *Set) Strings(p *[]string, key string, def []string, help string) *Key {
	return s.add(&Key{name: key, kind: kindList, deflt: joinList(def), help: help,
		assign: func(raw string) error { *p = splitList(raw); return nil },
		show:   func() string { return joinList(*p) },
	})
}

// URLs declares a list of absolute URLs as of URL; the file may hold a single one without a list.
func (s *Set) URLs(p *[]string, key string, def []string, help string, schemes ...string) *Key {
	if len(schemes) == 0 {
		schemes = []string{"http", "https"}
	}
	k := s.Strings(p, key, def, help)
	k.assign = func(raw string) error {
		all := splitList(raw)
		for i, one := range all {
			text, err := parseURL(one, schemes)
			if err != nil {
				if len(all) > 1 {
					err = fmt.Errorf("has %swhich %w", quoted(one), err)
				}
				return err
			}
			all[i] = text
		}
		*p = all
		return nil
	}
	return k
}

// Table declares members with names that people choose, each with texts under fixed field names, such as
//
//	pools:
//	  fast: {path: /srv/fast}
//
// In flags and variables the same is written fast.path=/srv/fast, several separated by commas.
func (s *Set) Table(p *map[string]map[string]string, key, help string, fields ...string) *Key {
	return s.add(&Key{name: key, kind: kindTable, help: help + " (NAME." + strings.Join(fields, "=…, NAME.") + "=…)",
		assign: func(raw string) (err error) { *p, err = parseTable(raw, fields); return err },
		show:   func() string { return formatTable(*p) },
	})
}

// Secret declares a secret by the file that holds it; the key is called KEY-file.
func (s *Set) Secret(p *Secret, key, def, help string) *Key {
	return s.add(&Key{name: key + "-file", kind: kindSecret, deflt: def, help: help + ": a file only its owner can read, or - for standard input",
		assign: func(raw string) error { p.File = raw; return nil },
		show:   func() string { return p.File },
	})
}
