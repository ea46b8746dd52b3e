package conformance

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/recorder"
)

// plain is an adapter for net/http in parts, each of which a mutant spoils.
type plain struct {
	call   func(http.ResponseWriter, *http.Request) gate.Call
	wrap   func(front, gated http.ResponseWriter) http.ResponseWriter
	deny   func(g *gate.Gate, w http.ResponseWriter, r *http.Request, d gate.Decision, next http.Handler)
	next   func(next http.Handler, w http.ResponseWriter, outer, handed *http.Request)
	times  int // gates for each policy
	open   bool
	tabled func(g *gate.Gate, mux *http.ServeMux, t gate.Table, rest gate.Rest) http.Handler
	verify func(mux *http.ServeMux, t gate.Table) error
}

func newPlain() *plain {
	return &plain{
		call: func(w http.ResponseWriter, r *http.Request) gate.Call {
			return gate.Call{Request: r, Writer: w, Route: r.Pattern}
		},
		wrap: func(_, gated http.ResponseWriter) http.ResponseWriter { return gated },
		deny: func(g *gate.Gate, w http.ResponseWriter, r *http.Request, d gate.Decision, _ http.Handler) {
			g.WriteDenial(w, r, d)
		},
		next:  func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) { next.ServeHTTP(w, handed) },
		times: 1,
		tabled: func(g *gate.Gate, mux *http.ServeMux, t gate.Table, rest gate.Rest) http.Handler {
			return nethttp.Routes(g, mux, t, rest)
		},
		verify: nethttp.Verify,
	}
}

func (m *plain) require(g *gate.Gate, p gate.Policy, next http.Handler) http.Handler {
	guard := g.MustGuard(p)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.open && (r.Method == http.MethodHead || r.Method == http.MethodOptions) {
			next.ServeHTTP(w, r)
			return
		}
		guard.Serve(m.call(w, r),
			func(d gate.Decision) { m.deny(g, w, r, d, next) },
			func(out http.ResponseWriter, handed *http.Request) bool {
				if recorder.Of(out) != nil {
					out = m.wrap(w, out)
				}
				m.next(next, out, r, handed)
				return true
			}, nil)
	})
}

func (m *plain) mux(routes []Route, wrap func(Route) http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(strings.TrimSpace(r.Method+" "+r.Pattern), wrap(r))
	}
	return mux
}

func (m *plain) chain(g *gate.Gate, r Route) http.Handler {
	h := http.Handler(r.Handler)
	if r.Body != "" {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, r.Body) })
	}
	if r.Err != nil {
		h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _ = r.Err(w, req) })
	}
	if r.Recovery == RecoveryInside {
		h = Recover(h)
	}
	for _, p := range slices.Backward(r.Policies) {
		for range m.times {
			h = m.require(g, p, h)
		}
	}
	if r.Before != nil {
		gated := h
		h = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.Before(w, req, func(req *http.Request) *http.Request { gated.ServeHTTP(w, req); return req })
		})
	}
	if r.Recovery == RecoveryOutside {
		h = Recover(h)
	}
	return h
}

func (m *plain) adapter() Adapter {
	bare := func(r Route) http.Handler { return r.Handler }
	return Adapter{
		Guarded: func(g *gate.Gate, routes []Route) http.Handler {
			return m.mux(routes, func(r Route) http.Handler { return m.chain(g, r) })
		},
		Tabled: func(g *gate.Gate, routes []Route, t gate.Table, rest gate.Rest) http.Handler {
			return m.tabled(g, m.mux(routes, bare), t, rest)
		},
		Verify: func(routes []Route, t gate.Table) error { return m.verify(m.mux(routes, bare), t) },
	}
}

func TestWhatTheMutantsAreMadeOfPasses(t *testing.T) { RunAdapter(t, newPlain().adapter()) }

// hiding is a writer that hides what the one within can do, but for what it embeds.
type hiding struct{ http.ResponseWriter }

