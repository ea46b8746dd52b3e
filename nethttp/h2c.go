package nethttp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/stiggate/gate/internal/option"
)

// DropH2C returns next for requests that ask for no upgrade to HTTP/2 in clear text: the
// "Upgrade: h2c" of those that do is taken away, and they go on as they are. It belongs in
// front of a gate with a proxy behind it. A proxy that hands on such an upgrade, as
// httputil.ReverseProxy does, opens a connection between client and upstream on which any
// number of requests then pass the gate by. Nobody needs it: RFC 9113 has done away with
// the upgrade, and browsers never had it.
func DropH2C(next http.Handler) http.Handler {
	option.Must("nethttp", "handler", next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if upgrade := r.Header.Values("Upgrade"); len(upgrade) > 0 {
			others := slices.DeleteFunc(strings.Split(strings.Join(upgrade, ","), ","), func(protocol string) bool {
				return strings.EqualFold(strings.TrimSpace(protocol), "h2c")
			})
			asked := *r
			r = &asked
			r.Header = r.Header.Clone()
			r.Header.Del("Http2-Settings")
			if r.Header.Del("Upgrade"); len(others) > 0 {
				r.Header.Set("Upgrade", strings.TrimSpace(strings.Join(others, ",")))
			}
		}
		next.ServeHTTP(w, r)
	})
}
