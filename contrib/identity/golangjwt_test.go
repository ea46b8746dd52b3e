package identity_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
)

type claimsKey struct{}

// golangJWT is a middleware of one's own around golang-jwt. The gate sees the request, not
// gin's c.Get, so the claims go into the request's context.
func golangJWT(c *gin.Context) {
	token, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if !ok || err != nil {
		c.AbortWithStatus(http.StatusUnauthorized)
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), claimsKey{}, claims))
}

// golangJWTClaims finds them there.
func golangJWTClaims(ctx context.Context) (jwt.MapClaims, bool) {
	claims, ok := ctx.Value(claimsKey{}).(jwt.MapClaims)
	return claims, ok
}

func golangJWTRoutes(g *gate.Gate) http.Handler {
	r := gin.New()
	r.Use(golangJWT) // in front of the gate
	r.GET("/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	r.GET("/orgs/:org/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	return r
}

func Example_golangJWT() {
	who := identity.Agree(identity.FromClaims(golangJWTClaims, "org", "site"), identity.FromPath("/orgs/{customer}"))
	app := golangJWTRoutes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
