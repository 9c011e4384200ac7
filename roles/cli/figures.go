package cli

import (
	"fmt"
	"strconv"
	"strings"

	"kowabunga/roles/term"
)

// lines adds a list of figures: sums of money on one line, objects on one each, behind what they are
// called, and anything else separated by commas.
func lines(table *term.Table, name string, list []any) {
	var words []string
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			words = append(words, fmt.Sprint(item))
			continue
		}
		if sum, ok := money(object); ok {
			words = append(words, sum)
			continue
		}
		figures(table, name+" "+called(object, i)+" ", object)
	}
	if len(words) > 0 {
		table.Add(strings.TrimSuffix(name, " costs"), strings.Join(words, ", "))
	}
}

// money reads an amount of a currency.
func money(o map[string]any) (string, bool) {
	price, ok := o["price"].(float64)
	currency, named := o["currency"].(string)
	if !ok || !named || len(o) != 2 {
		return "", false
	}
	return strconv.FormatFloat(price, 'f', -1, 64) + " " + currency, true
}

// called takes what an object is called out of it: its kind and name, else its place in the list.
func called(o map[string]any, i int) string {
	var words []string
	for _, key := range []string{"kind", "name"} {
		if s, ok := o[key].(string); ok && s != "" {
			words = append(words, s)
			delete(o, key)
		}
	}
	if len(words) == 0 {
		return strconv.Itoa(i + 1)
	}
	delete(o, "id")
	return strings.Join(words, " ")
}
