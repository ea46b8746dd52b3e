// Package identity holds recipes, one file each, that hand the customer in a verified token
// to a gate, for the common middlewares that verify tokens:
//
//   - golang-jwt in a middleware of one's own, in gin (golangjwt_test.go)
//   - appleboy/gin-jwt v3, and v2, which differs in its import path only (ginjwt_test.go)
//   - labstack/echo-jwt v4 (echojwt_test.go)
//   - go-chi/jwtauth v5 (jwtauth_test.go)
//   - auth0/go-jwt-middleware v2 and v3 (auth0v2_test.go, auth0v3_test.go)
//
// There is nothing to import: what a recipe has beside the middleware's own setup is a few
// lines around identity.FromClaims or identity.FromContextValue. TestRecipes sends each of them
// real tokens: expired, forged, unsigned, of another customer than the path's.
//
// All recipes take the token's claim "org" for the customer and "site" for the resource,
// and are put into identity.Agree with identity.FromPath("/orgs/{customer}").
package identity
