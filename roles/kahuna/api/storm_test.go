package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// storm makes requests of every operation, in both APIs, with bodies that the catalogue's declarations
// suggest: mostly right, often at a limit, sometimes wrong. The same seed makes the same requests.
type storm struct {
	*rand.Rand
	w       *world
	callers []caller
	ops     []*catalogue.Op
	ids     map[model.Kind][]model.ID // of things that existed at the last look
	serial  int
}

// caller is somebody who makes requests. word stands in all names of his tenant and nowhere else.
type caller struct{ name, key, word, project, user string }

func newStorm(t testing.TB, seed uint64) *storm {
	w := newWorld(t)
	ids := w.topology()
	s := &storm{Rand: rand.New(rand.NewPCG(seed, 1)), w: w}
	for _, word := range []string{"velvet", "copper"} {
		admin := w.id("/api/v1/user", fmt.Sprintf(`{"name":"%s-admin","email":"admin@%s.test","role":"projectAdmin"}`, word, word))
		reader := w.id("/api/v1/user", fmt.Sprintf(`{"name":"%s-reader","email":"reader@%s.test","role":"user"}`, word, word))
		team := w.id("/api/v1/team", fmt.Sprintf(`{"name":"%s-team","users":[%q,%q]}`, word, admin, reader))
		w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", fmt.Sprintf(`{"name":"net-%s","cidr":"10.%d.0.0/24","gateway":"10.%d.0.1","gw_pool":[{"first":"10.%d.0.240","last":"10.%d.0.249"}]}`, word, 202+len(s.callers), 202+len(s.callers), 202+len(s.callers), 202+len(s.callers)))
		project := w.id("/api/v1/project?subnetSize=26", fmt.Sprintf(`{"name":"%s-project","domain":"%s.test","root_password":"%s-password-7","teams":[%q],"regions":[%q]}`, word, word, word, team, ids["region"]))
		w.id("/api/v1/project/"+project+"/zone/"+ids["zone"]+"/kompute", fmt.Sprintf(`{"name":"%s-machine","memory":1073741824,"vcpus":1,"disk":4294967296}`, word))
		s.callers = append(s.callers, caller{word + " admin", w.key(admin), word, project, admin}, caller{word + " reader", w.key(reader), word, project, reader})
	}
	s.callers = append(s.callers, caller{"stranger", w.key(ids["stranger"]), "nobody", "", ids["stranger"]}, caller{"nobody", "", "nobody", "", ""})
	s.ops = catalogue.Ops()
	return s
}

// look notes what exists.
func (s *storm) look() {
	s.ids = map[model.Kind][]model.ID{}
	v := s.w.store.View()
	for _, k := range catalogue.Kinds {
		for o := range v.All(k.Name) {
			s.ids[k.Name] = append(s.ids[k.Name], o.Base().ID)
		}
	}
}

// id is one that exists, mostly.
func (s *storm) id(kind model.Kind) model.ID {
	if have := s.ids[kind]; len(have) > 0 && s.IntN(20) > 0 {
		return have[s.IntN(len(have))]
	}
	return model.ID(pick(s, "", "0123456789abcdef01234567", "NOT-AN-ID", "000000000000000000000000", "..", "%00"))
}

func pick[T any](s *storm, values ...T) T { return values[s.IntN(len(values))] }

// request is one request of an operation.
func (s *storm) request(c caller) (op *catalogue.Op, method, path, query, body string) {
	op = s.ops[s.IntN(len(s.ops))]
	for slow(op) && s.IntN(20) > 0 {
		op = s.ops[s.IntN(len(s.ops))]
	}
	if op.Verb == catalogue.Delete && s.IntN(10) > 0 {
		op = s.ops[s.IntN(len(s.ops))]
	}
	method = op.Method
	kind := catalogue.Of(op.Kind)
	var params []string
	if op.Native || s.IntN(2) == 0 {
		path = "/api/v2/" + kind.Plural
		if op.Target() != "" {
			path += "/" + string(s.id(op.Kind))
		}
		if op.Verb == catalogue.Action {
			path += "/" + op.Action
		}
		for _, p := range kind.Parents {
			if (op.Verb == catalogue.Create || op.Verb == catalogue.List) && s.IntN(4) > 0 {
				params = append(params, string(p.Kind)+"="+string(s.parent(p.Kind, c)))
			}
		}
		if more := s.parameter(op); more != "" {
			params = append(params, more)
		}
	} else {
		path = "/api/v1" + op.Path
		for _, p := range op.Params {
			path = strings.Replace(path, "{"+p.Name+"}", string(s.parent(p.Kind, c)), 1)
		}
	}
	for i := range op.Query {
		if q := &op.Query[i]; s.IntN(2) == 0 {
			value := pick(s, "true", "26", "2199-01-01", "-1", "x")
			if q.Ref != "" {
				value = string(s.id(q.Ref))
			}
			params = append(params, q.Name+"="+value)
		}
	}
	query = strings.Join(params, "&")
	switch op.Request {
	case "":
	case "UserCredentials", "Password", "UserEmail":
		body = s.credentials(op.Request)
	default:
		body = s.body(kind, c)
	}
	return op, method, path, query, body
}

