package cli

import (
	"bytes"
	"encoding/json"
	"testing"

	"kowabunga/roles/term"
)

// Figures of an answer stand one a line, sums with their currency and their fractions.
func TestFiguresOfAProject(t *testing.T) {
	var tree map[string]any
	if err := json.Unmarshal([]byte(`{"price":12.5,"currency":"EUR","costs":[{"price":12.5,"currency":"EUR"},{"price":3,"currency":"USD"}],
		"kinds":[{"kind":"instance","costs":[{"price":12.5,"currency":"EUR"}]},{"kind":"volume","costs":[]}],
		"resources":[{"kind":"instance","id":"6b004e3b41afe682dce887dd","name":"web-1","costs":[{"price":12.5,"currency":"EUR"}]}],"memory":1073741824}`), &tree); err != nil {
		t.Fatal(err)
	}
	table := &term.Table{}
	figures(table, "", tree)
	var out bytes.Buffer
	if err := (&term.Terminal{Out: &out}).Table(table); err != nil {
		t.Fatal(err)
	}
	const want = `costs                     12.5 EUR, 3 USD
currency                  EUR
kinds instance            12.5 EUR
memory                    1.0 GiB
price                     12.5
resources instance web-1  12.5 EUR
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
