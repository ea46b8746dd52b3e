// Command uploads stores files, on echo: each at most as large as the plan allows, all together as
// much as the plan has. All its errors have one envelope, those of the gate, too.
//
//	go run ./examples/uploads
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"path"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/identity"
)

//go:embed catalog.json
var catalog string

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where the API listens")
	flag.Parse()
	if err := run(context.Background(), *addr, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string, out io.Writer) error {
	env, err := demo.OpenStigg(catalog)
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
	g, err := gate.New(stigg, identity.FromContext(gate.CustomerFromContext))
	if err != nil {
		return err
	}
	env.Invite(out, listener, tries...)
	server := &http.Server{Handler: newStore().routes(g), ReadHeaderTimeout: 10 * time.Second}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener)) // until SIGTERM
}

var tries = []demo.Try{
	{What: "a file is stored", Command: `curl -i -X PUT -H 'X-API-Key: key-of-acme' -d 'hello' {api}/files/hello.txt`},
	{What: "and read: by its bytes", Command: `curl -i -H 'X-API-Key: key-of-acme' {api}/files/hello.txt`},
	{What: "and deleted, which gives its room back", Command: `curl -i -X DELETE -H 'X-API-Key: key-of-acme' {api}/files/hello.txt`},
	{What: "all errors look alike", Command: `curl -i -H 'X-API-Key: key-of-acme' {api}/files/hello.txt`},
	{What: "files may have 2 MB in acme's plan, and 3 MB all together", Command: `head -c 2500000 /dev/zero > /tmp/large; curl -i -T /tmp/large -H 'X-API-Key: key-of-acme' {api}/files/large`},
}

// mb is bytes in the plan's unit. What is begun of a kB counts whole.
func mb(bytes int64) float64 { return math.Ceil(float64(bytes)/1024) / 1024 }

// routes has authentication in front of the gate, and answers every error by the envelope.
func (s *store) routes(g *gate.Gate) *echo.Echo {
	put := gate.All(gate.Feature("feature-file-size").AsksFunc(uploaded), gate.Feature("feature-storage").UsesFunc(uploaded))
	get := gate.Feature("feature-traffic").Uses(0).MeasuredBy(func(o gate.Outcome) (float64, error) { return mb(o.Bytes), nil })
	remove := gate.Feature("feature-storage").FreesFunc(s.stored)

	e := echo.New()
	e.HideBanner, e.HidePort, e.HTTPErrorHandler = true, true, fail(g)
	e.Use(middleware.Recover(), middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{KeyLookup: "header:X-API-Key", Validator: authenticate}))
	e.PUT("/files/:name", s.put, echostigg.Require(g, put, echostigg.DenyAsError()))
	e.GET("/files/:name", s.get, echostigg.Require(g, get, echostigg.DenyAsError()))
	e.DELETE("/files/:name", s.remove, echostigg.Require(g, remove, echostigg.DenyAsError()))
	return e
}

// envelope is every error of this API.
type envelope struct {
	Error struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Used     string `json:"used,omitempty"`
		Limit    string `json:"limit,omitempty"`
		Instance string `json:"instance,omitempty"` // for support
	} `json:"error"`
}

// fail answers errors: those that handlers return, those of echo, and the gate's denials.
func fail(g *gate.Gate) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		var body envelope
		status, what := http.StatusInternalServerError, (*echo.HTTPError)(nil)
		if errors.As(err, &what) {
			status = what.Code
		}
		body.Error.Code, body.Error.Message = http.StatusText(status), http.StatusText(status)
		if denied := (*echostigg.Denied)(nil); errors.As(err, &denied) {
			d := g.Describe(denied.Decision)
			body.Error.Code, body.Error.Message, body.Error.Used, body.Error.Limit, body.Error.Instance = d.Code, d.Detail, d.Used, d.Limit, d.Instance
		}
		_ = c.JSON(status, body)
	}
}

// customers are the accounts by their API keys. An app has a database, and hashes in it.
var customers = map[string]string{"key-of-acme": "acme", "key-of-globex": "globex"}

func authenticate(key string, c echo.Context) (bool, error) {
	customer, found := customers[key]
	c.SetRequest(c.Request().WithContext(gate.ContextWithCustomer(c.Request().Context(), gate.Customer{ID: customer})))
	return found, nil
}

// store has the files in memory, by customer and name.
type store struct {
	mu    sync.Mutex
	files map[file][]byte
}

type file struct{ customer, name string }

func newStore() *store { return &store{files: map[file][]byte{}} }

// named is the file that the path names, of the customer who asks.
func named(r *http.Request) file {
	customer, _ := gate.CustomerFromContext(r.Context())
	return file{customer.ID, path.Base(r.URL.Path)}
}

// uploaded is what the client says that it sends: the server reads no more than that. A stream of
// unknown length is not taken, for nobody can say whether there is room.
func uploaded(r *http.Request) (float64, error) {
	if r.ContentLength < 0 {
		return 0, &gate.RequestError{Status: http.StatusLengthRequired, Code: "length_required", Detail: "Send the file with a Content-Length."}
	}
	return mb(r.ContentLength), nil
}

// stored is what a file that is there takes, which is given back with it.
func (s *store) stored(r *http.Request) (float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mb(int64(len(s.files[named(r)]))), nil
}

// put stores a file. There is one of each name: another is a 409, which uses nothing.
func (s *store) put(c echo.Context) error {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return echo.NewHTTPError(http.StatusBadRequest)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.files[named(c.Request())]; found {
		return echo.NewHTTPError(http.StatusConflict)
	}
	s.files[named(c.Request())] = body
	return c.NoContent(http.StatusCreated)
}

func (s *store) get(c echo.Context) error {
	s.mu.Lock()
	body, found := s.files[named(c.Request())]
	s.mu.Unlock()
	if !found {
		return echo.NewHTTPError(http.StatusNotFound)
	}
	return c.Stream(http.StatusOK, echo.MIMEOctetStream, bytes.NewReader(body))
}

// remove deletes a file. Of two at once only one finds it, and the other frees nothing.
func (s *store) remove(c echo.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.files[named(c.Request())]; !found {
		return echo.NewHTTPError(http.StatusNotFound)
	}
	delete(s.files, named(c.Request()))
	return c.NoContent(http.StatusNoContent)
}
