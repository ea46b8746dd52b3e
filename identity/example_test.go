package identity_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
)

// claims are those of a token that authentication in front of the gate has verified.
func claims(context.Context) (map[string]any, bool) {
	return map[string]any{"sub": "user-1", "org_id": "acme"}, true
}

func resolve(who gate.Resolver, target string) {
	c, err := who.Resolve(httptest.NewRequest("GET", target, nil))
	fmt.Println(c.ID, c.Resource, err)
}

func ExampleFromClaims() {
	resolve(identity.FromClaims(claims, "org_id", ""), "/")
	// Output: acme  <nil>
}

func ExampleAgree() {
	who := identity.Agree(identity.FromClaims(claims, "org_id", ""), identity.FromPath("/orgs/{customer}"), identity.FromPath("/*/*/sites/{resource}"))
	resolve(who, "/users")
	resolve(who, "/orgs/acme/sites/site-1/pages")
	resolve(who, "/orgs/other/sites/site-1/pages")
	// Output:
	// acme  <nil>
	// acme site-1 <nil>
	//   gate: the request names another customer than the one who is verified
}

// A worker answers no requests; it says itself whose work it does.
func ExampleNobody() {
	limit := 5.0
	g, err := gate.New(nil, identity.Nobody(), gate.WithOffline(), gate.WithFallback(gate.Fallback{"reports": {HasAccess: true, UsageLimit: &limit}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	ticket, d := g.Admit(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("reports").Uses(2))
	defer ticket.Release()
	fmt.Println(d.Allowed, ticket.Settle(), g.Close(context.Background()))
	// Output: true <nil> <nil>
}

func ExampleFirstOf() {
	session := identity.FromContext(gate.CustomerFromContext)
	who := identity.FirstOf(session, identity.FromClaims(claims, "org_id", ""))
	resolve(who, "/")
	// Output: acme  <nil>
}

func ExampleFromContextValue() {
	type userKey struct{}
	type user struct{ organisation string }
	who := identity.FromContextValue(userKey{}, func(u *user) (gate.Customer, bool) {
		return gate.Customer{ID: u.organisation}, true
	})
	authenticated := context.WithValue(context.Background(), userKey{}, &user{"acme"})
	c, err := who.Resolve(httptest.NewRequestWithContext(authenticated, "GET", "/", nil))
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
	who := identity.FromContext(gate.CustomerFromContext)
	h := authenticate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, err := who.Resolve(r)
		fmt.Println(c.ID, err)
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output: acme <nil>
}

func ExampleFromSubdomain() {
	who := identity.Agree(identity.FromClaims(claims, "org_id", ""), identity.FromSubdomain("example.com", "www", "api"))
	resolve(who, "https://acme.example.com/")
	resolve(who, "https://api.example.com/")
	resolve(who, "https://other.example.com/")
	// Output:
	// acme  <nil>
	// acme  <nil>
	//   gate: the request names another customer than the one who is verified
}
