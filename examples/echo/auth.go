package main

import (
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/examples/internal/demo"
)

// auth verifies tokens that are signed with HS256 and its key. An app whose tokens an
// identity provider signs has its public keys here instead.
type auth struct{ key []byte }

type claims struct {
	jwt.RegisteredClaims
	Org  string `json:"org"`
	Site string `json:"site,omitempty"`
}

// authenticate stands in front of the gate. It puts the verified customer into the
// request's context: echo's own c.Set is not seen by the gate. Who sends no token goes on
// as nobody: a public route is open to them, and of others the gate answers 401.
func (a auth) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Request().Header.Get(echo.HeaderAuthorization)
		if header == "" {
			return next(c)
		}
		token, found := strings.CutPrefix(header, "Bearer ")
		var verified claims
		_, err := jwt.ParseWithClaims(token, &verified, func(*jwt.Token) (any, error) { return a.key, nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(demo.Audience), jwt.WithExpirationRequired())
		if !found || err != nil {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
			return echo.NewHTTPError(http.StatusUnauthorized, "no valid token")
		}
		ctx := gate.ContextWithCustomer(c.Request().Context(), gate.Customer{ID: verified.Org, Resource: verified.Site})
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}
