package kahuna

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/roles/kahuna/acme"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/pair"
)

// listener is a socket with the server that answers on it.
type listener struct {
	net.Listener
	server *http.Server
}

// listen opens the sockets: the public one first, then the one that sends to it, the local one and the one
// for metrics.
func (s *Server) listen() ([]listener, error) {
	var out []listener
	fail := func(err error, what string) ([]listener, error) {
		for _, l := range out {
			_ = l.Close()
		}
		s.tls.close()
		return nil, fault.Wrap(err, fault.Unavailable, what)
	}
	public, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fail(err, "listen on "+s.cfg.Listen)
	}
	server := s.serving(s.handler(false))
	out = append(out, listener{public, server})
	if !s.cfg.PlainHTTP {
		// HTTP/2 has no place for the upgrade that agents ask for.
		protocols := []string{"http/1.1"}
		if s.cfg.ACME.Name != "" {
			plain, err := s.listenHTTP()
			if err != nil {
				return fail(err, "listen on "+s.cfg.HTTPListen+" (http-listen)")
			}
			if s.tls.acme, err = s.authority(plain, public); err != nil {
				return fail(err, "prepare the certificate of "+s.cfg.ACME.Name)
			}
			protocols = append(protocols, acme.Protocol)
			if plain != nil {
				s.plain = plain.Addr()
				out = append(out, listener{plain, s.serving(s.tls.acme.Handler(s.cfg.publicURL()))})
			}
		}
		out[0].Listener = tls.NewListener(public, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.tls.get, NextProtos: protocols})
	} else if !loopback(s.cfg.Listen) {
		s.log.Warn("serving without TLS on an address that others can reach; put a proxy with TLS before it", "listen", s.cfg.Listen)
	}
	local, err := s.listenLocal()
	if err != nil {
		return fail(err, "listen on "+s.cfg.socket())
	}
	out = append(out, local)
	if s.cfg.MetricsListen != "" {
		l, err := net.Listen("tcp", s.cfg.MetricsListen)
		if err != nil {
			return fail(err, "listen on "+s.cfg.MetricsListen)
		}
		out = append(out, listener{l, s.serving(s.health(true))})
	}
	return out, nil
}

// listenLocal opens the socket of local commands. Only its owner and root can connect; the kernel tells
// who does.
func (s *Server) listenLocal() (listener, error) {
	path := s.cfg.socket()
	// The store is ours, so a socket that is still there is a dead server's.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return listener{}, err
	}
	// A socket's path has at most 107 bytes (unix(7)); a directory deeper than that is entered by its file descriptor.
	bind := path
	if len(path) > 100 {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return listener{}, err
		}
		defer dir.Close()
		bind = filepath.Join("/proc/self/fd", itoa(int(dir.Fd())), filepath.Base(path))
	}
	l, err := net.Listen("unix", bind)
	if err != nil {
		return listener{}, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return listener{}, errors.Join(err, l.Close())
	}
	server := s.serving(s.handler(true))
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if owner(c) {
			return context.WithValue(ctx, localKey{}, true)
		}
		return ctx
	}
	return listener{l, server}, nil
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// owner tells whether root or the user this server runs as is at the other end (SO_PEERCRED, unix(7)).
func owner(c net.Conn) bool {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	allowed := false
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		allowed = err == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
	})
	return allowed
}

// handler routes a listener's requests. Local callers reach the administration of the store besides.
func (s *Server) handler(local bool) http.Handler {
	mux := http.NewServeMux()
	rest := s.onlyReads(http.HandlerFunc(s.answer))
	mux.Handle("/", rest)
	s.routeKoala(mux)
	mux.Handle(agentproto.Path, s.onlyReads(s.fleet))
	mux.Handle(metadata.Path, s.metadata)
	if s.pair != nil {
		mux.Handle(pair.Path, s.pair.transport)
	}
	health := s.health(local)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		mux.Handle(path, health)
	}
	if local {
		s.routeAdmin(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") { // most requests by far, and routed once more there
			if r.Header["Origin"] != nil && s.fromPage(w, r) {
				return
			}
			rest.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serving is a server with the limits of the API. Whatever its role is by then, it is told to end its
// event streams when it stops.
func (s *Server) serving(h http.Handler) *http.Server {
	server := s.role.Load().api.Server(h)
	server.RegisterOnShutdown(func() { s.role.Load().api.Close() })
	return server
}

// answer answers a request for the API and the pages: this Kahuna by itself if it acts, else through the
// one that does.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	role := s.role.Load()
	if r.URL.Path == api.PairPath { // each node tells by itself how it stands
		s.own(w, r)
		return
	}
	if s.drill || role.commands.Load() && s.pair.driver.Alone() {
		role.api.ServeHTTP(w, r)
		return
	}
	if r.Header[relayed] != nil {
		r = s.callerOf(r)
	}
	if !s.acts() || s.store.Drained() != nil {
		s.relay(w, r)
		return
	}
	s.list(w)
	role.api.ServeHTTP(&answering{ResponseWriter: w, s: s, r: r}, r)
}

// own answers what each Kahuna tells by itself. Whoever asks is judged by what this one was told is
// published.
func (s *Server) own(w http.ResponseWriter, r *http.Request) {
	if s.pair != nil {
		s.list(w)
	}
	s.role.Load().api.ServeHTTP(w, r)
}

// onlyReads refuses, in a restored copy that was not promoted, everything that could change something,
// agents included.
func (s *Server) onlyReads(next http.Handler) http.Handler {
	if !s.drill {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path != agentproto.Path {
			next.ServeHTTP(w, r)
			return
		}
		unavailable(w, r, "this is a restored copy that only shows; restore with --promote once the original is off for good")
	})
}

// unavailable refuses a request of either API in its own form.
func unavailable(w http.ResponseWriter, r *http.Request, why string) {
	kind, body := "application/json", `{"status":503,"error":"Service Unavailable","reason":"`+why+`"}`
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		kind, body = "application/problem+json", `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"`+why+`","code":"unavailable"}`
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(body))
}
