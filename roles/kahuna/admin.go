package kahuna

import (
	"encoding/json"
	"net/http"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/nodes"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/backups"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/hosts"
	"kowabunga/store"
)

// Status is what `kahuna status` shows.
type Status struct {
	Version    string          `json:"version"`
	URL        string          `json:"url"`
	Since      time.Time       `json:"since"`
	Ready      bool            `json:"ready"`
	Store      store.Status    `json:"store"`
	Agents     []AgentStatus   `json:"agents"`
	Drift      []hosts.Drift   `json:"drift"`
	Operations map[string]int  `json:"operations"` // by state
	Fleet      fleet.Counters  `json:"fleet"`
	Backup     *backups.Status `json:"backup,omitempty"` // where backup.target is set
	Pair       *nodes.Status   `json:"pair,omitempty"`   // not in a restored copy
}

// AgentStatus is one agent in a Status.
type AgentStatus struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Online   bool      `json:"online"`
	LastSeen time.Time `json:"lastSeen,omitzero"`
	Release  string    `json:"release,omitempty"`
	Session  string    `json:"session,omitempty"` // id of its connection with this Kahuna, while there is one
}

// routeAdmin adds what only local commands may do: look at and copy the store.
func (s *Server) routeAdmin(mux *http.ServeMux) {
	local := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Context().Value(localKey{}) == nil {
				adminFail(w, fault.New(fault.Denied, "only root and the server's own user may do this"))
				return
			}
			h(w, r)
		}
	}
	mux.HandleFunc("GET /admin/status", local(func(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.status()) }))
	mux.HandleFunc("GET /admin/check", local(func(w http.ResponseWriter, r *http.Request) {
		report, err := s.store.Check(r.Context())
		if err != nil {
			adminFail(w, err)
			return
		}
		adminAnswer(w, report)
	}))
	s.routePair(mux, local)
	mux.HandleFunc("POST /admin/backup", local(s.backup))
	mux.HandleFunc("POST /admin/backup/take", local(s.takeBackup))
	mux.HandleFunc("POST /admin/rotate-signing-key", local(func(w http.ResponseWriter, r *http.Request) {
		if err := s.role.Load().accounts.RotateSigningKey(r.Context(), access.Identity{Name: "local root", Role: "superAdmin"}); err != nil {
			adminFail(w, err)
			return
		}
		adminAnswer(w, struct{}{})
	}))
}

// backup streams a backup. What goes wrong after the first byte ends the connection early, which the
// receiver notices: a backup has an end of its own.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	var o store.BackupOptions
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&o); err != nil {
		adminFail(w, fault.Wrap(err, fault.Malformed, "read the options of the backup"))
		return
	}
	counted := &counter{w: w}
	if _, err := s.store.Backup(r.Context(), counted, o); err != nil {
		if counted.n == 0 {
			adminFail(w, err)
			return
		}
		s.log.Warn("backup broken off", "error", err)
		panic(http.ErrAbortHandler)
	}
}

type counter struct {
	w http.ResponseWriter
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}

func (s *Server) status() Status {
	v := s.store.View()
	out := Status{Version: config.Program().Version, URL: s.cfg.publicURL(), Since: s.started, Ready: s.ready.Load(), Store: s.store.Status(),
		Agents: []AgentStatus{}, Drift: s.role.Load().keeper.Drifts(), Operations: map[string]int{}, Fleet: s.fleet.Counters()}
	live := s.fleet.Live()
	for o := range v.All("agent") {
		a := AgentStatus{ID: string(o.Base().ID), Name: o.Base().Name}
		if m, ok := live.Get(a.ID); ok {
			a.Online, a.LastSeen, a.Release = live.Up(a.ID), m.LastSeen(), m.Hello.Release
			if m.Connected {
				a.Session = m.Hello.Session
			}
		}
		out.Agents = append(out.Agents, a)
	}
	if s.pair != nil {
		out.Pair = s.pairStatus()
	}
	if s.backups.scheduled != nil {
		st := s.backups.scheduled.Status()
		out.Backup = &st
	}
	for _, op := range operations(v) {
		out.Operations[string(op.State)]++
	}
	return out
}

func adminAnswer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func adminFail(w http.ResponseWriter, err error) {
	f := fault.From(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Code.HTTPStatus())
	_ = json.NewEncoder(w).Encode(fault.Error{Code: f.Code, Op: f.Op, Message: f.Public(), Field: f.Field})
}
