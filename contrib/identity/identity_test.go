package identity_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	ginjwtv2 "github.com/appleboy/gin-jwt/v2"
	auth0v2 "github.com/auth0/go-jwt-middleware/v2"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
)

const (
	issuer   = "https://issuer.example.com/"
	audience = "https://api.example.com"
)

var (
	key    = []byte("a key for tests, of more than 32 bytes")
	policy = gate.Feature("analytics")
	ok     = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard
	os.Exit(m.Run())
}

// stigg is a Stigg where everybody has everything; it remembers who was asked for.
type stigg struct {
	mu    sync.Mutex
	asked []gate.Customer
}

func (s *stigg) Entitlements(_ context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, c)
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func newGate(who gate.Resolver) *gate.Gate {
	g, err := gate.New(&stigg{}, who)
	if err != nil {
		panic(err)
	}
	return g
}

// claimsOf are those of a good token, with changes; nil takes a claim away.
func claimsOf(org string, changes map[string]any) jwt.MapClaims {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "user-1", "org": org,
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func sign(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		panic(err)
	}
	return token
}

func tokenOf(org string) string { return sign(jwt.SigningMethodHS256, key, claimsOf(org, nil)) }

func changed(claim string, value any) string {
	return sign(jwt.SigningMethodHS256, key, claimsOf("acme", map[string]any{claim: value}))
}

// get answers the status.
func get(app http.Handler, target, token string) int {
	r := httptest.NewRequest("GET", target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Code
}

type recipe struct {
	who    gate.Resolver
	routes func(*gate.Gate) http.Handler
	// absent is the middleware's own answer to no token at all, if it is not 401.
	absent int
	// typed claims can't tell an empty claim from an absent one: an empty site is none.
	typed bool
}

func recipes() map[string]recipe {
	return map[string]recipe{
		"golang-jwt in gin":  {who: identity.FromClaims(golangJWTClaims, "org", "site"), routes: golangJWTRoutes},
		"gin-jwt v3":         {who: identity.FromClaims(ginJWTClaims, "org", "site"), routes: ginJWTRoutes},
		"gin-jwt v2":         {who: identity.FromClaims(ginJWTClaims, "org", "site"), routes: ginJWTv2Routes},
		"echo-jwt":           {who: identity.FromClaims(echoJWTClaims, "org", "site"), routes: echoJWTRoutes, absent: 400},
		"jwtauth in chi":     {who: identity.FromClaims(jwtauthClaims, "org", "site"), routes: jwtauthRoutes},
		"jwtauth's Verifier": {who: identity.FromClaims(jwtauthClaims, "org", "site"), routes: verifierRoutes},
		"auth0 v2":           {who: identity.FromContextValue(auth0v2.ContextKey{}, auth0v2Customer), routes: auth0v2Routes, absent: 400, typed: true},
		"auth0 v3":           {who: identity.FromContext(auth0v3Customer), routes: auth0v3Routes, typed: true},
	}
}

// ginJWTv2Routes are ginJWTRoutes with the older gin-jwt.
func ginJWTv2Routes(g *gate.Gate) http.Handler {
	auth, err := ginjwtv2.New(&ginjwtv2.GinJWTMiddleware{Realm: "api", Key: key, SigningAlgorithm: "HS256"})
	if err != nil {
		panic(err)
	}
	hand := func(c *gin.Context) {
		claims := map[string]any(ginjwtv2.ExtractClaims(c))
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), ginJWTKey{}, claims))
	}
	r := gin.New()
	r.Use(auth.MiddlewareFunc(), hand)
	r.GET("/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	r.GET("/orgs/:org/analytics", ginstigg.Require(g, policy), func(*gin.Context) {})
	return r
}

// verifierRoutes leave jwtauth's Authenticator out: the gate alone stands in the way.
func verifierRoutes(g *gate.Gate) http.Handler {
	r := chi.NewRouter()
	r.Use(jwtauth.Verifier(jwtauth.New("HS256", key, nil)))
	r.With(chistigg.Require(g, policy)).Get("/analytics", ok)
	r.With(chistigg.Require(g, policy)).Get("/orgs/{org}/analytics", ok)
	return r
}

