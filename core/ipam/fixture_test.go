package ipam_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/tree"
)

// id is a well-formed id for object n.
func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int, name string) model.Meta { return model.Meta{ID: id(n), Name: name} }

// The fixture: a region with two zones, a private and a public segment, and a second region.
const (
	region, otherRegion = 1, 2
	zoneA, zoneB        = 10, 11
	private, public     = 20, 21
	subnetID            = 30
)

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func world(t fatal) model.Draft {
	t.Helper()
	d := tree.New(catalogue.Tables()).Edit()
	put(t, d,
		&model.Region{Meta: meta(region, "eu")}, &model.Region{Meta: meta(otherRegion, "us")},
		&model.Zone{Meta: meta(zoneA, "eu-a"), Region: id(region)}, &model.Zone{Meta: meta(zoneB, "eu-b"), Region: id(region)},
		&model.VNet{Meta: meta(private, "tenants"), Region: id(region), Private: true},
		&model.VNet{Meta: meta(public, "internet"), Region: id(region)},
	)
	return d
}

func put(t fatal, d model.Draft, objects ...model.Object) {
	t.Helper()
	for _, o := range objects {
		if err := d.Put(o); err != nil {
			t.Fatalf("put %s %q: %v", o.Kind(), o.Base().Name, err)
		}
	}
}

func tenant(n int, cidr, gateway string) *model.Subnet {
	return &model.Subnet{Meta: meta(n, fmt.Sprintf("net%d", n)), VNet: id(private), CIDR: cidr, Gateway: gateway, Application: "user"}
}

// refused asserts the code, the field and part of the message of an error.
func refused(t *testing.T, err error, code fault.Code, field, says string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Code != code || f.Field != field || !strings.Contains(f.Message, says) {
		t.Errorf("got %s on field %q: %s\nwant %s on field %q saying %q", f.Code, f.Field, f.Message, code, field, says)
	}
}