// parameter is one of API v2's own, mostly one that the operation takes.
func (s *storm) parameter(op *catalogue.Op) string {
	switch {
	case s.IntN(20) == 0:
		return pick(s, "unheard=of", "limit=1", "wait=true", "plan=x")
	case op.Verb == catalogue.List:
		return pick(s, "", "limit=1", "limit=x", "sort=name,-created", "filter=name~e", "filter=nothing=1", "label=a=b", "label=!a", "as_of=1", "cursor=zzz")
	case op.Method != http.MethodGet:
		return pick(s, "", "wait=true", "wait=true", "wait=true", "plan=true", "pin=sha256:00", "wait=x")
	}
	return ""
}

// credentials is the body of what people do with mail addresses and passwords.
func (s *storm) credentials(schema string) string {
	address := pick(s, "admin@velvet.test", "reader@copper.test", "nobody@nowhere.test", "x", "")
	switch schema {
	case "Password":
		return fmt.Sprintf(`{"value":%q}`, pick(s, "seven Wombats juggle 93 lamps", "short", ""))
	case "UserEmail":
		return fmt.Sprintf(`{"email":%q}`, address)
	}
	return fmt.Sprintf(`{"email":%q,"password":%q}`, address, pick(s, "seven Wombats juggle 93 lamps", "wrong", ""))
}

// slow tells of the operations that hash passwords, which is slow on purpose: they are asked for seldom.
func slow(op *catalogue.Op) bool {
	return op.Action == "login" || op.Action == "password" || strings.Contains(strings.ToLower(op.ID), "resetpassword")
}

// parent is an id for a path: of projects the caller's own, mostly.
func (s *storm) parent(kind model.Kind, c caller) model.ID {
	if kind == model.KindProject && c.project != "" && s.IntN(4) > 0 {
		return model.ID(c.project)
	}
	return s.id(kind)
}

func (s *storm) body(kind *catalogue.Kind, c caller) string {
	raw, err := json.Marshal(s.object(kind.Fields, c))
	if err != nil {
		panic(err)
	}
	switch s.IntN(40) {
	case 0:
		return string(raw[:s.IntN(len(raw)+1)])
	case 1:
		i := s.IntN(len(raw))
		return string(raw[:i]) + string(rune(s.IntN(0x110000))) + string(raw[i:])
	}
	return string(raw)
}

func (s *storm) object(fields []catalogue.Field, c caller) map[string]any {
	out := map[string]any{}
	for i := range fields {
		f := &fields[i]
		if f.ReadOnly && s.IntN(10) > 0 || !f.Required && s.IntN(3) == 0 {
			continue
		}
		if s.IntN(60) == 0 {
			out[f.Name] = pick[any](s, nil, "", -1, 1e300, true, []any{}, map[string]any{}, strings.Repeat("x", 3000), "\u0000", "'\"<>&;$(x)`")
			continue
		}
		out[f.Name] = s.value(f, c)
	}
	return out
}

func (s *storm) value(f *catalogue.Field, c caller) any {
	switch {
	case f.Name == "name":
		s.serial++
		return fmt.Sprintf("%s-%d", c.word, s.serial%200)
	case len(f.Enum) > 0 && f.Type == catalogue.String:
		return f.Enum[s.IntN(len(f.Enum))]
	case len(f.Enum) > 0 && f.Type == catalogue.Integer:
		n, _ := strconv.Atoi(f.Enum[s.IntN(len(f.Enum))])
		return n
	case f.Ref != "" && f.Type == catalogue.Array:
		ids := []model.ID{}
		for range s.IntN(3) {
			ids = append(ids, s.id(f.Ref))
		}
		return ids
	case f.Ref != "":
		return s.id(f.Ref)
	}
	switch f.Type {
	case catalogue.Integer:
		if f.Max > f.Min {
			return pick(s, f.Min, f.Min+1, f.Max, 1, 2, 1<<30, 4<<30)
		}
		return pick[int64](s, 0, 1, 80, 65535, 1<<62)
	case catalogue.Number:
		return pick(s, 0, 1.5, -1, 1e15)
	case catalogue.Boolean:
		return s.IntN(2) == 0
	case catalogue.Date:
		return pick(s, "2199-12-31", "2000-02-30", "")
	case catalogue.Object:
		return s.object(f.Fields, c)
	case catalogue.Array:
		items := []any{}
		for range s.IntN(3) {
			switch f.Items {
			case catalogue.Object:
				items = append(items, s.object(f.Fields, c))
			case catalogue.Integer:
				items = append(items, pick(s, 3, 4, 0))
			default:
				items = append(items, s.word())
			}
		}
		return items
	}
	return s.word()
}

