package nethttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

func TestWhatTheMuxAnswersItselfIsNotGuardedAndNothingElse(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	off := gate.Feature("off")
	table := gate.Table{
		"GET /dl": off, "GET /x": off, "/all": off, "PATCH /all": off, "GET /a%2Fb": off, "GET /dir/": off,
		"GET /rest/{rest...}": off, "GET /end/{$}": off, "GET api.example.com/host": off,
	}
	m := http.NewServeMux()
	ok := func(http.ResponseWriter, *http.Request) {}
	for key := range table {
		if key == "GET /dl" {
			m.Handle(key, http.RedirectHandler("https://files.example.com/secret", http.StatusFound))
			continue
		}
		m.HandleFunc(key, ok)
	}
	if err := nethttp.Verify(m, table); err != nil {
		t.Fatal(err)
	}
	h := nethttp.Routes(g, m, table, gate.DenyRest)
	tests := []struct {
		name, method, target string
		want                 int
	}{
		{"a redirect that the app registered", "GET", "/dl", 402},
		{"a route", "GET", "/x", 402},
		{"HEAD of a GET route", "HEAD", "/x", 402},
		{"a double slash", "GET", "//x", 301},
		{"a directory without its slash", "GET", "/dir", 301},
		{"an escaped slash", "GET", "/a%2fb", 402},
		{"an escaped letter", "GET", "/%78", 402},
		{"a method of its own", "PATCH", "/all", 402},
		{"any other method", "PURGE", "/all", 402},
		{"what looks like a preflight", "OPTIONS", "/all", 402},
		{"no such method", "POST", "/x", 405},
		{"the rest of the paths", "GET", "/rest/at/all", 402},
		{"the end of a path", "GET", "/end/", 402},
	}
	for _, tt := range tests {
		r := stubstigg.Request(tt.method, "/")
		u, err := r.URL.Parse("http://example.com" + tt.target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := stubstigg.Serve(h, r)
		got := w.Code
		if got == http.StatusTemporaryRedirect || got == http.StatusPermanentRedirect {
			got = http.StatusMovedPermanently // which of them is the Go release's choice
		}
		if got != tt.want {
			t.Errorf("%s: %s %s: got %d, want %d", tt.name, tt.method, tt.target, w.Code, tt.want)
		}
		if strings.Contains(w.Header().Get("Location"), "secret") {
			t.Errorf("%s: the redirect is out", tt.name)
		}
	}
}
