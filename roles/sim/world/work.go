package world

import "kowabunga/core/lease"

// work is what an agent holds and does for operations.
type work struct {
	a *agent
}

func (k *work) blank()                   {}
func (k *work) start()                   {}
func (k *work) stop()                    {}
func (k *work) hear(place, any)          {}
func (k *work) announced(lease.Announce) {}

// operations is what the world knows of operations.
type operations struct{}

func (n *node) serve(*lease.Record) {}
func (n *node) hear(place, any)     {}
