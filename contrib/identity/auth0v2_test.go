package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/validator"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// auth0v2Claims are the app's own claims. Being typed, a number in place of a string is
// refused when they are read.
type auth0v2Claims struct {
	Org  string `json:"org"`
	Site string `json:"site"`
}

func (c *auth0v2Claims) Validate(context.Context) error {
	if c.Org == "" {
		return errors.New("no org")
	}
	return nil
}

// auth0v2Customer reads what the middleware puts into the request's context under its key.
func auth0v2Customer(claims *validator.ValidatedClaims) (gate.Customer, bool) {
	own, ok := claims.CustomClaims.(*auth0v2Claims)
	if !ok {
		return gate.Customer{}, false
	}
	return gate.Customer{ID: own.Org, Resource: own.Site}, true
}

func auth0v2Routes(g *gate.Gate) http.Handler {
	v, err := validator.New(func(context.Context) (any, error) { return key, nil }, validator.HS256, issuer, []string{audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return &auth0v2Claims{} }))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /analytics", nethttp.Require(g, policy)(ok))
	mux.Handle("GET /orgs/{org}/analytics", nethttp.Require(g, policy)(ok))
	return jwtmiddleware.New(v.ValidateToken).CheckJWT(mux) // in front of the gate
}

func Example_auth0v2() {
	who := identity.Agree(identity.FromContextValue(jwtmiddleware.ContextKey{}, auth0v2Customer), identity.FromPath("/orgs/{customer}"))
	app := auth0v2Routes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
