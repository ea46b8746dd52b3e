package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unsafe"

	"github.com/stiggate/gate/internal/problem"
)

func TestCustomerIDs(t *testing.T) {
	tests := []struct {
		name  string
		c     Customer
		valid bool
	}{
		{"plain", Customer{ID: "customer-demo-01"}, true},
		{"all that is allowed", Customer{ID: "0aZ_|.@-"}, true},
		{"an e-mail address", Customer{ID: "a@example.com"}, true},
		{"255 bytes", Customer{ID: strings.Repeat("a", 255)}, true},
		{"with a resource", Customer{ID: "a", Resource: "site-1"}, true},
		{"empty", Customer{}, false},
		{"256 bytes", Customer{ID: strings.Repeat("a", 256)}, false},
		{"300 bytes", Customer{ID: strings.Repeat("a", 300)}, false},
		{"a path", Customer{ID: "a/../b"}, false},
		{"a query", Customer{ID: "x?y="}, false},
		{"a space", Customer{ID: "a b"}, false},
		{"a space in front", Customer{ID: " a"}, false},
		{"a tab", Customer{ID: "a\tb"}, false},
		{"a newline", Customer{ID: "a\nb"}, false},
		{"a zero byte", Customer{ID: "a\x00"}, false},
		{"a letter beyond ASCII", Customer{ID: "é"}, false},
		{"a percent sign", Customer{ID: "a%2fb"}, false},
		{"a colon, which would mix customers in a joined key", Customer{ID: "a:b"}, false},
		{"a dot in front", Customer{ID: ".a"}, false},
		{"a resource with an at sign", Customer{ID: "a", Resource: "b@c"}, false},
		{"a resource with a slash", Customer{ID: "a", Resource: "b/c"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Validate()
			if (err == nil) != tt.valid {
				t.Fatalf("Validate() = %v, want valid %v", err, tt.valid)
			}
			var idErr *InvalidIDError
			if err != nil && !errors.As(err, &idErr) {
				t.Errorf("%T is no *InvalidIDError", err)
			}
			if err != nil && len(tt.c.ID) > 3 && strings.Contains(err.Error(), tt.c.ID) {
				t.Errorf("%q quotes the id", err)
			}
		})
	}
}

func FuzzCustomerIDs(f *testing.F) {
	for _, id := range []string{"a", "a/../b", "x?y=", "customer@example.com", "", "\x00"} {
		f.Add(id, id)
	}
	f.Fuzz(func(t *testing.T, id, resource string) {
		if (Customer{ID: id, Resource: resource}).Validate() != nil {
			return
		}
		if id == "" || len(id) > 255 || strings.ContainsAny(id+resource, "/?&=#% \t\r\n:\\\"'<>") {
			t.Errorf("%q, %q are taken", id, resource)
		}
	})
}

// TestNobodyToAsk holds that no malformed identity causes a call to Stigg.
func TestNobodyToAsk(t *testing.T) {
	header := func(values ...string) http.Header { return http.Header{"X-Customer-Id": values} }
	tests := []struct {
		name   string
		header http.Header
	}{
		{"no header", http.Header{}},
		{"an empty header", header("")},
		{"300 bytes", header(strings.Repeat("a", 300))},
		{"a path", header("a/../b")},
		{"a query", header("x?y=")},
		{"a space", header("a b")},
		{"a control character", header("a\x01b")},
		{"a bad resource", http.Header{"X-Customer-Id": {"a"}, "X-Resource-Id": {"b c"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 0, 5))}
			r := request("POST", "/", "")
			r.Header = tt.header
			w := serve(t, gateOf(t, s), Feature("f").Uses(1), r, func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
			var body problem.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 401 || body.Code != "customer_unresolved" {
				t.Errorf("got %d %s (%v), want 401 customer_unresolved", w.Code, w.Body, err)
			}
			if s.count() != 0 {
				t.Errorf("%d upstream calls, want none", s.count())
			}
		})
	}
}

func TestAResourceIsPartOfWhoAsks(t *testing.T) {
	s := &stub{set: features(metered("f", 0, 1))}
	g := gateOf(t, s)
	for _, c := range []Customer{{ID: "a"}, {ID: "a", Resource: "b"}, {ID: "a", Resource: "c"}} {
		ticket, d := g.Admit(t.Context(), c, Feature("f").Uses(1))
		if !d.Allowed {
			t.Errorf("%v: %s; another resource's usage counted", c, d.Reason)
		}
		ticket.Release()
	}
	if s.count() != 3 {
		t.Errorf("%d loads, want one for each", s.count())
	}
}

// TestIDsAreKeptInMemoryOfTheirOwn has ids in memory that changes when the request is over, as those of
// fasthttp's requests are.
func TestIDsAreKeptInMemoryOfTheirOwn(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		use  func(g *Gate, c Customer)
		want float64
	}{
		{"admitted", nil, func(g *Gate, c Customer) {
			ticket, d := g.Admit(context.Background(), c, Feature("f").Uses(1))
			if !d.Allowed || ticket.Settle() != nil {
				t.Error(d)
			}
		}, 3},
		{"admitted in an outage", errStubDown, func(g *Gate, c Customer) {
			ticket, d := g.Admit(context.Background(), c, Feature("f").Uses(1).OnOutage(OutageAllow))
			if !d.Allowed || ticket.Settle() != nil {
				t.Error(d)
			}
		}, 3},
		{"reported", nil, func(g *Gate, c Customer) {
			if err := g.Report(context.Background(), Usage{Customer: c, FeatureID: "f", Value: 1}); err != nil {
				t.Error(err)
			}
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 0, 100)), err: tt.err}
			g := gateOf(t, s)
			var pool [2][]byte // two connections, so that nothing is where it was the last time
			for i := range 3 {
				for j, n := range "123" {
					connection := (i + j) % 2
					if pool[connection] == nil {
						pool[connection] = make([]byte, len("customer-1/resource-1"))
					}
					memory := pool[connection]
					copy(memory, "customer-"+string(n)+"/resource-"+string(n))
					whole := unsafe.String(&memory[0], len(memory)) // as fasthttp makes them: the memory is the next request's, too
					tt.use(g, Customer{ID: whole[:10], Resource: whole[11:]})
				}
			}
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := make(map[Customer]float64)
			for _, u := range s.usages() {
				got[u.Customer] += u.Value
			}
			for _, n := range "123" {
				c := Customer{ID: "customer-" + string(n), Resource: "resource-" + string(n)}
				if got[c] != tt.want {
					t.Errorf("%v has %v, want %v; in all %v", c, got[c], tt.want, got)
				}
			}
			if n := s.count(); tt.err == nil && tt.name == "admitted" && n != 3 {
				t.Errorf("%d reads, want 3: one for each customer", n)
			}
		})
	}
}
