package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate/examples/internal/demo"
)

// auth verifies tokens that are signed with HS256 and its key. An app whose tokens an
// identity provider signs has its public keys here instead.
type auth struct{ key []byte }

type claimsKey struct{}

// authenticate stands in front of the gate. It puts the verified claims into the request's
// context: gin's own c.Set is not seen by the gate.
func (a auth) authenticate(c *gin.Context) {
	token, found := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	verified := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, verified, func(*jwt.Token) (any, error) { return a.key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(demo.Audience), jwt.WithExpirationRequired())
	if !found || err != nil {
		c.Header("WWW-Authenticate", "Bearer")
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "no valid token"})
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), claimsKey{}, verified))
}

// claims are what authenticate has verified, for identity.FromClaims.
func claims(ctx context.Context) (jwt.MapClaims, bool) {
	verified, ok := ctx.Value(claimsKey{}).(jwt.MapClaims)
	return verified, ok
}
