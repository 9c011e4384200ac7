package kahuna

import (
	"net/http"

	"kowabunga/roles/kahuna/koala"
)

// routeKoala has this Kahuna serve the web interface by itself, whichever acts and in a restored copy too: nothing
// of the cloud is in it.
func (s *Server) routeKoala(mux *http.ServeMux) {
	for _, path := range koala.Paths {
		mux.Handle(path, s.koala)
	}
}

// pageNodes tells which Kahunas a page may go on with when the one dies that it came from. A browser lets it ask
// them only where they answer pages from there, see fromPage.
func (s *Server) pageNodes(r *http.Request) (p koala.Pair) {
	if !s.ours("https://"+r.Host) && !s.ours("http://"+r.Host) { // a proxy may do TLS
		return p
	}
	if record := s.pair.driver.Status().Record; len(record.Nodes) > 1 {
		for _, n := range record.Nodes {
			p.Nodes = append(p.Nodes, n.Address)
		}
	}
	return p
}
