package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/access"
	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/plan"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/operate"
)

// engine is a fake for what the real one does only when something is wrong.
type engine struct {
	do       func(ctx context.Context, r operate.Request) (operate.Answer, error)
	answered func(model.ID)
}

func (e *engine) Do(ctx context.Context, r operate.Request) (operate.Answer, error) {
	return e.do(ctx, r)
}
func (e *engine) Plan(operate.Request) (*plan.Plan, model.View, error) {
	return nil, nil, fault.New(fault.NotFound, "none")
}
func (e *engine) PlanCancel(operate.By, model.ID) (*plan.Plan, model.View, error) {
	return nil, nil, fault.New(fault.NotFound, "none")
}
func (e *engine) Answered(_ context.Context, id model.ID) {
	if e.answered != nil {
		e.answered(id)
	}
}
func (e *engine) Wait(context.Context, model.ID) (*operation.Operation, error) {
	return nil, fault.New(fault.NotFound, "none")
}
func (e *engine) Online(model.ID) bool                               { return true }
func (e *engine) Cancel(context.Context, operate.By, model.ID) error { return nil }
func (e *engine) Progress(model.ID) (agentproto.Progress, bool)      { return agentproto.Progress{}, false }

var _ api.Engine = (*engine)(nil)

func TestPanicIsAnInternalError(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Engine = &engine{do: func(context.Context, operate.Request) (operate.Answer, error) { panic("secret detail") }}
	})
	a := w.do("POST", "/api/v1/region", `{"name":"eu"}`, "X-Request-Id", "boom-1")
	if a.status != 500 || strings.Contains(a.body, "secret detail") || !strings.Contains(a.body, "boom-1") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, "boom-1") {
		t.Error("the panic is not in the log")
	}
	if a := w.do("GET", "/api/v1/region", ""); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

// Causes stay inside; what is temporary says when to come back.
func TestErrorsAreTranslated(t *testing.T) {
	var err error
	w := newWorld(t, func(c *api.Config) {
		c.Engine = &engine{do: func(context.Context, operate.Request) (operate.Answer, error) { return operate.Answer{}, err }}
	})
	for _, c := range []struct {
		err    error
		status int
		retry  bool
		want   string
	}{
		{errors.New("disk /dev/sda1 burnt"), 500, false, "request id"},
		{fault.Wrap(errors.New("disk burnt"), fault.Unavailable, "commit"), 503, true, "unavailable"},
		{fault.Bad("reserved[0].first", "is no address"), 422, false, "reserved[0].first: is no address"},
		{fault.New(fault.Exhausted, "the quota of memory is used up"), 507, false, "quota"},
		{fault.New(fault.Throttled, "too many"), 429, true, "too many"},
		{fault.New(fault.Cancelled, "called off"), 503, true, "called off"},
	} {
		err = c.err
		a := w.do("POST", "/api/v1/region", `{"name":"eu"}`)
		got := decode(t, a.body)
		if a.status != c.status || got["status"] != float64(c.status) || got["error"] != http.StatusText(c.status) ||
			!strings.Contains(got["reason"].(string), c.want) || strings.Contains(a.body, "burnt") || (a.header.Get("Retry-After") != "") != c.retry {
			t.Errorf("%v: %d %s, Retry-After %q", c.err, a.status, a.body, a.header.Get("Retry-After"))
		}
	}
}

// The engine learns that an answer went out, and only then: a client that went away before it gets it
// when it asks again. Going away cancels nothing.
func TestAnsweredIsToldOnlyWhenTheAnswerWentOut(t *testing.T) {
	const op = model.ID("cccccccccccccccccccccccc")
	told := make(chan model.ID, 1)
	entered, leave := make(chan struct{}), make(chan error, 1)
	wait := false
	w := newWorld(t, func(c *api.Config) {
		region := &model.Region{}
		region.ID, region.Name = "aaaaaaaaaaaaaaaaaaaaaaaa", "eu"
		views := c.Views
		c.Engine = &engine{answered: func(id model.ID) { told <- id }, do: func(ctx context.Context, r operate.Request) (operate.Answer, error) {
			if !r.V1 || !r.Wait || r.ID == "" || r.From != "127.0.0.1" {
				t.Errorf("%+v", r)
			}
			if wait {
				close(entered)
				<-ctx.Done() // the client is gone, just when the work is done
				leave <- ctx.Err()
			}
			return operate.Answer{Object: region, View: views.View(), Operation: op}, nil
		}}
	})
	if a := w.do("POST", "/api/v1/region", `{"name":"eu"}`); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := <-told; got != op {
		t.Errorf("told of %q", got)
	}
	wait = true
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "POST", w.server.URL+"/api/v1/region", strings.NewReader(`{"name":"eu"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", masterKey)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := w.server.Client().Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	<-entered
	cancel()
	<-leave
	<-done
	if len(told) != 0 {
		t.Error("an answer that nobody got counts as given")
	}
}

func TestMetricsCountByOperationAndStatus(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, func(c *api.Config) { c.Metrics = registry })
	w.do("GET", "/api/v1/region", "")
	w.do("GET", "/api/v1/region/ffffffffffffffffffffffff", "")
	w.do("GET", "/nothing", "")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"kowabunga_api_requests_total ListRegions 200": 1, "kowabunga_api_requests_total ReadRegion 404": 1,
		"kowabunga_api_requests_total none 404": 1, "kowabunga_api_request_seconds ListRegions": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

func TestStateAsksTheInstanceOfAKompute(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	kompute := w.kompute(ids, "m1")
	instance := w.must("GET", "/api/v2/instances/m1", "")["id"]
	w.live.state = func(id model.ID) (string, string, error) {
		if string(id) != instance {
			return "", "", fault.New(fault.NotFound, "no such machine")
		}
		return "Paused", `by "user"`, nil
	}
	if a := w.do("GET", "/api/v1/kompute/"+kompute+"/state", ""); a.body != `{"state":"Paused","reason":"by \"user\""}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.live.state = func(model.ID) (string, string, error) { return "", "", errors.New("dial tcp: refused") }
	for _, path := range []string{"/kompute/" + kompute, "/instance/" + instance.(string)} {
		if a := w.do("GET", "/api/v1"+path+"/state", ""); a.status != 503 || strings.Contains(a.body, "dial") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// What nobody waited for is not counted as an error of ours.
func TestClientsThatWentAwayAreLoggedAsSuch(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Engine = &engine{do: func(ctx context.Context, _ operate.Request) (operate.Answer, error) {
			return operate.Answer{}, fault.From(ctx.Err())
		}}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://kahuna.test/api/v1/region", strings.NewReader(`{"name":"eu"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", masterKey)
	a := newRecorder()
	w.api.ServeHTTP(a, r)
	if a.body.Len() != 0 || !strings.Contains(w.log.String(), `"status":499`) {
		t.Errorf("%d %s", a.status, a.body.String())
	}
}

// authenticator is a fake that knows everybody by what it returns.
type authenticator func(*http.Request) (access.Identity, error)

func (f authenticator) Authenticate(r *http.Request) (access.Identity, error) { return f(r) }

// An authenticator that knows nobody lets nobody in, whether or not it says so with an error.
func TestNobodyGetsNowhere(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Auth = authenticator(func(*http.Request) (access.Identity, error) { return access.Identity{}, nil })
	})
	for _, path := range []string{"/api/v1/region", "/api/v1/kawaii", "/api/v2/regions", "/api/v2/events", "/api/v2/version", "/api/v2/operations"} {
		if a := w.do("GET", path, ""); a.status != 401 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
