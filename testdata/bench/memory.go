package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// peak follows the memory of a process.
type peak struct {
	pid       int
	stop      chan struct{}
	done      chan struct{}
	anonymous float64
}

// lookEvery is how often memory is looked at of which the system keeps no maximum.
const lookEvery = 50 * time.Millisecond

// peakOf begins to follow the memory of a process.
func peakOf(pid int) (*peak, error) {
	// Forgets the maximum so far (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return nil, err
	}
	p := &peak{pid: pid, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			now, _ := held(pid, "RssAnon")
			p.anonymous = max(p.anonymous, now)
			select {
			case <-p.stop:
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return p, nil
}

// end is the most that the process held since, in MB of 10^6 octets: of anonymous pages (heap, stacks), and in
// all, with what is in memory of the files that it maps, which the system takes back when it needs room.
func (p *peak) end() (anonymous, resident float64, err error) {
	close(p.stop)
	<-p.done
	resident, err = held(p.pid, "VmHWM")
	return p.anonymous, resident, err
}

// held is a figure of /proc/PID/status in MB.
func held(pid int, name string) (float64, error) {
	text := field(fmt.Sprintf("/proc/%d/status", pid), name)
	kib, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	return kib * 1024 / 1e6, err
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
