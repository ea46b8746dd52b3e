package identity_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/identity"
)

type echoJWTKey struct{}

// echoJWTHand is the SuccessHandler of echo-jwt: it puts the token that is verified, and
// that echo-jwt keeps in echo's context under "user", where the gate looks.
func echoJWTHand(c echo.Context) {
	if token, ok := c.Get("user").(*jwt.Token); ok {
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), echoJWTKey{}, token.Claims)))
	}
}

func echoJWTClaims(ctx context.Context) (jwt.MapClaims, bool) {
	claims, ok := ctx.Value(echoJWTKey{}).(jwt.MapClaims)
	return claims, ok
}

func echoJWTRoutes(g *gate.Gate) http.Handler {
	e := echo.New()
	e.Use(echojwt.WithConfig(echojwt.Config{SigningKey: key, SuccessHandler: echoJWTHand}))
	ok := func(c echo.Context) error { return c.NoContent(http.StatusOK) }
	e.GET("/analytics", ok, echostigg.Require(g, policy))
	e.GET("/orgs/:org/analytics", ok, echostigg.Require(g, policy))
	return e
}

func Example_echoJWT() {
	who := identity.Agree(identity.FromClaims(echoJWTClaims, "org", "site"), identity.FromPath("/orgs/{customer}"))
	app := echoJWTRoutes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
