package conformance

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// frontRows are what stands in front of the router, and sees or changes what goes through.
func frontRows(a Adapter) []row {
	rows := append(
		over("in front", "a denial under a compression that announces itself", func(t testing.TB, p protocol) { deniedUnderCompression(t, a, p) }),
		over("in front", "the bytes under a compression", func(t testing.TB, p protocol) { bytesUnderCompression(t, a, p) })...,
	)
	for _, tt := range []struct {
		name   string
		policy gate.Policy
		uses   uses
	}{
		{"a method override to HEAD", manyTwo(), uses{"many": 2}},
		{"a method override to HEAD that is free", manyTwo().FreeHead(), uses{"many": 2}},
		{"a method override to HEAD, by the bytes", gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1)), uses{"many": 2}},
	} {
		rows = append(rows, over("in front", tt.name, func(t testing.TB, p protocol) { overridden(t, a, p, tt.policy, tt.uses) })...)
	}
	return append(rows,
		row{"in front", "what handlers read from the request is there for those in front", func(t testing.TB) { formInFront(t, a) }},
		row{"in front", "quota headers that an upstream has, too", func(t testing.TB) { quotaOfUpstream(t, a) }},
		row{"in front", "fields that others have set are left to a denial", func(t testing.TB) { fieldsOfOthers(t, a) }},
	)
}

// zipped is the writer of a compression that announces itself before the handler, as that of
// gorilla/handlers does.
type zipped struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (z zipped) Write(b []byte) (int, error) { return z.z.Write(b) }
func (z zipped) WriteHeader(status int) {
	z.Header().Del("Content-Length")
	z.ResponseWriter.WriteHeader(status)
}

// Flush keeps all back: it is the end that counts.
func (zipped) Flush() {}

func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer func() { _ = z.Close() }()
		next.ServeHTTP(zipped{w, z}, r)
	})
}

func deniedUnderCompression(t testing.TB, a Adapter, p protocol) {
	b := start(t, p, func(g *gate.Gate) http.Handler {
		return compressed(a.Guarded(g, a.routes(route("GET", "/", gate.Feature("off"), answerStatus))))
	})
	got := b.get(t, "GET", "/") // the client asks for gzip and undoes it
	if got.wants(t, 402); !json.Valid(got.body) {
		t.Errorf("got %v %q", got.header, got.body)
	}
}

func bytesUnderCompression(t testing.TB, a Adapter, p protocol) {
	body := strings.Repeat("0123456789", 1000)
	b := start(t, p, func(g *gate.Gate) http.Handler {
		return compressed(a.Guarded(g, a.routes(Route{
			Method: "GET", Pattern: "/", Policies: []gate.Policy{gate.Feature("many").Uses(0).MeasuredBy(gate.ResponseBytes(1))}, Body: body,
		})))
	})
	if got := b.get(t, "GET", "/"); string(got.body) != body {
		t.Errorf("got %d bytes", len(got.body))
	}
	b.bills(t, uses{"many": float64(len(body))})
}

// overridden: net/http goes by the request that it made, and sends the body.
func overridden(t testing.TB, a Adapter, p protocol, policy gate.Policy, want uses) {
	b := start(t, p, func(g *gate.Gate) http.Handler {
		router := a.Guarded(g, a.routes(route("GET", "/", policy, answerStatus), route("HEAD", "/", policy, answerStatus)))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(context.WithValue(r.Context(), valueKey{}, "a copy"))
			if m := r.Header.Get("X-HTTP-Method-Override"); m != "" && r.Method == "POST" {
				r.Method = m
			}
			router.ServeHTTP(w, r)
		})
	})
	r := b.new(t, "POST", "/", "payer", nil)
	r.Header.Set("X-HTTP-Method-Override", "HEAD")
	if got := b.send(r); string(got.body) != "ok" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	b.bills(t, want)
}

func formInFront(t testing.TB, a Adapter) {
	for _, p := range []gate.Policy{gate.Public(), gate.Feature("on"), manyTwo()} {
		var seen string
		guarded := route("POST", "/", p, func(_ http.ResponseWriter, r *http.Request) { _ = r.FormValue("q") })
		guarded.Before = func(_ http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
			seen = next(r).Form.Get("q")
		}
		b := a.guarded(t, http1, guarded)
		b.get(t, "POST", "/?q=x").wants(t, 200)
		if b.finish(t); seen != "x" {
			t.Errorf("a middleware in front sees the form value %q", seen)
		}
	}
}

func quotaOfUpstream(t testing.TB, a Adapter) {
	for policy, billed := range map[*gate.Policy]uses{
		ptr(gate.Feature("monthly").Uses(2)): {"monthly": 2},
		ptr(gate.Feature("monthly").Asks(2)): {},
	} {
		b := start(t, http1, func(g *gate.Gate) http.Handler {
			return a.Guarded(g, a.routes(route("GET", "/", *policy, forward(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-RateLimit-Limit", "60")
				_, _ = io.WriteString(w, "ok")
			}))))
		}, inMonth(), gate.WithQuotaHeaders(gate.QuotaHeadersLegacy))
		got := b.get(t, "GET", "/")
		if v := got.header.Values("X-RateLimit-Limit"); len(v) != 1 || v[0] != "10" || got.status != 200 {
			t.Errorf("got %d, X-RateLimit-Limit %q", got.status, v)
		}
		b.bills(t, billed)
	}
}

func ptr[T any](v T) *T { return &v }

func fieldsOfOthers(t testing.TB, a Adapter) {
	guarded := route("GET", "/", gate.Feature("off"), answerStatus)
	mine := map[string]string{"Etag": `"v1"`, "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT", "Content-Language": "en", "X-Request-ID": "7", "Link": "</style.css>; rel=preload"}
	guarded.Before = func(w http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		for name, value := range mine {
			w.Header().Set(name, value)
		}
		next(r)
	}
	b := a.guarded(t, http1, guarded)
	got := b.get(t, "GET", "/")
	got.wants(t, 402)
	for name, value := range mine {
		if v := got.header.Values(name); len(v) == 0 || v[0] != value {
			t.Errorf("%s is %q, want %q first", name, v, value)
		}
	}
	b.finish(t)
}
