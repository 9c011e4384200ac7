package world

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestOne(t *testing.T) {
	seed := uint64(1)
	fmt.Sscan(os.Getenv("SEED"), &seed)
	began := time.Now()
	o := Random(seed, 10*time.Minute, 0, os.Stdout)
	fmt.Printf("%+v %v\n", o, time.Since(began))
	if o.Violation != nil {
		t.Fatal(o.Violation.Rule, o.Violation.Detail)
	}
}
