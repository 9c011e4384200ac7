package cli

import (
	"encoding/json"
	"fmt"

	"kowabunga/core/fault"
	"kowabunga/core/operation"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/term"
)

// begun tells of an operation that is not followed.
func (c *call) begun(o *client.Operation) error {
	if c.data() {
		return c.print(o.Raw)
	}
	err := c.say("operation %s: %s", o.ID, o.Name)
	fmt.Fprintf(c.t.Err, "next step: kowabunga operations get %s --wait\n", o.ID)
	return err
}

// follow reports the steps of an operation until it is final. It fails as the operation does.
func (c *call) follow(o *client.Operation) error {
	p := c.t.Progress()
	r := &report{progress: p, steps: map[int]*shown{}}
	last, err := c.api.Follow(c.ctx, o.ID, r.look)
	if err == nil {
		err = last.Failure()
		r.end(err)
	}
	p.Close()
	if last == nil && c.ctx.Err() != nil {
		fmt.Fprintf(c.t.Err, "kowabunga: operation %s goes on\nnext step: kowabunga operations get %s --wait\nnext step: kowabunga operations cancel %s\n", o.ID, o.ID, o.ID)
	}
	if err != nil && last != nil && last.State != operation.Cancelled {
		return term.Hint(err, "kowabunga operations get "+o.ID)
	}
	return err
}

// report shows the steps of one operation as they pass.
type report struct {
	progress *term.Progress
	steps    map[int]*shown
}

// shown is a step on the screen; undo tells which way it goes.
type shown struct {
	step *term.Step
	undo bool
}

// look brings the screen to the state of the operation.
func (r *report) look(o *client.Operation) {
	for i, s := range o.Steps {
		undo := s.State == string(operation.Undoing) || s.State == string(operation.Undid)
		if s.State == "pending" {
			continue
		}
		on := r.steps[i]
		if on == nil || on.undo != undo {
			if on != nil {
				on.step.Skip("stopped")
			}
			name := s.Name
			if undo {
				name = "take back: " + name
			}
			on = &shown{r.progress.Step(name), undo}
			r.steps[i] = on
		}
		switch operation.StepState(s.State) {
		case operation.Started, operation.Undoing:
			tell(on.step, s, o.Progress)
		case operation.Did:
			on.step.Done("done")
		case operation.Undid:
			on.step.Done("taken back")
		}
	}
}

// tell says how far the running step is.
func tell(step *term.Step, s client.Step, p *client.Progress) {
	note := ""
	if p != nil {
		note = p.Note
		switch {
		case p.Unit == "bytes":
			step.Update(p.Done, p.Total)
		case p.Total > 0:
			note = fmt.Sprintf("%d %%  %s", 100*p.Done/p.Total, note)
		}
	}
	if s.Attempt > 1 {
		note = fmt.Sprintf("attempt %d  %s", s.Attempt, note)
	}
	step.Say("%s", note)
}

// end marks the steps that an operation which did not succeed left open.
func (r *report) end(err error) {
	for _, on := range r.steps {
		if err != nil {
			_ = on.step.Fail(err)
		} else {
			on.step.Done("done")
		}
	}
}

// decodeOperation reads an operation out of a list.
func decodeOperation(raw json.RawMessage) (*client.Operation, error) {
	o := &client.Operation{Raw: raw}
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read an operation")
	}
	return o, nil
}
