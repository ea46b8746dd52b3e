package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
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
		row{"in front", "the files of a form are removed as they are without a gate", func(t testing.TB) { filesOfForm(t, a) }},
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

// filesOfForm compares with a route that has no gate: net/http removes the files of the request
// that it has made, and some routers hand on a copy.
func filesOfForm(t testing.TB, a Adapter) {
	for _, status := range []string{"200", "404", "503", "504", "408"} {
		var kept []bool
		for _, p := range []gate.Policy{gate.Public(), gate.Feature("on"), manyTwo()} {
			var file string
			b := a.guarded(t, http1, route("POST", "/", p, func(w http.ResponseWriter, r *http.Request) {
				file = upload(t, r)
				answerStatus(w, r)
			}))
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			part, err := form.CreateFormFile("file", "file.txt")
			_, errWrite := part.Write(make([]byte, 1<<12))
			if err = errors.Join(err, errWrite, form.Close()); err != nil {
				t.Fatal(err)
			}
			r := b.new(t, "POST", "/?status="+status, "payer", &body)
			r.Header.Set("Content-Type", form.FormDataContentType())
			if got := b.send(r); strconv.Itoa(got.status) != status {
				t.Errorf("got %d, want %s", got.status, status)
			}
			b.finish(t)
			kept = append(kept, os.Remove(file) == nil)
		}
		if kept[1] != kept[0] || kept[2] != kept[0] {
			t.Errorf("after a %s the file is kept without a gate: %v; behind one that asks, and one that uses: %v", status, kept[0], kept[1:])
		}
	}
}

// upload reads a request's form and returns the name of the file that it is kept in.
func upload(t testing.TB, r *http.Request) string {
	err := r.ParseMultipartForm(1)
	if err == nil {
		var part multipart.File
		if part, err = r.MultipartForm.File["file"][0].Open(); err == nil {
			defer func() { _ = part.Close() }()
			return part.(*os.File).Name()
		}
	}
	t.Error(err)
	return ""
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
