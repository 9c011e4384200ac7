package api

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"

	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/embed/pages"
)

// pagePolicy is the Content-Security-Policy of the pages: this server's own style sheet and forms that
// go to this server, no script, no frame around them.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const stylePath = account.ConfirmPath + "/style.css"

// sheet is what a page shows.
type sheet struct {
	Title   string
	Text    []string
	Trouble string // why it did not work
	Secret  string // shown this once
	Form    *form
}

type form struct {
	Action          string
	Hidden          []entry
	Inputs, Buttons []entry
}

// entry is a field or a button of a form.
type entry struct{ Name, Value, Label, Type, Complete string }

var pageTemplate = template.Must(template.New("page").Parse(pages.Page))

// routePages serves the pages behind the links of letters. Looking at one changes nothing, so that
// programs that follow the links in mail do no harm; pressing its button does.
func (a *API) routePages(t *table) {
	add := func(verb, path, name string, handle func(*call) error) {
		t.add(catalogue.V2, path, &method{verb: verb, name: name, status: http.StatusOK, public: true, handle: handle})
	}
	add(http.MethodGet, account.ConfirmPath, "ConfirmPage", a.look(model.ProofAccount, model.ProofAddress))
	add(http.MethodPost, account.ConfirmPath, "Confirm", a.posted(a.confirm))
	add(http.MethodGet, account.ResetPath, "ResetPage", a.look(model.ProofPassword))
	add(http.MethodPost, account.ResetPath, "Reset", a.posted(a.reset))
	add(http.MethodGet, devicePath, "DevicePage", a.devicePage)
	add(http.MethodPost, devicePath, "DecideDevice", a.posted(a.decideDevice))
	add(http.MethodGet, stylePath, "PageStyle", func(c *call) error {
		writeFile(c, file{"text/css; charset=utf-8", pages.Style})
		return nil
	})
}

// sheet answers with a page.
func (a *API) sheet(c *call, status int, p sheet) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fault.Wrap(err, fault.Internal, "write a page")
	}
	h := c.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "same-origin") // the address of a page holds the link's secret
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.answer(status, []string{"text/html; charset=utf-8"}, b.Bytes())
	return nil
}

// trouble answers with a page that says what went wrong; what went wrong inside only goes to the log.
func (a *API) trouble(c *call, p sheet, err error) error {
	f := fault.From(err)
	if f.Code == fault.Internal {
		return err
	}
	if f.Code == fault.Throttled {
		c.Header().Set("Retry-After", "60")
	}
	p.Trouble = f.Public()
	return a.sheet(c, f.Code.HTTPStatus(), p)
}

// look shows what a link is for, with the button that follows it.
func (a *API) look(purposes ...string) func(*call) error {
	return func(c *call) error {
		q := c.r.URL.Query()
		user, token := q.Get("user"), q.Get("token")
		if user == "" && token == "" && c.r.URL.Path == account.ResetPath {
			return a.sheet(c, http.StatusOK, askForm())
		}
		link, err := a.Sessions.Link(model.ID(user), token, address(c.r), purposes...)
		if err != nil {
			return a.trouble(c, sheet{Title: "This link does not work"}, err)
		}
		p := sheet{Form: &form{Action: c.r.URL.Path, Hidden: []entry{{Name: "user", Value: user}, {Name: "token", Value: token}}}}
		switch link.Purpose {
		case model.ProofAccount:
			p.Title = "Confirm your account"
			p.Text = []string{"The account " + link.Name + " with the address " + link.Address + " is yours."}
			p.Form.Buttons = []entry{{Value: "confirm", Label: "Confirm"}}
		case model.ProofAddress:
			p.Title = "Confirm your new address"
			p.Text = []string{link.Address + " becomes the address of the account " + link.Name + "."}
			p.Form.Buttons = []entry{{Value: "confirm", Label: "Confirm"}}
		case model.ProofPassword:
			p.Title = "Draw a new password"
			p.Text = []string{"A new password for the account " + link.Name + " is drawn and shown, this once. The one before stops working, and all logins end."}
			p.Form.Buttons = []entry{{Value: "draw", Label: "Draw a new password"}}
		}
		return a.sheet(c, http.StatusOK, p)
	}
}

var crossOrigin = http.NewCrossOriginProtection()

// posted serves a form that was sent from a page of this server, or by a program.
func (a *API) posted(f func(c *call, sent url.Values) error) func(*call) error {
	return func(c *call) error {
		if err := crossOrigin.Check(c.r); err != nil {
			return a.trouble(c, sheet{Title: "This did not work"}, fault.New(fault.Denied, "the form was sent from another site"))
		}
		sent := c.r.URL.Query()
		if c.r.ContentLength != 0 {
			raw, err := body(c)
			if err != nil {
				return a.trouble(c, sheet{Title: "This did not work"}, err)
			}
			form, err := url.ParseQuery(string(raw))
			if err != nil {
				return a.trouble(c, sheet{Title: "This did not work"}, fault.New(fault.Malformed, "the form cannot be read"))
			}
			for name, values := range form {
				sent[name] = values
			}
		}
		return f(c, sent)
	}
}

func (a *API) confirm(c *call, sent url.Values) error {
	link, err := a.Sessions.Follow(c.r.Context(), model.ID(sent.Get("user")), sent.Get("token"), address(c.r))
	if err != nil {
		return a.trouble(c, sheet{Title: "This link does not work"}, err)
	}
	if link.Purpose == model.ProofAddress {
		return a.sheet(c, http.StatusOK, sheet{Title: "Your address is confirmed", Text: []string{"Log in with " + link.Address + " from now on."}})
	}
	return a.sheet(c, http.StatusOK, sheet{Title: "Your account is confirmed", Text: []string{
		"You can log in with " + link.Address + " as soon as you have a password. Another letter has the link that draws one; an administrator can have that letter written again."}})
}

// askForm asks for the address of somebody who forgot his password.
func askForm() sheet {
	return sheet{Title: "Forgotten your password?", Text: []string{"A letter brings you a link that draws a new one."},
		Form: &form{Action: account.ResetPath, Inputs: []entry{{Name: "email", Label: "E-mail address", Type: "email", Complete: "username"}},
			Buttons: []entry{{Value: "ask", Label: "Send the letter"}}}}
}

func (a *API) reset(c *call, sent url.Values) error {
	if email := sent.Get("email"); email != "" {
		if err := a.Sessions.RequestReset(email, address(c.r)); err != nil {
			return a.trouble(c, askForm(), err)
		}
		return a.sheet(c, http.StatusOK, sheet{Title: "A letter is on its way", Text: []string{"If there is an account with this address, it gets a letter with a link, unless it got some a moment ago."}})
	}
	password, link, err := a.Sessions.DrawPassword(c.r.Context(), model.ID(sent.Get("user")), sent.Get("token"), address(c.r))
	if err != nil {
		return a.trouble(c, sheet{Title: "This link does not work"}, err)
	}
	p := sheet{Title: "Your new password", Text: []string{"This is the new password of " + link.Name + ". It is shown this once: keep it where you keep passwords."}, Secret: password}
	if !link.Confirmed {
		p.Text = append(p.Text, "Your account is not confirmed yet. Follow the link in the letter that welcomed you before you log in.")
	}
	return a.sheet(c, http.StatusOK, p)
}