func TestRecipes(t *testing.T) {
	parts := strings.Split(tokenOf("acme"), ".")
	others := strings.Split(tokenOf("other"), ".")
	unsigned := sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claimsOf("acme", nil))
	acme := []gate.Customer{{ID: "acme"}}
	tests := []struct {
		name, target, token string
		asked               []gate.Customer // nil: 401, or 403 for another's path
	}{
		{"the right token", "/analytics", tokenOf("acme"), acme},
		{"the right token and its own path", "/orgs/acme/analytics", tokenOf("acme"), acme},
		{"a token with a resource", "/analytics", changed("site", "site-1"), []gate.Customer{{ID: "acme", Resource: "site-1"}}},
		{"another customer's path", "/orgs/other/analytics", tokenOf("acme"), nil},
		{"another customer's path, escaped", "/orgs/%6fther/analytics", tokenOf("acme"), nil},
		{"no token", "/analytics", "", nil},
		{"no token and a path", "/orgs/acme/analytics", "", nil},
		{"no token at all but three parts", "/analytics", "a.b.c", nil},
		{"an expired token", "/analytics", changed("exp", time.Now().Add(-time.Hour).Unix()), nil},
		{"a token not valid yet", "/analytics", changed("nbf", time.Now().Add(time.Hour).Unix()), nil},
		{"another key", "/analytics", sign(jwt.SigningMethodHS256, append([]byte("x"), key...), claimsOf("acme", nil)), nil},
		{"alg none", "/analytics", unsigned, nil},
		{"alg none with a signature", "/analytics", unsigned + parts[2], nil},
		{"another algorithm with the same key", "/analytics", sign(jwt.SigningMethodHS512, key, claimsOf("acme", nil)), nil},
		{"no signature", "/analytics", parts[0] + "." + parts[1] + ".", nil},
		{"claims of another token", "/analytics", parts[0] + "." + others[1] + "." + parts[2], nil},
		{"no org", "/analytics", changed("org", nil), nil},
		{"no org, but a path", "/orgs/acme/analytics", changed("org", nil), nil},
		{"an empty org", "/analytics", changed("org", ""), nil},
		{"an org that is a number", "/analytics", changed("org", 1000), nil},
		{"an org that is a list", "/analytics", changed("org", []string{"acme"}), nil},
		{"an org that is an object", "/analytics", changed("org", map[string]any{"id": "acme"}), nil},
		{"an org that is no id", "/analytics", changed("org", "acme/../other"), nil},
		{"a site that is a number", "/analytics", changed("site", 7), nil},
		{"an empty site", "/analytics", changed("site", ""), nil},
	}
	for name, recipe := range recipes() {
		t.Run(name, func(t *testing.T) {
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					s := &stigg{}
					g, err := gate.New(s, identity.Agree(recipe.who, identity.FromPath("/orgs/{customer}")))
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = g.Close(context.Background()) }()
					want, asked := http.StatusOK, tt.asked
					switch {
					case recipe.typed && tt.name == "an empty site":
						asked = acme
					case recipe.absent != 0 && tt.token == "":
						want = recipe.absent
					case strings.HasPrefix(tt.name, "another customer's path"):
						want = http.StatusForbidden
					case asked == nil:
						want = http.StatusUnauthorized
					}
					got := get(recipe.routes(g), tt.target, tt.token)
					if got != want || len(s.asked) != len(asked) || len(asked) == 1 && s.asked[0] != asked[0] {
						t.Errorf("got %d, Stigg asked for %v; want %d and %v", got, s.asked, want, asked)
					}
				})
			}
		})
	}
}

func TestAuth0LooksAtIssuerAndAudience(t *testing.T) {
	for _, name := range []string{"auth0 v2", "auth0 v3"} {
		recipe := recipes()[name]
		app := recipe.routes(newGate(recipe.who))
		for _, claim := range []string{"iss", "aud"} {
			if got := get(app, "/analytics", changed(claim, "https://elsewhere.example.com/")); got != http.StatusUnauthorized {
				t.Errorf("%s: another %s gets %d, want 401", name, claim, got)
			}
		}
	}
}
