package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/identity"
)

// devicePath is the page where people let programs in (RFC 8628).
const devicePath = "/device"

func (a *API) routeDevice(t *table) {
	add := func(path, name string, handle func(*call) error) {
		t.add(catalogue.V2, BaseV2+path, &method{verb: http.MethodPost, name: name, status: http.StatusOK, public: true, handle: handle})
	}
	add("/device", "v2.BeginDevice", a.beginDevice)
	add("/device/token", "v2.DeviceToken", a.deviceToken)
}

// origin is where people reach this server.
func (a *API) origin(r *http.Request) string {
	if a.URL != "" {
		return a.URL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// beginDevice gives a program its pair of codes.
func (a *API) beginDevice(c *call) error {
	d, err := a.Sessions.BeginDevice(address(c.r), c.r.UserAgent())
	if err != nil {
		return err
	}
	page := a.origin(c.r) + devicePath
	b := catalogue.AppendString(append(c.buffer[:0], `{"device_code":`...), d.DeviceCode)
	b = catalogue.AppendString(append(b, `,"user_code":`...), d.UserCode)
	b = catalogue.AppendString(append(b, `,"verification_uri":`...), page)
	b = catalogue.AppendString(append(b, `,"verification_uri_complete":`...), page+"?user_code="+d.UserCode)
	b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(d.Life.Seconds()), 10)
	b = append(strconv.AppendInt(append(b, `,"interval":`...), int64(d.Interval.Seconds()), 10), '}')
	c.buffer = b
	c.json(http.StatusOK, b)
	clear(b)
	return nil
}

// says is what a program is told that was not let in.
var says = map[identity.DeviceState]string{
	identity.Waiting:  "nobody has decided yet; ask again",
	identity.SlowDown: "nobody has decided yet; ask again, five seconds later than before",
	identity.Refused:  "it was refused",
	identity.Over:     "the code is unknown, used or too old; begin anew",
}

// deviceToken answers a program that asks whether it was let in, once with the token of its login.
func (a *API) deviceToken(c *call) error {
	raw, err := body(c)
	if err != nil {
		return err
	}
	var sent struct {
		Code string `json:"device_code"`
	}
	if json.Unmarshal(raw, &sent) != nil {
		return fault.New(fault.Malformed, "the body is no JSON object with device_code as text")
	}
	if sent.Code == "" {
		return fault.Bad("device_code", "is required")
	}
	state, jwt, err := a.Sessions.AskDevice(c.r.Context(), sent.Code, address(c.r))
	if err != nil {
		return err
	}
	if state != identity.Granted {
		a.write(c, http.StatusBadRequest, string(state), "", says[state])
		return nil
	}
	b := append(catalogue.AppendString(append(c.buffer[:0], `{"jwt":`...), jwt), '}')
	c.buffer = b
	c.json(http.StatusOK, b)
	clear(b)
	return nil
}

func deviceForm(email, code string) sheet {
	return sheet{Title: "Let a program in",
		Text: []string{"A program that shows a code wants to act in your name. Go on only if you started it yourself, just now, and if it shows this very code."},
		Form: &form{Action: devicePath,
			Inputs: []entry{
				{Name: "user_code", Label: "Code", Type: "text", Value: code, Complete: "one-time-code"},
				{Name: "email", Label: "E-mail address", Type: "email", Value: email, Complete: "username"},
				{Name: "password", Label: "Password", Type: "password", Complete: "current-password"},
			},
			Buttons: []entry{{Value: "grant", Label: "Let it in"}, {Value: "refuse", Label: "Refuse"}}}}
}

func (a *API) devicePage(c *call) error {
	return a.sheet(c, http.StatusOK, deviceForm("", c.r.URL.Query().Get("user_code")))
}

func (a *API) decideDevice(c *call, sent url.Values) error {
	email, code, decision := sent.Get("email"), sent.Get("user_code"), sent.Get("decision")
	if decision != "grant" && decision != "refuse" {
		return a.trouble(c, deviceForm(email, code), fault.Bad("decision", "is grant or refuse"))
	}
	asked, err := a.Sessions.DecideDevice(c.r.Context(), email, sent.Get("password"), code, address(c.r), decision == "grant")
	if err != nil {
		return a.trouble(c, deviceForm(email, code), err)
	}
	if decision == "refuse" {
		return a.sheet(c, http.StatusOK, sheet{Title: "The program was refused", Text: []string{"It asked from " + asked + "."}})
	}
	return a.sheet(c, http.StatusOK, sheet{Title: "The program is let in",
		Text: []string{"It asked from " + asked + " and goes on by itself. You find its login among your sessions and can end it there."}})
}
