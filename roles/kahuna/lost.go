package kahuna

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store/durable"
)

// lossMark is a file that is there from before a promotion that may lose records until the store says so:
// a crash in between does not make Kahuna forget it.
func (c *Config) lossMark() string { return filepath.Join(c.data(), "may-be-lost") }

// markLoss notes, before a promotion, that records may be lost by it.
func (c *Config) markLoss(why string) error {
	return fault.Wrap(durable.Write(c.lossMark(), []byte(why+"\n"), 0o600), fault.Unavailable, "note that records may be lost")
}

// unmarkLoss forgets it, because the promotion did not take place or the store says so.
func (c *Config) unmarkLoss() error {
	if err := os.Remove(c.lossMark()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unavailable, "forget that records may be lost")
	}
	return durable.SyncDir(c.data())
}

// admitLoss puts into the store that records may be lost, so that nothing is allocated before the agents
// reported what they hold.
func (s *Server) admitLoss(ctx context.Context) error {
	why, err := os.ReadFile(s.cfg.lossMark())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "see whether records may be lost")
	}
	var seed [32]byte
	rand.Read(seed[:])
	if err := operate.Lose(ctx, s.store, model.NewDraw(seed, time.Now()), strings.TrimSpace(string(why))); err != nil {
		return err
	}
	s.log.Warn("records may be lost; nothing is allocated until every agent reported what it holds, or was waived: kowabunga agent waive", "why", strings.TrimSpace(string(why)))
	return s.cfg.unmarkLoss()
}
