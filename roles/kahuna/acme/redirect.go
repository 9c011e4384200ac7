package acme

import (
	"net"
	"net/http"
	"strings"
)

// Handler answers plain HTTP: the challenges of the authority, the way to the same place at url for
// everything else that asks for our name, 421 for other names.
func (a *Authority) Handler(url string) http.Handler {
	return a.onlyName(a.issuer.HTTPChallengeHandler(redirect(url)))
}

// onlyName refuses other names (RFC 9110 section 15.5.20).
func (a *Authority) onlyName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !strings.EqualFold(strings.TrimSuffix(host, "."), a.cfg.Name) {
			http.Error(w, "this server is "+a.cfg.Name+" and nothing else", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// redirect sends callers to the same path below url, with the same method and body (308).
func redirect(url string) http.Handler {
	url = strings.TrimSuffix(url, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			http.Error(w, "there is no such challenge", http.StatusNotFound)
			return
		}
		to := r.URL.RequestURI()
		if !strings.HasPrefix(to, "/") {
			to = "/" // the asterisk of OPTIONS
		}
		w.Header().Set("Location", url+to)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}
