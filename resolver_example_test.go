package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate"
)

// claims are those of a token that authentication in front of the gate has verified.
func claims(context.Context) (map[string]any, bool) {
	return map[string]any{"sub": "user-1", "org_id": "acme"}, true
}

func resolve(who gate.Resolver, target string) {
	c, err := who(httptest.NewRequest("GET", target, nil))
	fmt.Println(c.ID, c.Resource, err)
}

func ExampleFromClaims() {
	resolve(gate.FromClaims(claims, "org_id", ""), "/")
	// Output: acme  <nil>
}

func ExampleAgree() {
	who := gate.Agree(gate.FromClaims(claims, "org_id", ""), gate.FromPath("/orgs/{customer}"), gate.FromPath("/*/*/sites/{resource}"))
	resolve(who, "/users")
	resolve(who, "/orgs/acme/sites/site-1/pages")
	resolve(who, "/orgs/other/sites/site-1/pages")
	// Output:
	// acme  <nil>
	// acme site-1 <nil>
	//   gate: the request names two customers
}

func ExampleFirstOf() {
	session := gate.FromContext(gate.CustomerFromContext)
	who := gate.FirstOf(session, gate.FromClaims(claims, "org_id", ""))
	resolve(who, "/")
	// Output: acme  <nil>
}

func ExampleFromContextValue() {
	type userKey struct{}
	type user struct{ organisation string }
	who := gate.FromContextValue(userKey{}, func(u *user) (gate.Customer, bool) {
		return gate.Customer{ID: u.organisation}, true
	})
	authenticated := context.WithValue(context.Background(), userKey{}, &user{"acme"})
	c, err := who(httptest.NewRequestWithContext(authenticated, "GET", "/", nil))
	fmt.Println(c.ID, err)
	// Output: acme <nil>
}

func ExampleContextWithCustomer() {
	authenticate := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			verified := gate.Customer{ID: "acme"} // by a session, a certificate, …
			next.ServeHTTP(w, r.WithContext(gate.ContextWithCustomer(r.Context(), verified)))
		})
	}
	who := gate.FromContext(gate.CustomerFromContext)
	h := authenticate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, err := who(r)
		fmt.Println(c.ID, err)
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output: acme <nil>
}

func ExampleFromSubdomain() {
	who := gate.Agree(gate.FromClaims(claims, "org_id", ""), gate.FromSubdomain("example.com", "www", "api"))
	resolve(who, "https://acme.example.com/")
	resolve(who, "https://api.example.com/")
	resolve(who, "https://other.example.com/")
	// Output:
	// acme  <nil>
	// acme  <nil>
	//   gate: the request names two customers
}
