package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
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
	jwt, err := a.Sessions.Login(c.r.Context(), *sent.Email, *sent.Password, from)
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
		id := model.ID(c.r.PathValue(op.Target()))
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
	if err := a.Sessions.SetPassword(c.r.Context(), c.who, user, *sent.Value); err != nil {
		return err
	}
	c.json(http.StatusOK, nil)
	return nil
}

// mailTime bounds the sending of one letter.
const mailTime = 30 * time.Second

// issueV1 makes a key for an agent or a user. API v1 has no place for the key in its answer: the owner
// gets a letter.
func (a *API) issueV1(op *catalogue.Op) func(*call) error {
	tokens := catalogue.Of(model.KindToken)
	return func(c *call) error {
		answer, r, err := a.doV1(c, op)
		if err != nil {
			return err
		}
		v := answer.View
		if v == nil {
			v = a.Views.View()
		}
		// Tokens are found by the unique index that is named like the kind of their owners.
		owner, known := v.Get(op.Kind, r.Path[op.Target()])
		t, made := v.One(model.KindToken, string(op.Kind), string(r.Path[op.Target()]))
		if !known || !made {
			return fault.New(fault.Conflict, "the %s was deleted meanwhile", op.Kind)
		}
		if a.Letters != nil && answer.Key != "" {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), mailTime)
			defer cancel()
			if err := a.Letters.Issued(ctx, owner, t.(*model.Token), answer.Key); err != nil {
				return err
			}
		}
		if op.Response == "" {
			c.json(op.Status, nil)
			return nil
		}
		a.object(c, tokens, v, t, op.Status)
		return nil
	}
}

// welcome writes to a new user. His account stands whether or not the letter goes out.
func (a *API) welcome(c *call, op *catalogue.Op, o model.Object) {
	u, isUser := o.(*model.User)
	if !isUser || op.Verb != catalogue.Create || a.Letters == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), mailTime)
	defer cancel()
	if err := a.Letters.Welcome(ctx, u); err != nil {
		a.Log.Warn("a new user could not be written to", slog.String("request", c.id), slog.String("user", string(u.ID)), slog.Any("error", err))
	}
}
