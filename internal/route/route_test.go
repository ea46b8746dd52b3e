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
	for _, name := range []string{"/", "/files/", "GET /files/{id}", "GET /files/new", "/files/:id/raw", "POST /files/{id}", "example.org/host/{rest...}", "/star/*path", "GET /open;v=1", "/open/", "GET /open/x"} {
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
		{"GET", "/files;v=1/new", "GET /files/new"},
		{"GET", "/x/..;/files/7", "GET /files/{id}"},
		{"GET", "/;/files/.;v/7;", "GET /files/{id}"},
		{"GET", "/files%5C7%5craw", "/files/:id/raw"},
		{"GET", "/files%252F7%25252fraw", "/files/:id/raw"},
		{"GET", "/files%252F7%25zz", "GET /files/{id}"},
		{"GET", "/files%252Fnew/..%25", "/files/"},
		{"GET", "/open;v=1", "/"}, // Land is asked on open routes alone
		{"GET", "//open;v=1", "GET /open;v=1"},
		{"GET", "/open/x;v=1", "GET /open/x"},
	} {
		u, err := url.Parse("http://x" + tt.target)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := table.Land(&http.Request{Method: tt.method, URL: u}, func(key string) bool { return key == "/open/" }); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %s lands on %q, want %q", tt.method, tt.target, got, tt.want)
		}
	}
}
