package identity_test

import (
	"context"
	"fmt"
	"net/http"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
)

type ginJWTKey struct{}

// ginJWTHand puts what gin-jwt has verified where the gate looks. It goes between the two.
func ginJWTHand(c *gin.Context) {
	claims := map[string]any(ginjwt.ExtractClaims(c)) // v2 and v3 have types of their own
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), ginJWTKey{}, claims))
}

func ginJWTClaims(ctx context.Context) (map[string]any, bool) {
	claims, ok := ctx.Value(ginJWTKey{}).(map[string]any)
	return claims, ok
}

func ginJWTRoutes(g *gate.Gate) http.Handler {
	auth, err := ginjwt.New(&ginjwt.GinJWTMiddleware{Realm: "api", Key: key, SigningAlgorithm: "HS256"})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	r.Use(auth.MiddlewareFunc(), ginJWTHand)
	r.GET("/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	r.GET("/orgs/:org/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	return r
}

func Example_ginJWT() {
	who := identity.Agree(identity.FromClaims(ginJWTClaims, "org", "site"), identity.FromPath("/orgs/{customer}"))
	app := ginJWTRoutes(newGate(who))
	fmt.Println(get(app, "/analytics", tokenOf("acme")), get(app, "/orgs/other/analytics", tokenOf("acme")))
	// Output: 200 403
}
