// Package count says how many there are of something, for people.
package count

import "fmt"

// Of is a number of things whose plural ends in s: "1 record", "2 records".
func Of[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
