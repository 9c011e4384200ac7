package api

import (
	"encoding/json"
	"net/http"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// login begins a session. The password is never answered: clients need the key, not its value.
func (a *API) login(c *call) error {
	from := address(c.r)
	if a.Limit != nil {
		if wait, ok := a.Limit.Allow(from); !ok {
			retryAfter(c, wait)
			return fault.New(fault.Throttled, "too many attempts to log in from this address; wait a moment")
		}
	}
	raw, err := body(c)
	if err != nil {
		return err
	}
	var sent struct {
		Email    *string `json:"email"`
		Password *string `json:"password"`
	}
	if err := json.Unmarshal(raw, &sent); err != nil {
		return fault.New(fault.Malformed, "the body is no JSON object with email and password as text")
	}
	switch {
	case sent.Email == nil || *sent.Email == "":
		return fault.Bad("email", "is required")
	case sent.Password == nil || *sent.Password == "":
		return fault.Bad("password", "is required")
	}
	jwt, err := a.Sessions.Login(c.r.Context(), *sent.Email, *sent.Password, from, c.r.UserAgent())
	if err != nil {
		return err
	}
	b := catalogue.AppendString(append(c.buffer[:0], `{"email":`...), *sent.Email)
	b = append(catalogue.AppendString(append(b, `,"password":"","jwt":`...), jwt), '}')
	c.buffer = b
	c.json(http.StatusCreated, b)
	clear(b)
	return nil
}

func (a *API) logout(c *call) error {
	if err := a.Sessions.Logout(c.r.Context(), c.who); err != nil {
		return err
	}
	c.WriteHeader(http.StatusNoContent)
	return nil
}

// setPassword sets a user's password. It is slow on purpose: the hash is.
func (a *API) setPassword(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		id := model.ID(c.path(op.Target()))
		if _, err := a.existing(a.Views.View(), c, model.KindUser, id); err != nil {
			return err
		}
		return a.putPassword(c, id)
	}
}

func (a *API) putPassword(c *call, user model.ID) error {
	raw, err := body(c)
	if err != nil {
		return err
	}
	var sent struct {
		Value *string `json:"value"`
	}
	if json.Unmarshal(raw, &sent) != nil {
		return fault.New(fault.Malformed, "the body is no JSON object with value as text")
	}
	if sent.Value == nil || *sent.Value == "" {
		return fault.Bad("value", "is required")
	}
	if c.native {
		if done, err := a.planPassword(c, user, *sent.Value); done || err != nil {
			return err
		}
	}
	if err := a.Sessions.SetPassword(c.r.Context(), c.who, user, *sent.Value); err != nil {
		return err
	}
	c.json(http.StatusOK, nil)
	return nil
}

// requestReset asks for a letter with a link that draws a new password. Its answer is the same whether
// there is such an account or not.
func (a *API) requestReset(c *call) error {
	raw, err := body(c)
	if err != nil {
		return err
	}
	var sent struct {
		Email *string `json:"email"`
	}
	if json.Unmarshal(raw, &sent) != nil {
		return fault.New(fault.Malformed, "the body is no JSON object with email as text")
	}
	if sent.Email == nil || *sent.Email == "" {
		return fault.Bad("email", "is required")
	}
	if err := a.Sessions.RequestReset(*sent.Email, address(c.r)); err != nil {
		return err
	}
	c.json(http.StatusOK, nil)
	return nil
}

// issueV1 makes a key for an agent or a user. API v1 has no place for the key in its answer: it is in a
// letter to the owner, which was committed with it.
func (a *API) issueV1(op *catalogue.Op) func(*call) error {
	tokens := catalogue.Of(model.KindToken)
	return func(c *call) error {
		answer, _, err := a.doV1(c, op)
		if err != nil {
			return err
		}
		if op.Response == "" {
			c.json(op.Status, nil)
			return nil
		}
		if answer.Object == nil || answer.View == nil {
			return fault.New(fault.Conflict, "the %s was deleted meanwhile", op.Kind)
		}
		a.object(c, tokens, answer.View, answer.Object, op.Status)
		return nil
	}
}

// draw draws a password for the request, which is shown in its answer.
func (a *API) draw(c *call) (err error) {
	c.password, c.hash, err = a.Sessions.NewPassword(c.r.Context())
	return err
}

// createUser makes an account in API v2, with a password where ?password=generated asks for one.
func (r *resource) createUser(op *catalogue.Op) func(*call) error {
	create := r.create([]*catalogue.Op{op})
	return func(c *call) error {
		q, err := values(c.r)
		if err != nil {
			return err
		}
		wanted, err := single(q, "password")
		if err != nil {
			return err
		}
		if wanted != "" && wanted != "generated" {
			return bad("password", "is \"generated\" or absent: passwords are drawn here")
		}
		// Drawing costs a slow hash: who may not create a user is refused without.
		if wanted != "" && c.who.SuperAdmin() {
			if err := r.api.draw(c); err != nil {
				return err
			}
		}
		return create(c)
	}
}

// newPassword gives a user a password and shows it to the caller, a superAdmin or the user himself.
func (r *resource) newPassword(op *catalogue.Op) func(*call) error {
	change := r.change(op)
	return func(c *call) error {
		u, err := r.find(r.api.Views.View(), c, c.path("ref"), nil)
		if err != nil {
			return err
		}
		if c.who.SuperAdmin() || c.who.User == u.Base().ID {
			if err := r.api.draw(c); err != nil {
				return err
			}
		}
		return change(c)
	}
}

// showPassword answers with the password that was drawn for the request: beside the object that was
// made, or beside the id of the user it is for.
func (a *API) showPassword(c *call, k *catalogue.Kind, answer operate.Answer, target model.ID) {
	b, status := c.buffer[:0], http.StatusOK
	if answer.Object != nil && answer.View != nil {
		status = http.StatusCreated
		c.Header().Set("Location", BaseV2+"/"+k.Plural+"/"+string(answer.Object.Base().ID))
		b = k.Append(b, answer.View, answer.Object, catalogue.Reader{Version: catalogue.V2})
		b = b[:len(b)-1]
	} else {
		b = catalogue.AppendString(append(b, `{"id":`...), target)
	}
	b = append(catalogue.AppendString(append(b, `,"password":`...), c.password), '}')
	c.buffer = b
	c.json(status, b)
	clear(b)
}
