package route

import (
	"net/http"
	"net/url"
	"testing"
)

// TestAPathLandsOnTheKeyThatARouterPrefers has odd spellings alone: of a clean path no router
// reads another one.
func TestAPathLandsOnTheKeyThatARouterPrefers(t *testing.T) {
	var table Table[string]
	for _, name := range []string{"/", "/files/", "GET /files/{id}", "GET /files/new", "/files/:id/raw", "POST /files/{id}", "example.org/host/{rest...}", "/star/*path"} {
		k, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		table.Add(k, name)
	}
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/files/new", ""},
		{"GET", "//files/new", "GET /files/new"},
		{"HEAD", "//files/new", "GET /files/new"},
		{"GET", "/x/../files/7", "GET /files/{id}"},
		{"POST", "/files/%2e/7", "POST /files/{id}"},
		{"PUT", "/files//7", "/files/"},
		{"GET", "/files%2f7%2fraw", "/files/:id/raw"},
		{"GET", "/host%2fa/b", "example.org/host/{rest...}"},
		{"GET", "/star//a/b", "/star/*path"},
		{"GET", "//", "/"},
	} {
		u, err := url.Parse("http://x" + tt.target)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := table.Land(&http.Request{Method: tt.method, URL: u}); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %s lands on %q, want %q", tt.method, tt.target, got, tt.want)
		}
	}
}
