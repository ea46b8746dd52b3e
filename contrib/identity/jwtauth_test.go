package identity_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/identity"
)

// jwtauthClaims are the claims that jwtauth's Verifier has put into the context. It puts
// those of expired tokens there, too, beside the error: the error must be looked at.
func jwtauthClaims(ctx context.Context) (map[string]any, bool) {
	_, claims, err := jwtauth.FromContext(ctx)
	return claims, err == nil
}

func jwtauthRoutes(g *gate.Gate) http.Handler {
	auth := jwtauth.New("HS256", key, nil)
	r := chi.NewRouter()
	r.Use(jwtauth.Verifier(auth), jwtauth.Authenticator(auth)) // in front of the gate
	ok := func(http.ResponseWriter, *http.Request) {}
	r.With(chistigg.Require(g, policy)).Get("/analytics", ok)
	r.With(chistigg.Require(g, policy)).Get("/orgs/{org}/analytics", ok)
	return r
}

func Example_jwtauth() {
	who := identity.Agree(identity.FromClaims(jwtauthClaims, "org", "site"), identity.FromPath("/orgs/{customer}"))
	app := jwtauthRoutes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
