package world

import (
	"fmt"
	"slices"
	"strings"

	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// condition reads what can be waited for or expected; "not" before it turns it round.
func (s *script) condition(args []string) (func() bool, error) {
	if len(args) > 0 && args[0] == "not" {
		holds, err := s.condition(args[1:])
		return func() bool { return !holds() }, err
	}
	if len(args) == 1 && args[0] == "together" {
		return s.w.together, nil
	}
	if len(args) == 2 && args[0] == "nobody" && args[1] == "serves" {
		return func() bool { return s.w.primary() == nil }, nil
	}
	if len(args) == 2 && args[1] == "done" {
		return func() bool { a := s.client.results[args[0]]; return a != nil && a.reply != nil && !a.reply.refused }, nil
	}
	if len(args) == 2 && args[1] == "refused" {
		return func() bool { a := s.client.results[args[0]]; return a != nil && a.reply != nil && a.reply.refused }, nil
	}
	if len(args) == 1 && args[0] == "idle" {
		return s.w.workDone, nil
	}
	if len(args) == 3 && args[1] == "reads" {
		return func() bool {
			a := s.client.results[args[0]]
			return a != nil && a.reply != nil && a.reply.value == args[2]
		}, nil
	}
	if len(args) == 3 && args[1] == "holds" {
		if g := s.w.agent(args[0]); g != nil {
			return func() bool { return slices.Contains(g.work.live, args[2]) }, nil
		}
		if n := s.w.node(args[0]); n != nil {
			return func() bool { return n.log.head.requests[args[2]] > 0 }, nil
		}
	}
	if len(args) == 3 && args[0] == "address" && args[2] == "free" {
		return func() bool {
			p := s.w.primary()
			return p != nil && len(p.shown.objects[model.ID("addr/"+args[1])]) == 0
		}, nil
	}
	if len(args) < 2 {
		return nil, fmt.Errorf("no condition %q", strings.Join(args, " "))
	}
	n := s.w.node(args[0])
	if n == nil {
		return nil, fmt.Errorf("there is no node %q", args[0])
	}
	status := func() lease.Status { return n.replica.Status(n.host.clock()) }
	switch what := strings.Join(args[1:], " "); what {
	case "serves":
		return func() bool { return n.serving && n.acts() }, nil
	case "is sole":
		return func() bool { return n.serving && n.acts() && status().Sole }, nil
	case "grows": // the record with the other log is sent
		return func() bool {
			s := status()
			return n.up && len(s.Pending) > 0 && len(s.Pending[len(s.Pending)-1].Sync) > 1
		}, nil
	case "shrinks": // the record without it is
		return func() bool {
			s := status()
			return n.up && len(s.Pending) > 0 && len(s.Pending[len(s.Pending)-1].Sync) == 1
		}, nil
	case "is settled":
		return func() bool { return n.up && len(status().Pending) == 0 }, nil
	case "is in an epoch below 100":
		return func() bool { return status().Epoch.Counter < 100 }, nil
	case "drew another log id":
		return func() bool { return n.logs > 1 }, nil
	case "is in sync":
		return func() bool {
			p := s.w.primary()
			return p != nil && p.replica.Status(p.host.clock()).Record.InSync(n.durable.Log)
		}, nil
	case "has all":
		return func() bool {
			p := s.w.primary()
			return p != nil && n.log.End() == p.log.End() && n.published == p.published
		}, nil
	}
	return nil, fmt.Errorf("no condition %q of a node", strings.Join(args[1:], " "))
}
