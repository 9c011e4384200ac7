package main

import (
	"regexp"
	"slices"
	"strings"
)

// licence is one that the Open Source Initiative approves, recognised by sentences all of which its text
// has and no other's; they are written as plain leaves them.
type licence struct {
	id        string // SPDX identifier
	sentences []string
}

const (
	redistribute = "redistribution and use in source and binary forms with or without modification are permitted provided that the following conditions are met"
	endorse      = "may be used to endorse or promote products derived from this software without specific prior written permission"
	binary       = "reproduce the above copyright notice this list of conditions and the following disclaimer in the documentation"
)

var approved = []licence{
	{"Apache-2.0", []string{"apache license", "version 2 0 january 2004", "grant of copyright license", "grant of patent license"}},
	{"Apache-2.0", []string{"licensed under the apache license version 2 0", "you may obtain a copy of the license at http www apache org licenses license 2 0"}},
	{"BSD-2-Clause", []string{redistribute, binary}},
	{"BSD-3-Clause", []string{redistribute, binary, endorse}},
	{"CC0-1.0", []string{"cc0 1 0 universal", "creative commons legal code", "statement of purpose"}},
	{"ISC", []string{"permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted"}},
	{"ISC", []string{"permission to use copy modify and distribute this software for any purpose with or without fee is hereby granted"}},
	{"MIT", []string{"permission is hereby granted free of charge to any person obtaining a copy of this software",
		"without limitation the rights to use copy modify merge publish distribute sublicense and or sell copies"}},
	{"MPL-2.0", []string{"mozilla public license version 2 0", "covered software"}},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}},
}

// refused are phrases that take back what a licence grants, or belong to one that is not approved.
var refused = []string{"commons clause", "business source license", "server side public license", "non commercial use only", "for non commercial", "attribution noncommercial", "noncommercial license",
	"elastic license", "functional source license", "polyform", "source available", "all rights are reserved and no license is granted"}

var letters = regexp.MustCompile(`[^a-z0-9]+`)

// plain leaves the words of a text: licences differ in line breaks, quotes, list marks and case.
func plain(text string) string {
	return strings.TrimSpace(letters.ReplaceAllString(strings.ToLower(text), " "))
}

// classify names the licences in a text, by identifier and sorted. It answers why when the text is not
// to be accepted: nothing known is in it, or something that is refused.
func classify(text string) (ids []string, why string) {
	words := plain(text)
	for _, phrase := range refused {
		if strings.Contains(words, phrase) {
			return nil, "it says \"" + phrase + "\""
		}
	}
	for _, l := range approved {
		if !slices.ContainsFunc(l.sentences, func(s string) bool { return !strings.Contains(words, s) }) {
			ids = append(ids, l.id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	// The sentences of the shorter BSD licence are in the longer one.
	if slices.Contains(ids, "BSD-3-Clause") {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == "BSD-2-Clause" })
	}
	if len(ids) == 0 {
		return nil, "no approved licence is recognised in it"
	}
	return ids, ""
}
