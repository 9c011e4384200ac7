package kahuna

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"sync"

	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/backups"
)

// backupTargets are the chains of this process, by the target they go to.
type backupTargets struct {
	scheduled *backups.Backups // to the configured target; none without one
	mu        sync.Mutex
	asked     []*backups.Backups // to targets that commands named
}

// Run makes backups as scheduled.
func (b *backupTargets) Run(ctx context.Context) error {
	if b.scheduled == nil {
		return nil
	}
	return b.scheduled.Run(ctx)
}

// scheduleBackups prepares backups to the configured target.
func (s *Server) scheduleBackups() error {
	if err := os.RemoveAll(s.cfg.scratch()); err != nil { // what a crash left
		return fault.Wrap(err, fault.Unavailable, "clear the scratch folder")
	}
	if s.cfg.Backup.Target == "" || s.drill {
		return nil
	}
	key, err := readKey(s.cfg.sealingKey())
	if err != nil {
		return err
	}
	place, err := s.cfg.Backup.place()
	if err != nil {
		return err
	}
	c, err := s.cfg.backups(place, s.cfg.Backup.Recipients)
	if err != nil {
		return err
	}
	c.Store, c.Key, c.Log = s.store, key, s.log.With("part", "backup")
	if s.backups.scheduled, err = backups.New(c); err != nil {
		return err
	}
	s.backups.scheduled.Register(s.registry)
	return nil
}

// backups is how backups go to a place. What is kept there is configured for the scheduled ones; elsewhere
// everything stays.
func (c *Config) backups(p backups.Place, recipients []string) (backups.Config, error) {
	out := backups.Config{Tables: tables(), Place: p, Recipients: recipients, Every: c.Backup.Every, FullEvery: c.Backup.FullEvery, Scratch: c.scratch()}
	scheduled, err := c.Backup.place()
	if err == nil && p == scheduled {
		out.Keep, err = backups.ParseKeep(c.Backup.Keep)
	}
	return out, err
}

// takeRequest asks the running server for a backup.
type takeRequest struct {
	Place      backups.Place
	Recipients []string
	Full       bool
}

func (s *Server) takeBackup(w http.ResponseWriter, r *http.Request) {
	var ask takeRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&ask); err != nil {
		adminFail(w, fault.Wrap(err, fault.Malformed, "read what backup to make"))
		return
	}
	b, err := s.backupsTo(ask)
	if err != nil {
		adminFail(w, err)
		return
	}
	result, err := b.Take(r.Context(), ask.Full)
	if err != nil {
		adminFail(w, err)
		return
	}
	adminAnswer(w, result)
}

// backupsTo finds the chains to a target, so that a second command continues what a first one began.
func (s *Server) backupsTo(ask takeRequest) (*backups.Backups, error) {
	if s.drill {
		return nil, fault.New(fault.Conflict, "this is a restored copy that was not promoted; it makes no backups of its own")
	}
	same := func(b *backups.Backups) bool {
		return b != nil && b.Place == ask.Place && reflect.DeepEqual(b.Recipients, ask.Recipients)
	}
	if same(s.backups.scheduled) {
		return s.backups.scheduled, nil
	}
	s.backups.mu.Lock()
	defer s.backups.mu.Unlock()
	for _, b := range s.backups.asked {
		if same(b) {
			return b, nil
		}
	}
	key, err := readKey(s.cfg.sealingKey())
	if err != nil {
		return nil, err
	}
	c, err := s.cfg.backups(ask.Place, ask.Recipients)
	if err != nil {
		return nil, err
	}
	c.Store, c.Key, c.Log = s.store, key, s.log.With("part", "backup")
	b, err := backups.New(c)
	if err != nil {
		return nil, err
	}
	s.backups.asked = append(s.backups.asked, b)
	return b, nil
}
