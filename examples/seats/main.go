// Command seats gives the users of a company seats, as many as its plan has, on gin. Who asks is in
// a JWT; what each route asks of the plan is in a file, policies.yaml, that may change while it runs.
//
//	go run ./examples/seats
//
// In front of another Stigg it takes real tokens, signed with HS256 and JWT_SECRET.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/policyfile"
)

//go:embed catalog.json
var catalog string

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	file := flag.String("policies", "examples/seats/policies.yaml", "the `file` with the policies")
	flag.Parse()
	gin.SetMode(gin.ReleaseMode)
	if err := run(context.Background(), *addr, *file, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, file string, out io.Writer) error {
	env, err := demo.Open(catalog)
	if err != nil {
		return err
	}
	defer env.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}

	stigg, err := client.New(env.APIKey, client.WithEndpoint(env.URL))
	if err != nil {
		return err
	}
	policies, err := policyfile.Open(file)
	if err != nil {
		return err
	}
	g, err := gate.New(stigg, who)
	if err != nil {
		return err
	}
	handler, err := newApp(env.Key).routes(g, policies)
	if err != nil {
		return err
	}
	if err := verify(ctx, g); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go policies.Watch(watching, time.Second)
	env.Invite(out, listener, tries(env.Key)...)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
}

// who asks is what the token says of the company, as authenticate has verified it.
var who = identity.FromContextValue(claimsKey{}, func(c *claims) (gate.Customer, bool) {
	return gate.Customer{ID: c.Company}, c.Company != ""
})

// verify holds the policies against Stigg's catalog. An outage of Stigg keeps no app from starting.
func verify(ctx context.Context, g *gate.Gate) error {
	err := g.Verify(ctx)
	if wrong := (*gate.VerifyError)(nil); errors.As(err, &wrong) {
		return err
	}
	if err != nil {
		slog.Warn("the policies can't be verified", "error", err)
	}
	return nil
}

// app is the product: the users who have a seat, by company. A product has a database.
type app struct {
	key   []byte // of the tokens
	mu    sync.Mutex
	seats map[string][]string
}

func newApp(key []byte) *app { return &app{key: key, seats: map[string][]string{}} }

// routes guards the whole engine by the policy file, now and whenever it changes.
func (a *app) routes(g *gate.Gate, policies *policyfile.File) (http.Handler, error) {
	r := gin.New()
	r.Use(gin.Recovery(), a.authenticate, ginstigg.Routes(g, policies, gate.DenyRest))
	r.GET("/health", func(c *gin.Context) { c.Status(http.StatusOK) })
	r.GET("/v1/seats", a.list)
	r.POST("/v1/seats", a.add)
	r.DELETE("/v1/seats/:user", a.remove)
	r.GET("/v1/audit-log", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"log": []string{}}) })
	return r, policies.Check(func(t gate.Table) error { return ginstigg.Verify(r, t) })
}

// claims are what a token of ours says.
type claims struct {
	jwt.RegisteredClaims
	Company string `json:"org"`
}

type claimsKey struct{}

// authenticate verifies the token, if there is one: what is public needs none, and of all else the
// gate denies nobody's requests. It puts the claims into the request's context: gin's own c.Set is
// not seen by the gate.
func (a *app) authenticate(c *gin.Context) {
	token, found := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	if !found {
		return
	}
	verified := &claims{}
	_, err := jwt.ParseWithClaims(token, verified, func(*jwt.Token) (any, error) { return a.key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(demo.Audience), jwt.WithExpirationRequired())
	if err != nil {
		c.Header("WWW-Authenticate", "Bearer")
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "no valid token"})
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), claimsKey{}, verified))
}

func company(c *gin.Context) string {
	return c.Request.Context().Value(claimsKey{}).(*claims).Company
}

func (a *app) list(c *gin.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.JSON(http.StatusOK, gin.H{"users": a.seats[company(c)]})
}

// add gives a user a seat. Who has one already uses none: a 409 is not billed.
func (a *app) add(c *gin.Context) {
	var in struct {
		User string `json:"user" binding:"required"`
	}
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": `want {"user": ...}`})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.seats[company(c)], in.User) {
		c.JSON(http.StatusConflict, gin.H{"error": "the user has a seat"})
		return
	}
	a.seats[company(c)] = append(a.seats[company(c)], in.User)
	c.JSON(http.StatusCreated, gin.H{"user": in.User})
}

// remove takes a user's seat. Who has none frees none: a 404 is not billed.
func (a *app) remove(c *gin.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	users := a.seats[company(c)]
	i := slices.Index(users, c.Param("user"))
	if i < 0 {
		c.JSON(http.StatusNotFound, gin.H{"error": "the user has no seat"})
		return
	}
	a.seats[company(c)] = slices.Delete(users, i, i+1)
	c.Status(http.StatusNoContent)
}

func tries(key []byte) []demo.Try {
	header := func(customer string) string {
		return "-H 'Authorization: Bearer " + demo.Token(key, customer, time.Now().Add(time.Hour)) + "'"
	}
	acme, globex := header("acme"), header("globex")
	return []demo.Try{
		{What: "2 seats are in acme's plan; a third is refused", Command: "curl -i " + acme + ` -d '{"user":"ann"}' {api}/v1/seats`},
		{What: "who has a seat uses no other", Command: "curl -i " + acme + ` -d '{"user":"ann"}' {api}/v1/seats`},
		{What: "a seat is given back", Command: "curl -i -X DELETE " + acme + " {api}/v1/seats/ann"},
		{What: "the audit log is in globex's plan, not in acme's; change that in policies.yaml, while this runs", Command: "curl -i " + acme + " {api}/v1/audit-log"},
		{What: "", Command: "curl -i " + globex + " {api}/v1/audit-log"},
	}
}
