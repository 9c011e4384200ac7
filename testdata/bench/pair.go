package main

import (
	"context"
	"fmt"
	"time"
)

// pairOfTwo measures two Kahunas beside one, and how one follows the other: both are on this machine, on the same
// disk and the same cores.
func pairOfTwo(ctx context.Context, program string) (figures []figure, err error) {
	c, err := paired(ctx, program)
	if err != nil {
		return nil, err
	}
	defer func() { c.end() }()
	for _, part := range []func() ([]figure, error){c.writes, c.unplanned, c.planned, c.catchUp} {
		more, err := part()
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	c.end()
	more, err := fromNothing(ctx, program)
	return append(figures, more...), err
}

// say tells what goes on.
func say(format string, a ...any) {
	fmt.Printf("%s  %s\n", time.Now().UTC().Format(time.TimeOnly), fmt.Sprintf(format, a...))
}
