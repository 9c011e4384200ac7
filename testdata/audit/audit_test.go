package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `Permission is hereby granted, free of charge, to any person obtaining
a copy of this software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software`

const bsd = `Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:
   * Redistributions in binary form must reproduce the above
copyright notice, this list of conditions and the following disclaimer
in the documentation and/or other materials.`

func TestClassify(t *testing.T) {
	own, err := os.ReadFile(filepath.Join("..", "..", "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"ours", string(own), "Apache-2.0"},
		{"MIT", mit, "MIT"},
		{"two clauses", bsd, "BSD-2-Clause"},
		{"three clauses", bsd + "\n * Neither the name of X nor the names of its contributors may be used to endorse or promote products derived from this software without specific prior written permission.", "BSD-3-Clause"},
		{"two licences", mit + "\n\n" + bsd, "BSD-2-Clause MIT"},
		{"nothing", "", ""},
		{"prose", "You may use this as you like, if you ask me.", ""},
		{"taken back", mit + "\n\"Commons Clause\" License Condition v1.0", ""},
		{"not approved", "Business Source License 1.1\n" + mit, ""},
	} {
		ids, why := classify(c.text)
		if got := strings.Join(ids, " "); got != c.want || (why == "") != (c.want != "") {
			t.Errorf("%s: %q (%s), want %q", c.name, got, why, c.want)
		}
	}
}

func TestModuleWithoutLicenceIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, why := licenceOf(dir); why == "" {
		t.Error("a module without a licence was accepted")
	}
	for name, text := range map[string]string{"LICENSE": mit, "LICENSE.other": "Ask."} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, why := licenceOf(dir); !strings.Contains(why, "LICENSE.other") {
		t.Errorf("a second, unknown licence was accepted: %q", why)
	}
}

// What the program carries of others is under licences that are carried with it.
func TestCarriedWorksHaveLicences(t *testing.T) {
	all, err := carriedOf(filepath.Join("..", "..", vendor))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range all {
		got = append(got, filepath.Base(w.name)+" "+strings.Join(w.ids, " ")+w.why)
	}
	if text := strings.Join(got, ", "); text != "htm Apache-2.0, preact MIT" {
		t.Error(text)
	}
	dir := t.TempDir()
	if _, err := carriedOf(dir); err == nil {
		t.Error("files without a licence were accepted")
	}
	if err := os.WriteFile(filepath.Join(dir, "x.LICENSE"), []byte("Ask."), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := carriedOf(dir); err != nil || all[0].why == "" {
		t.Errorf("a licence that nobody knows was accepted: %v, %v", all, err)
	}
}
