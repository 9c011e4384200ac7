package hosts

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/fleet"
)

// Screen makes a ticket for an instance's screen, as a URI (RFC 7869 section 2). Faults: Unavailable when
// its host cannot be asked or is of a release without screens; Conflict when the machine is off.
func (k *Keeper) Screen(ctx context.Context, instance model.ID) (string, error) {
	host, err := k.hostOf(instance)
	if err != nil {
		return "", err
	}
	var t agentproto.MachineTicket
	err = k.fleet.Call(ctx, texts(host.Agents), agentproto.MethodMachineConnect, fleet.CallOptions{Timeout: 30 * time.Second, WaitReturn: 5 * time.Second},
		agentproto.MachineRef{Machine: string(instance)}, &t)
	if fault.Is(err, fault.NotFound) {
		// Of the agent, which knows no such machine or, by a race with its replacement, no such method.
		return "", &fault.Error{Code: fault.Unavailable, Op: "ask the host of instance " + string(instance), Message: "its host cannot show the machine's screen", Err: err}
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "ask the host of instance "+string(instance))
	}
	return ticketURL(t)
}

// ticketURL writes a ticket as the URL that clients take.
func ticketURL(t agentproto.MachineTicket) (string, error) {
	if t.Protocol != "vnc" || net.ParseIP(t.Host) == nil || t.Port < 1 || t.Port > 65535 || t.Password == "" {
		return "", fault.New(fault.Unavailable, "the host answered with a ticket that this release does not understand")
	}
	u := url.URL{Scheme: t.Protocol, Host: net.JoinHostPort(t.Host, strconv.Itoa(t.Port)), RawQuery: url.Values{"VncPassword": {t.Password}}.Encode()}
	return u.String(), nil
}

// hostOf is the host an instance is on.
func (k *Keeper) hostOf(instance model.ID) (*model.Kaktus, error) {
	v := k.store.View()
	o, ok := model.Find[*model.Instance](v, instance)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no instance %s", instance)
	}
	host, ok := model.Find[*model.Kaktus](v, o.Kaktus)
	if !ok {
		return nil, fault.New(fault.Internal, "kaktus %s is gone", o.Kaktus)
	}
	return host, nil
}
