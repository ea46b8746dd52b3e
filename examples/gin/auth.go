package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
)

const audience = "gate-example"

// auth verifies tokens that are signed with HS256 and its key. An app whose tokens an
// identity provider signs has its public keys here instead.
type auth struct{ key []byte }

func newAuth(secret string) (auth, error) {
	if len(secret) < 32 { // RFC 7518, section 3.2
		return auth{}, errors.New("JWT_SECRET needs 32 bytes or more")
	}
	return auth{[]byte(secret)}, nil
}

type claimsKey struct{}

// authenticate stands in front of the gate. It puts the verified claims into the request's
// context: gin's own c.Set is not seen by the gate.
func (a auth) authenticate(c *gin.Context) {
	token, found := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	verified := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, verified, func(*jwt.Token) (any, error) { return a.key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	if !found || err != nil {
		c.Header("WWW-Authenticate", "Bearer")
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "no valid token"})
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), claimsKey{}, verified))
}

// claims are what authenticate has verified, for gate.FromClaims.
func claims(ctx context.Context) (jwt.MapClaims, bool) {
	verified, ok := ctx.Value(claimsKey{}).(jwt.MapClaims)
	return verified, ok
}

// token is one for the demo: an app's comes from its login.
func (a auth) token(customer string, expires time.Time) string {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "user-1", "org": customer, "aud": audience, "exp": expires.Unix(),
	}).SignedString(a.key)
	if err != nil {
		panic(err) // HS256 signs with any bytes
	}
	return signed
}
