package fleet

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// maxMail bounds what waits for the callbacks of one agent. Beyond it the oldest is dropped and
// counted; inventories are compared when an agent connects, so a lost event delays and loses nothing.
const maxMail = 4096

const presenceKey = "presence"

// mailbox runs the callbacks of one agent in order. A letter replaces a waiting one with its key. An
// empty mailbox has no goroutine.
type mailbox struct {
	mu      sync.Mutex
	order   []string
	letters map[string]func()
	running bool
}

// post queues a callback of an agent.
func (f *Fleet) post(m *member, key string, run func()) {
	b := &m.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, waiting := b.letters[key]; waiting {
		b.letters[key] = run
		return
	}
	if b.letters == nil {
		b.letters = map[string]func(){}
	}
	if len(b.order) >= maxMail {
		delete(b.letters, b.order[0])
		b.order = b.order[1:]
		f.counters.mailDropped.Add(1)
	}
	b.letters[key] = run
	b.order = append(b.order, key)
	if !b.running {
		b.running = true
		f.tasks.Add(1)
		go f.deliver(m)
	}
}

func (f *Fleet) deliver(m *member) {
	defer f.tasks.Done()
	b := &m.mail
	for {
		b.mu.Lock()
		if len(b.order) == 0 {
			b.order, b.letters, b.running = nil, nil, false
			b.mu.Unlock()
			return
		}
		key := b.order[0]
		b.order = b.order[1:]
		run := b.letters[key]
		delete(b.letters, key)
		b.mu.Unlock()
		f.guard(m, run)
	}
}

// guard runs a callback; its panic is a line in the log, not the end of Kahuna.
func (f *Fleet) guard(m *member, run func()) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("a callback panicked", "agent", m.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	run()
}
