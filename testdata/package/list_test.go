package packaging

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"kowabunga/roles/sandbox/guest"
	"kowabunga/roles/sandbox/hypervisor"
)

// listed are the packages of a set in the file "packages", in its order.
func listed(t *testing.T, set string) []string {
	t.Helper()
	f, err := os.Open("packages")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) < 3 {
			t.Fatalf("%q says no reason", lines.Text())
		}
		if fields[0] == set {
			names = append(names, fields[1])
		}
	}
	return names
}

// "make sandbox" must not install more than the sandbox asks for, nor less.
func TestListIsWhatTheSandboxNeeds(t *testing.T) {
	want := slices.Concat(guest.Packages(), hypervisor.Packages())
	slices.Sort(want)
	want = slices.Compact(want)
	got := listed(t, "sandbox")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the list has\n%s\nthe sandbox needs\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
	for _, name := range slices.Concat(listed(t, "test"), listed(t, "test-debian")) {
		if slices.Contains(got, name) {
			t.Errorf("%s stands in both sets", name)
		}
	}
}
