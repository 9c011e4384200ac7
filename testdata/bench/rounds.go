package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// runResult is what one run of wrk came to: requests a second, the 99th percentile of the time to an answer
// in milliseconds, and the time that the server was on a processor for one request, in microseconds. The
// last is least moved by what else the machine does.
type runResult struct{ rate, p99, cpu float64 }

// round is one run against each of two servers.
type round struct{ ours, other runResult }

// How often and how long each of two servers is asked. One run tells little: what else the machine does
// moves its slowest answers by half.
const (
	rounds   = 7
	roundFor = "3s"
	warmUp   = "1s"
)

// turns asks both in turns, each first every other time, so that a machine that gets slower meanwhile is
// slower for both. The warm-up does not count.
func turns(ours, other func(d string) (runResult, error)) ([]round, error) {
	var out []round
	for i := range rounds + 1 {
		d := roundFor
		if i == 0 {
			d = warmUp
		}
		var r round
		var failed [2]error
		if i%2 == 0 {
			r.ours, failed[0] = ours(d)
			r.other, failed[1] = other(d)
		} else {
			r.other, failed[1] = other(d)
			r.ours, failed[0] = ours(d)
		}
		if err := errors.Join(failed[:]...); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out[1:], nil
}

// ratio says how ours compares to the other over all rounds: the quotient of the two medians, with the
// lowest and highest quotient of any round.
func ratio(rounds []round, of func(runResult) float64) figure {
	var ours, other, each []float64
	for _, r := range rounds {
		ours, other, each = append(ours, of(r.ours)), append(other, of(r.other)), append(each, of(r.ours)/of(r.other))
	}
	return figure{value: median(ours) / median(other), unit: "times", low: slices.Min(each), high: slices.Max(each)}
}

// medianOf says how one of the two did over all rounds: the median, with the lowest and highest of any round.
func medianOf(rounds []round, side func(round) runResult, of func(runResult) float64, name, unit string) figure {
	var values []float64
	for _, r := range rounds {
		values = append(values, of(side(r)))
	}
	return figure{name: name, unit: unit, value: median(values), low: slices.Min(values), high: slices.Max(values)}
}

func oursOf(r round) runResult  { return r.ours }
func otherOf(r round) runResult { return r.other }

// median is the middle one of values, the mean of the two in the middle when they are even in number.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func rateOf(r runResult) float64 { return r.rate }
func p99Of(r runResult) float64  { return r.p99 }
func cpuOf(r runResult) float64  { return r.cpu }

// onCPU is how long a process was on a processor so far, in microseconds (proc(5), stat: the 14th and 15th
// field, in hundredths of a second).
func onCPU(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return ticks(string(text))
}

func ticks(stat string) (float64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the second field is a name in brackets, with blanks
	if len(fields) < 13 {
		return 0, fmt.Errorf("%d fields after the name", len(fields))
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) * 1e4, err
}
