package route

import (
	"fmt"
	"slices"
	"testing"
)

func TestARouterIsComparedWithATablesKeys(t *testing.T) {
	// As net/http spells it, and as routers do that list each method.
	routes := []string{"POST /a", "GET /a", "/whole", "GET /each", "TRACE /each", "GET /files/x", "GET /files", "example.org/host"}
	for _, tt := range []struct {
		name      string
		keys      []string
		open      []string
		unknown   []string
		forgotten string
	}{
		{"no keys", nil, nil, nil, "[GET /a POST /a /each GET /files GET /files/x /whole example.org/host]"},
		{"all of them", []string{"/a", "/whole", "/each", "GET /files", "/files/x", "example.org/host"}, nil, nil, "[]"},
		{"one method of two", []string{"GET /a"}, []string{"/whole", "/each", "/files", "example.org/"}, nil, "[POST /a]"},
		{"one method of all", []string{"GET /each", "GET /whole"}, []string{"/a", "/files", "example.org/host"}, []string{"GET /each", "GET /whole"}, "[/each /whole]"},
		{"one method of all, and all", []string{"GET /each", "/each"}, []string{"/a", "/files", "example.org/host", "/whole"}, nil, "[]"},
		{"what is beside is not below", nil, []string{"/files/", "/a", "/eac", "/whole/", "example", ""}, nil, "[/each example.org/host]"},
		{"all are below", nil, []string{"/"}, nil, "[]"},
	} {
		l := List(routes)
		named := func(k Key) bool { return slices.Contains(tt.keys, k.String()) }
		var unknown []string
		for _, name := range tt.keys {
			k, err := Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			if !l.Has(k, named) {
				unknown = append(unknown, name)
			}
		}
		if got := fmt.Sprint(l.Forgotten(named, tt.open)); got != tt.forgotten || !slices.Equal(unknown, tt.unknown) {
			t.Errorf("%s: forgotten are %s, want %s; unknown are %q, want %q", tt.name, got, tt.forgotten, unknown, tt.unknown)
		}
	}
}
