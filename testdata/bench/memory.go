package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// resident is the resident set of a process in MB of 10^6 octets (proc(5), smaps_rollup).
func resident(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "Rss:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("no line Rss")
}

// memory is what a process holds, in MB of 10^6 octets: its anonymous pages (heap, stacks), and its
// proportional set size, in which pages shared by n processes count for 1/n (proc(5), smaps_rollup).
func memory(pid int) (anonymous, pss float64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return rollup(f)
}

func rollup(r io.Reader) (anonymous, pss float64, err error) {
	found := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		switch fields[0] {
		case "Anonymous:":
			anonymous = kib * 1024 / 1e6
			found++
		case "Pss:":
			pss = kib * 1024 / 1e6
			found++
		}
	}
	if err := lines.Err(); err != nil {
		return 0, 0, err
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("%d of the lines Anonymous and Pss, want both", found)
	}
	return anonymous, pss, nil
}
