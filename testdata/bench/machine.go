package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine describes where figures were measured: processor, cores, memory, kernel, Go, and how busy it was.
func machine() string {
	kernel := strings.TrimSpace(read("/proc/sys/kernel/osrelease"))
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return fmt.Sprintf("machine: %s, %d cores, %s memory, Linux %s, %s %s; load %s at %s",
		field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"), kernel,
		runtime.Version(), runtime.GOARCH, load, time.Now().UTC().Format(time.RFC3339))
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return string(text)
}

// field is the first value of a key in a file of /proc with lines "key : value".
func field(path, key string) string {
	for lines := bufio.NewScanner(strings.NewReader(read(path))); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
