package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// vendor is where files are that others wrote and that the program carries with it, each work with its licence as
// NAME.LICENSE, which is carried too.
const vendor = "embed/koala/vendor"

// work is what somebody else wrote.
type work struct {
	name string
	ids  []string
	why  string // it is not accepted
}

// carriedOf are the works in a directory. Files without any licence beside them are an error.
func carriedOf(dir string) ([]work, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []work
	for _, entry := range entries {
		name, licence := strings.CutSuffix(entry.Name(), ".LICENSE")
		if !licence {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		w := work{name: filepath.Join(dir, name)}
		w.ids, w.why = classify(string(text))
		all = append(all, w)
	}
	if len(all) == 0 {
		return nil, errors.New(dir + " has no licences beside what is in it")
	}
	return all, nil
}
