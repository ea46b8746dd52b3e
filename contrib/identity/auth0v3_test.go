package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// auth0v3Claims are the app's own claims. Being typed, a number in place of a string is
// refused when they are read.
type auth0v3Claims struct {
	Org  string `json:"org"`
	Site string `json:"site"`
}

func (c *auth0v3Claims) Validate(context.Context) error {
	if c.Org == "" {
		return errors.New("no org")
	}
	return nil
}

// auth0v3Customer reads the claims where the middleware has put them: v3 keeps its key to
// itself and has GetClaims in its place.
func auth0v3Customer(ctx context.Context) (gate.Customer, bool) {
	claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](ctx)
	if err != nil {
		return gate.Customer{}, false
	}
	own, ok := claims.CustomClaims.(*auth0v3Claims)
	if !ok {
		return gate.Customer{}, false
	}
	return gate.Customer{ID: own.Org, Resource: own.Site}, true
}

func auth0v3Routes(g *gate.Gate) http.Handler {
	v, err := validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return key, nil }), validator.WithAlgorithm(validator.HS256),
		validator.WithIssuer(issuer), validator.WithAudience(audience),
		validator.WithCustomClaims(func() *auth0v3Claims { return &auth0v3Claims{} }))
	if err != nil {
		panic(err)
	}
	auth, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /analytics", nethttp.Require(g, policy)(ok))
	mux.Handle("GET /orgs/{org}/analytics", nethttp.Require(g, policy)(ok))
	return auth.CheckJWT(mux) // in front of the gate
}

func Example_auth0v3() {
	who := identity.Agree(identity.FromContext(auth0v3Customer), identity.FromPath("/orgs/{customer}"))
	app := auth0v3Routes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
