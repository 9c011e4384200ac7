package nodes

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func TestLagIsReadAsWritten(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		l := Lag{Index: rapid.Uint64().Draw(t, "index"), Behind: rapid.Uint64().Draw(t, "behind"), Silent: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "ms")) * time.Millisecond}
		back, err := ParseLag(FormatLag(l) + ";later=1")
		if err != nil || back.Index != l.Index || back.Behind != l.Behind || (back.Silent-l.Silent).Abs() > time.Millisecond {
			t.Fatalf("%+v is read back as %+v, %v", l, back, err)
		}
	})
	for _, text := range []string{"", "x", "1;behind=-1", "1;silent=NaN", "1;silent=-2", "18446744073709551616"} {
		if l, err := ParseLag(text); err == nil {
			t.Errorf("%q is read as %+v", text, l)
		}
	}
}
