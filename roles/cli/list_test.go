package cli

import (
	"slices"
	"testing"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

func TestMoment(t *testing.T) {
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"4711":                 "4711",
		"2030-01-30T00:00:00Z": "2030-01-30T00:00:00Z",
		"2h30m":                "2030-01-31T09:30:00Z",
		"7d":                   "2030-01-24T12:00:00Z",
		"d":                    "",
		"yesterday":            "",
		"-2h":                  "",
		"-5":                   "",
	} {
		if got, err := moment(text, now); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
}

// What an object lies in or refers to is made before it.
func TestRanksFollowReferences(t *testing.T) {
	for _, k := range catalogue.Kinds {
		var before []model.Kind
		for i := range k.Parents {
			before = append(before, k.Parents[i].Kind)
		}
		eachRef(k.Fields, func(kind model.Kind) { before = append(before, kind) })
		for _, kind := range slices.Concat(before, after[k.Name]) {
			if kind != k.Name && rank(kind) >= rank(k.Name) {
				t.Errorf("%s comes before %s, which it needs", k.Name, kind)
			}
		}
	}
	// Members may make adapters only in subnets that their project has by then.
	if rank(model.KindAdapter) < rank(model.KindProject) || rank(model.KindProject) < rank(model.KindSubnet) {
		t.Error("a project has to come after the subnets it is given, and before their adapters")
	}
}
