package api

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const (
	maxBody     = 1 << 20
	bodyTimeout = 30 * time.Second
)

// body reads the request's body, at most 1 MiB and within 30 seconds.
func body(c *call) ([]byte, error) {
	r := c.r
	if r.ContentLength > maxBody {
		return nil, fault.New(fault.Malformed, "the body is larger than 1 MiB")
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, fault.New(fault.Malformed, "the body is missing; send a JSON object")
	}
	limits := http.NewResponseController(c.ResponseWriter)
	if limits.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer limits.SetReadDeadline(time.Time{})
	}
	b := make([]byte, 0, max(r.ContentLength, 0)+512)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > maxBody {
			return nil, fault.New(fault.Malformed, "the body is larger than 1 MiB")
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, &fault.Error{Code: fault.Malformed, Message: "the body did not arrive whole", Err: err}
		}
	}
}

// values reads the query. Parameters that stand twice with different values are refused, as nobody can
// tell which was meant.
func values(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Malformed, "the query cannot be read: %s", "a percent sign must be followed by two hexadecimal digits, and & separates parameters")
	}
	return q, nil
}

// query checks the parameters an operation declares against their types and brings them into one form;
// others are ignored, and an empty value counts as absent. Fault: Malformed with the parameter's name.
func query(q url.Values, declared []catalogue.Query) (behaviour.Query, error) {
	if len(declared) == 0 || len(q) == 0 {
		return nil, nil
	}
	out := behaviour.Query{}
	for i := range declared {
		p := &declared[i]
		value, err := single(q, p.Name)
		if err != nil {
			return nil, err
		}
		if value == "" {
			continue
		}
		if out[p.Name], err = typed(p, value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func single(q url.Values, name string) (string, error) {
	all := q[name]
	for _, v := range all {
		if v != all[0] {
			return "", bad(name, "stands twice with different values")
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	return all[0], nil
}

func typed(p *catalogue.Query, value string) (string, error) {
	switch p.Type {
	case catalogue.Boolean:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return "", bad(p.Name, "must be true or false")
		}
		return strconv.FormatBool(b), nil
	case catalogue.Integer:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "", bad(p.Name, "must be a whole number")
		}
		return strconv.FormatInt(n, 10), nil
	case catalogue.Date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", bad(p.Name, "must be a date of the form YYYY-MM-DD")
		}
	}
	if p.Ref != "" && !model.ID(value).Valid() {
		return "", bad(p.Name, "must be an id: 24 lower-case hexadecimal digits")
	}
	return value, nil
}

func bad(field, format string, args ...any) error {
	f := fault.New(fault.Malformed, format, args...)
	f.Field = field
	return f
}
