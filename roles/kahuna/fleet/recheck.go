package fleet

import "kowabunga/roles/agent/link"

// Recheck ends the sessions of agents whose key is not any more the one that they proved, or has another
// end, handshakes under way included; call it after keys changed. Times are not asked, because clocks go
// backwards: an agent that was quick enough to connect with its new key connects once more. When it returns all
// of them are offline and nothing they send is acted upon; it waits for nothing that is still done for one of them,
// so that none delays the revocation of the next.
func (f *Fleet) Recheck() {
	proved := map[string][]link.Credential{}
	f.mu.Lock()
	for id, m := range f.members {
		if m.session != nil {
			proved[id] = append(proved[id], m.session.proved)
		}
		for s := range m.arriving {
			proved[id] = append(proved[id], s.proved)
		}
	}
	f.mu.Unlock()
	for id, all := range proved {
		now, ok := f.cfg.Credentials.Lookup(id)
		for _, c := range all {
			if !ok || !now.Same(c) || !now.Expires.Equal(c.Expires) {
				f.log.Info("disconnecting agent: its key was revoked", "agent", id)
				f.cutOff(id)
				break
			}
		}
	}
}