// word is text that some field would take.
func (s *storm) word() string {
	return pick(s, "10.201.0.20", "10.201.0.0/24", "10.202.0.7", "203.0.113.5", "203.0.113.0/24", "0.0.0.0/0", "::1", "da:1e:70:00:00:01", "80,443,8000-8080", "0-70000", "240s", "2h",
		"a.test", "host", "http://127.0.0.1/x.img", "file:///etc/passwd", "dir:main", "br77", "x@y.test", "", "ünï", "../../x", "10.201.0.300", "999999999999")
}

// blow makes n requests and calls seen with each answer.
func (s *storm) blow(t *testing.T, n int, who func() *caller, seen func(c caller, what string, status int, body string)) map[int]int {
	t.Helper()
	tally := map[int]int{}
	for i := range n {
		if i%50 == 0 {
			s.look()
		}
		asking := who()
		c := *asking
		op, method, path, query, body := s.request(c)
		r, err := http.NewRequest(method, "http://kahuna.test/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawQuery = path, query
		if c.key != "" {
			r.Header.Set("X-API-Key", c.key)
		}
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i%250)
		a := newRecorder()
		s.w.api.ServeHTTP(a, r)
		tally[a.status]++
		if a.status == http.StatusUnauthorized && c.user != "" {
			asking.key = s.renew(c.user) // he has given himself another
		}
		what := fmt.Sprintf("request %d, %s by %s: %s %s?%s %.600s", i, op.ID, c.name, method, path, query, body)
		// 507 is the contract's word for a quota that is used up, and a host that somebody took the agents
		// from cannot be asked: both are answers, not faults.
		faulty := a.status >= 500 && a.status != 507 && !strings.Contains(a.body.String(), "without an agent")
		if a.status == 0 || faulty {
			t.Errorf("%s: %d %s", what, a.status, a.body.String())
		}
		seen(c, what, a.status, a.body.String())
		if t.Failed() && i > 20 {
			t.Fatal("enough")
		}
	}
	return tally
}

// renew is a new key for a user, the old one's place taken or the account switched off; empty when he is
// gone.
func (s *storm) renew(user string) string {
	key, _ := decode(s.w.t, s.w.do("PATCH", "/api/v2/users/"+user+"/token", "").body)["key"].(string)
	return key
}

// requests is how many requests a storm has: some for every run of the tests, more when asked for.
func requests(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("KOWABUNGA_STORM"))
	if err != nil {
		return 4000
	}
	t.Logf("%d requests", n)
	return n
}

// Whatever a superAdmin sends, no request ends in a fault of the program.
func TestStormBreaksNothing(t *testing.T) {
	s := newStorm(t, 7)
	root := &caller{"root", masterKey, "root", "", ""}
	t.Log(s.blow(t, requests(t), func() *caller {
		if s.IntN(3) > 0 {
			return root
		}
		return &s.callers[s.IntN(len(s.callers))]
	}, func(caller, string, int, string) {}))
	if log := s.w.log.String(); strings.Contains(log, "panic") {
		t.Errorf("the log tells of a panic: %.2000s", log)
	}
}

// Whatever two tenants send, no answer tells one of them what the other calls his things or keeps secret.
func TestStormLeaksNothing(t *testing.T) {
	s := newStorm(t, 11)
	var shown [2]int // own names seen, to know that the check can see any
	t.Log(s.blow(t, requests(t), func() *caller { return &s.callers[s.IntN(len(s.callers))] }, func(c caller, what string, status int, body string) {
		for i, word := range []string{"velvet", "copper"} {
			if !strings.Contains(body, word) {
				continue
			}
			if c.word == word {
				shown[i]++
				continue
			}
			// The tenants' own subnets are named by the installation, which knows the words too.
			if strings.Contains(strings.ReplaceAll(body, "net-"+word, ""), word) {
				t.Errorf("%s: %d tells of the other tenant: %.400s", what, status, body)
			}
		}
		if c.word == "nobody" && strings.Contains(body, "-password-7") {
			t.Errorf("%s: %d shows a secret: %.400s", what, status, body)
		}
	}))
	if shown[0] == 0 || shown[1] == 0 {
		t.Errorf("the tenants saw their own names %v times; the storm proves nothing", shown)
	}
}