// unwrapping hides nothing from http.ResponseController.
type unwrapping struct{ *hiding }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// TestMutantsDie: each is an adapter with one of the faults that adapters have had, and
// is caught by the row that is there for it.
func TestMutantsDie(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*plain)
		rows   []string
	}{
		{"hands on the writer in front", func(m *plain) {
			m.wrap = func(front, _ http.ResponseWriter) http.ResponseWriter { return front }
		}, []string{
			"500 of the handler", "404 of the handler", "a failure that is flushed", "a range that the file has not",
			"early hints, then failure", "early hints, then failure, over HTTP/2", "quota headers of an answer", "older quota headers of an answer",
			"a proxied stream that the client closes", "a connection that is taken over, by the status", "a client that has closed only its own side",
			"the bytes under a compression", "quota headers that an upstream has, too",
		}},
		{"has a writer that hides abilities", func(m *plain) {
			m.wrap = func(_, gated http.ResponseWriter) http.ResponseWriter { return &hiding{gated} }
		}, []string{
			"the writer hides no ability and invents none", "the writer hides no ability and invents none, over HTTP/2", "deadlines by ResponseController",
			"a connection that is taken over by assertion", "a connection that is taken over by ResponseController",
		}},
		{"has a writer that only unwraps", func(m *plain) {
			m.wrap = func(_, gated http.ResponseWriter) http.ResponseWriter { return unwrapping{&hiding{gated}} }
		}, []string{"the writer hides no ability and invents none", "a connection that is taken over by assertion"}},
		{"has a writer that invents abilities", func(m *plain) {
			m.wrap = func(_, gated http.ResponseWriter) http.ResponseWriter {
				return struct {
					http.ResponseWriter
					http.Flusher
					http.Hijacker
				}{gated, nil, nil}
			}
		}, []string{"the writer hides no ability and invents none, over HTTP/2"}},
		{"has a writer that does not see a hijack", func(m *plain) {
			m.wrap = func(front, gated http.ResponseWriter) http.ResponseWriter {
				h, ok := front.(http.Hijacker)
				if !ok {
					return gated
				}
				return struct {
					http.ResponseWriter
					http.Hijacker
				}{gated, h}
			}
		}, []string{"a connection that is taken over, by the status", "a connection that is taken over, by the app's own rule"}},
		{"releases what did not return", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
				returned := false
				defer func() {
					if !returned {
						gate.TicketFrom(handed.Context()).Release()
					}
				}()
				next.ServeHTTP(w, handed)
				returned = true
			}
		}, []string{"a proxied stream that the client closes", "a proxied stream that the client closes, over HTTP/2", "an abort in mid-answer", "a panic after a body"}},
		{"settles what has written", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
				next.ServeHTTP(w, handed)
				_ = gate.TicketFrom(handed.Context()).Settle()
			}
		}, []string{"a deadline in front that passes, and nothing written", "http.TimeoutHandler behind the gate answers", "an upstream that can't be reached"}},
		{"hands on a copy of its own", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
				next.ServeHTTP(w, handed.WithContext(handed.Context()))
			}
		}, []string{"what handlers read from the request is there for those in front"}},
		{"clears the header for a denial", func(m *plain) {
			m.deny = func(g *gate.Gate, w http.ResponseWriter, r *http.Request, d gate.Decision, _ http.Handler) {
				clear(w.Header())
				g.WriteDenial(w, r, d)
			}
		}, []string{"a denial under a compression that announces itself", "fields that others have set are left to a denial"}},
		{"goes on after a denial", func(m *plain) {
			m.deny = func(g *gate.Gate, w http.ResponseWriter, r *http.Request, d gate.Decision, next http.Handler) {
				g.WriteDenial(w, r, d)
				next.ServeHTTP(w, r)
			}
		}, []string{"a denial is the whole answer", "what the inner gate refuses the outer one does not charge", "a client that leaves before anything is decided"}},
		{"words denials itself", func(m *plain) {
			m.deny = func(_ *gate.Gate, w http.ResponseWriter, _ *http.Request, d gate.Decision, _ http.Handler) {
				http.Error(w, d.Code, d.Status)
			}
		}, []string{"the denial 401", "the denial 429", "the denial 503, over HTTP/2", "past the limit, in a browser", "quota headers of a denial"}},
		{"answers HEAD with a body, or what is one", func(m *plain) {
			m.deny = func(g *gate.Gate, w http.ResponseWriter, r *http.Request, d gate.Decision, _ http.Handler) {
				w.Header().Set("Vary", "Origin")
				g.WriteDenial(w, r, d)
			}
		}, []string{"the denial 401", "the denial 402 of a limit"}},
		{"lets HEAD and OPTIONS through", func(m *plain) {
			m.open = true
		}, []string{"HEAD", "HEAD of a route of all methods", "a preflight", "a route of all methods can't be had by looking like a preflight"}},
		{"names no route", func(m *plain) {
			call := m.call
			m.call = func(w http.ResponseWriter, r *http.Request) gate.Call { c := call(w, r); c.Route = ""; return c }
		}, []string{"a decision names the route"}},
		{"names the path for the route", func(m *plain) {
			call := m.call
			m.call = func(w http.ResponseWriter, r *http.Request) gate.Call {
				c := call(w, r)
				c.Route = r.URL.Path
				return c
			}
		}, []string{"a decision names the route"}},
		{"swallows panics", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
				defer func() { _ = recover() }()
				next.ServeHTTP(w, handed)
			}
		}, []string{"a panic", "an abort", "a panic after a body, over HTTP/2", "a panic with recovery outside", "an abort with recovery outside"}},
		{"loses the context", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, outer, _ *http.Request) {
				next.ServeHTTP(w, outer.WithContext(context.Background()))
			}
		}, []string{"the context's values go through", "a late amount"}},
		{"keeps its ticket to itself", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, outer, _ *http.Request) { next.ServeHTTP(w, outer) }
		}, []string{"the context's values go through", "a late amount", "settled early, then failed"}},
		{"changes the request of those in front", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, outer, handed *http.Request) {
				*outer = *handed
				next.ServeHTTP(w, outer)
			}
		}, []string{"the request is restored after the gate"}},
		{"reads the body", func(m *plain) {
			m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
				content, _ := io.ReadAll(handed.Body)
				handed.Body = io.NopCloser(bytes.NewReader(content))
				next.ServeHTTP(w, handed)
			}
		}, []string{"no body", "a body in chunks", "a body of a known length, over HTTP/2"}},
		{"has no gate", func(m *plain) { m.times = 0 }, []string{"success", "past the limit", "no customer", "500 at once against a limit of 12"}},
		{"guards what the router answers", func(m *plain) {
			m.tabled = func(g *gate.Gate, mux *http.ServeMux, t gate.Table, rest gate.Rest) http.Handler {
				guards := g.MustRouteGuards(t, rest)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, registered := mux.Handler(r)
					method, pattern, _ := strings.Cut(registered, " ")
					guard, _ := guards.Find(method, pattern)
					nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: registered}, mux)
				})
			}
		}, []string{"table: no such route", "table: no such method"}},
		{"takes a path for what it looks like", func(m *plain) {
			m.tabled = func(g *gate.Gate, mux *http.ServeMux, t gate.Table, rest gate.Rest) http.Handler {
				guards := g.MustRouteGuards(t, rest)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, registered := mux.Handler(r)
					method, pattern, _ := strings.Cut(registered, " ")
					guard, _ := guards.Find(method, pattern)
					nethttp.Serve(g, guard, gate.Call{Request: r, Writer: w, Route: registered}, mux)
				})
			}
		}, []string{"table: an escaped slash on an open route", "table: a way up on an open route", "table: an escaped slash on the open rest"}},
		{"opens the rest", func(m *plain) {
			m.tabled = func(g *gate.Gate, mux *http.ServeMux, t gate.Table, _ gate.Rest) http.Handler {
				return nethttp.Routes(g, mux, t, gate.PublicRest)
			}
		}, []string{"table: a forgotten route is denied", "table: a forgotten route that looks like a preflight"}},
		{"verifies nothing", func(m *plain) { m.verify = func(*http.ServeMux, gate.Table) error { return nil } }, []string{
			"a key without a route", "a key of another method", "a wildcard of another name", "one method of a route of all", "a policy that is wrong",
		}},
		{"loses returned errors", func(*plain) {}, []string{"a plain error", "the router's error of 418", "a plain error after a body"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newPlain()
			tt.mutate(m)
			a := m.adapter()
			a.Error = func(int) error { return http.ErrBodyNotAllowed }
			all := rows(a)
			for _, name := range tt.rows {
				dies(t, all, name)
			}
		})
	}
}

func TestALeakIsFound(t *testing.T) {
	m, stop := newPlain(), make(chan struct{})
	defer close(stop)
	m.next = func(next http.Handler, w http.ResponseWriter, _, handed *http.Request) {
		go func() { <-stop }()
		next.ServeHTTP(w, handed)
	}
	row := row{"many", "a leak", func(t testing.TB) { leaks(t, m.adapter(), time.Second) }}
	if !row.fails(t) {
		t.Error("the row passes")
	}
}
