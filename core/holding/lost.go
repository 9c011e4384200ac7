package holding

import (
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// lostName is the setting that is there while records may be lost, and not all agents reported since.
const lostName = "records-lost"

// Lost tells whether records may be lost, by a promotion, and not all agents reported since.
func Lost(v model.View) bool {
	_, ok := model.One[*model.Setting](v, "name", lostName)
	return ok
}

// Lose notes that records may be lost. What was waived before was about something else.
func Lose(d model.Draft, draw *model.Draw, why string) error {
	if err := unwaive(d); err != nil || Lost(d) {
		return err
	}
	s := &model.Setting{Meta: model.Meta{ID: draw.ID(), Name: lostName, Description: why}}
	return d.Put(s)
}

// Regain notes that all agents reported, or were waived.
func Regain(d model.Draft) error {
	s, ok := model.One[*model.Setting](d, "name", lostName)
	if !ok {
		return nil
	}
	if err := d.Delete(model.KindSetting, s.ID); err != nil {
		return err
	}
	return unwaive(d)
}

func unwaive(d model.Draft) error {
	var waived []*model.Agent
	for a := range model.All[*model.Agent](d) {
		if a.Waived != "" {
			waived = append(waived, a)
		}
	}
	for _, a := range waived {
		a = model.Edit(a)
		a.Waived = ""
		if err := d.Put(a); err != nil {
			return err
		}
	}
	return nil
}

// Admit records the identity of an agent's state directory and that it is there. One before it stays on
// record until somebody says that its host is gone, unless it was fenced, or the agent keeps nothing over a
// reboot: then that ended what it held.
func Admit(d model.Draft, agent model.ID, identity string, durable bool) (before string, err error) {
	a, ok := model.Find[*model.Agent](d, agent)
	if !ok {
		return "", fault.New(fault.NotFound, "there is no agent %s", agent)
	}
	if a.Identity == identity && a.Fenced == "" {
		return a.Identity, nil
	}
	before = a.Identity
	a = model.Edit(a)
	former := []string{}
	for _, one := range a.Former {
		if one != identity {
			former = append(former, one)
		}
	}
	if before != "" && before != identity && a.Fenced == "" && durable {
		former = append(former, before)
	}
	a.Identity, a.Fenced, a.Former = identity, "", former
	if len(former) == 0 {
		a.Former = nil
	}
	return before, d.Put(a)
}

// Fences lists the state directories that a person said are off, with the proof.
func Fences(v model.View, holds []lease.Hold) map[lease.Witness]string {
	out := map[lease.Witness]string{}
	for _, h := range holds {
		if a, ok := model.Find[*model.Agent](v, model.ID(h.Agent.Agent)); ok && a.Fenced != "" && a.Identity == h.Agent.Identity {
			out[h.Agent] = a.Fenced
		}
	}
	return out
}
