package emulator

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// WithOrigins lets pages of these origins, such as "https://app.example.test", ask the
// API in a browser beside those that may anyway; see [Emulator]. It doesn't open what
// is below /_emulator/ to them.
func WithOrigins(origins ...string) Option {
	return func(e *Emulator) error {
		for _, o := range origins {
			u, err := url.Parse(o)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != o {
				return fmt.Errorf("origin %q is none such as https://app.example.test", o)
			}
		}
		e.origins = append(e.origins, origins...)
		return nil
	}
}

// WithHosts names hosts, without ports, that browsers and the operator's window may
// know the emulator by, beside localhost and IP addresses: a name of a container
// network, for example.
func WithHosts(names ...string) Option {
	return func(e *Emulator) error {
		if slices.Contains(names, "") {
			return errors.New("the name of a host is empty")
		}
		e.hosts = append(e.hosts, names...)
		return nil
	}
}

// openToPages lets pages ask the API, as Stigg's clients for browsers need it: pages of
// this machine, or of any origin if the key is one that only its owner can have given
// to the page.
func (e *Emulator) openToPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.mayAsk(r) {
			e.write(w, e.failed(http.StatusForbidden, "IdentityForbidden",
				"pages of other machines may not ask an emulator that has the default key; see WithOrigins"))
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "*")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
		// By name: not every browser understands an asterisk here.
		h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// mayAsk says whether a request may come to the API. Programs may, whatever the host
// they know the emulator by: only browsers act for strangers.
func (e *Emulator) mayAsk(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "" && r.Header.Get("Sec-Fetch-Site") == "", e.key != DefaultKey, slices.Contains(e.origins, origin):
		return true
	case origin == "":
		return e.isOurs(r.Host)
	}
	u, err := url.Parse(origin)
	return err == nil && isLocal(u.Hostname()) && e.isOurs(r.Host)
}

// ownPagesOnly keeps the operator's window, which asks for no key, from pages of
// others: those that send to it across origins, and those whose host was made to
// resolve to this machine (DNS rebinding).
func (e *Emulator) ownPagesOnly(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := foreign.Check(r)
		origin := r.Header.Get("Origin")
		switch site := r.Header.Get("Sec-Fetch-Site"); {
		case !e.isOurs(r.Host):
			err = fmt.Errorf("the host %q is neither localhost nor an IP address, nor one of WithHosts", r.Host)
		case err != nil:
		case site == "cross-site", origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host:
			err = errors.New("a page of another origin may not ask here")
		}
		if err != nil {
			show(w, http.StatusForbidden, map[string]string{"error": err.Error()})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownFormsOnly serves pages that others may link to and only they themselves may post to.
func (e *Emulator) ownFormsOnly(next http.Handler) http.Handler {
	guarded := e.ownPagesOnly(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost || !e.isOurs(r.Host) {
			guarded.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOurs says whether the host of a request is one that nobody else can own.
func (e *Emulator) isOurs(host string) bool {
	name := hostname(host)
	_, err := netip.ParseAddr(name)
	return err == nil || isLocal(name) || slices.Contains(e.hosts, name)
}

// isLocal says whether a host is this machine by its name or address.
func isLocal(name string) bool {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().IsLoopback()
	}
	name = strings.ToLower(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// hostname gives a host without its port and the brackets of an IPv6 address.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
