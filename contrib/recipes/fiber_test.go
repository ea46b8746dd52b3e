package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/internal/stubstigg"
)

// nothing is a Stigg that knows nobody.
type nothing struct{}

func (nothing) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Denied: gate.ReasonCustomerNotFound}, nil
}

// listen serves an app over a socket.
func listen(t *testing.T, app *fiber.App) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true})
	}()
	t.Cleanup(func() {
		_ = app.Shutdown()
		<-done
	})
	return "http://" + l.Addr().String()
}

func post(t *testing.T, url, customer string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Customer-ID", customer)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestFiber(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3))
	var routes sync.Map
	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(gate.Observer{Decided: func(_ context.Context, d gate.Decision) { routes.Store(d.Route, true) }}))
	app := fiber.New()
	app.Use(recover.New())
	one := RequireFiber(g, gate.Feature("seats").Uses(1))
	app.Post("/seats/:id", one, func(c fiber.Ctx) error { return c.Status(201).SendString(c.Params("id")) })
	app.Post("/fails", one, func(fiber.Ctx) error { return errors.New("boom") })
	app.Post("/refuses", one, func(fiber.Ctx) error { return fiber.NewError(409, "no") })
	app.Post("/says", one, func(c fiber.Ctx) error { return c.SendStatus(404) })
	app.Post("/panics", one, func(fiber.Ctx) error { panic("boom") })
	app.Post("/amount", one, func(c fiber.Ctx) error { return gate.TicketFrom(c.Context()).Use(2) })
	url := listen(t, app)
	for target, want := range map[string]int{"/fails": 500, "/refuses": 409, "/says": 404, "/panics": 500, "/nowhere": 404} {
		if res := post(t, url+target, "acme"); res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, res.StatusCode, want)
		}
	}
	stigg.Reported(t, "acme", "seats", 0)
	if res := post(t, url+"/amount", "other"); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
	stigg.Reported(t, "other", "seats", 2)

	var created atomic.Int32
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			for status := 429; status == 429; {
				if status = post(t, url+"/seats/7", "acme").StatusCode; status == 201 {
					created.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if created.Load() != 3 {
		t.Errorf("%d created, want 3", created.Load())
	}
	stigg.Reported(t, "acme", "seats", 3)

	res := post(t, url+"/seats/7", "acme")
	body, err := io.ReadAll(res.Body)
	var problem struct{ Code string }
	if err != nil || json.Unmarshal(body, &problem) != nil || res.StatusCode != 402 || problem.Code != "usage_limit_exceeded" || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v %s, %v", res.StatusCode, res.Header, body, err)
	}
	if _, known := routes.Load("/seats/:id"); !known {
		t.Error("the route is not the pattern")
	}
}

// TestFiberTakesPathsInAnyCase as one route, so another customer's path is no way around Agree.
func TestFiberTakesPathsInAnyCase(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 100))
	g := stigg.Gate(identity.Agree(identity.FromTrustedHeader("X-Customer-ID", ""), identity.FromPath("/orgs/{customer}")))
	app := fiber.New()
	app.Post("/orgs/:org", RequireFiber(g, gate.Feature("seats").Uses(1)), func(c fiber.Ctx) error { return c.SendString(c.Params("org")) })
	url := listen(t, app)
	for target, want := range map[string]int{"/orgs/acme": 200, "/orgs/victim": 403, "/ORGS/victim": 401, "/Orgs/acme": 401} {
		if res := post(t, url+target, "acme"); res.StatusCode != want {
			body, _ := io.ReadAll(res.Body)
			t.Errorf("%s: got %d %s, want %d", target, res.StatusCode, body, want)
		}
	}
}

// TestFiberKeepsNothingOfARequest has customers take turns on one connection: fiber reads them all into the
// same memory.
func TestFiberKeepsNothingOfARequest(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 100))
	var hosts sync.Map
	who := identity.FromTrustedHeader("X-Customer-ID", "")
	g := stigg.Gate(gate.ResolverFunc(func(r *http.Request) (gate.Customer, error) {
		hosts.Store(r.Method+" "+r.RequestURI+" "+r.URL.Path+" "+r.Host+" "+r.Header.Get("X-Customer-ID"), true)
		return who.Resolve(r)
	}))
	app := fiber.New()
	app.Post("/:name", RequireFiber(g, gate.Feature("seats").Uses(1)), func(fiber.Ctx) error { return nil })
	url := listen(t, app)
	host := strings.TrimPrefix(url, "http://")
	for i := range 40 {
		post(t, url+fmt.Sprintf("/name-%d", i%4), fmt.Sprintf("customer-%d", i%4))
	}
	for i := range 4 {
		stigg.Reported(t, fmt.Sprintf("customer-%d", i), "seats", 10)
		want := fmt.Sprintf("POST /name-%d /name-%d %s customer-%d", i, i, host, i)
		if _, seen := hosts.Load(want); !seen {
			t.Errorf("%q has changed", want)
		}
	}
}

func TestFiberTellsTheGateAllThatWasSent(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("bytes", 100))
	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""))
	app := fiber.New()
	app.Post("/", RequireFiber(g, gate.Feature("bytes").UsesFunc(func(r *http.Request) (float64, error) { return float64(r.ContentLength), nil })), func(c fiber.Ctx) error {
		return c.Send(c.Body())
	})
	url := listen(t, app)
	for name, tt := range map[string]struct {
		body      io.Reader
		customers []string
		status    int
		billed    float64
	}{
		"a body":                  {strings.NewReader("0123456789"), []string{"one"}, 200, 10},
		"a body without a length": {io.MultiReader(strings.NewReader("0123456789")), []string{"two"}, 200, 10},
		"no body":                 {http.NoBody, []string{"three"}, 200, 0},
		"two customers":           {strings.NewReader("0123456789"), []string{"four", "five"}, 401, 0},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, tt.body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["X-Customer-Id"] = tt.customers
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tt.status {
			t.Errorf("%s: got %d, want %d", name, res.StatusCode, tt.status)
		}
		stigg.Reported(t, tt.customers[len(tt.customers)-1], "bytes", tt.billed)
	}
}

func TestFiberTellsTheGateWhatIsAnswered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]fiber.Handler{
		"a body":                 func(c fiber.Ctx) error { return c.SendString("0123456789") },
		"a file":                 func(c fiber.Ctx) error { return c.SendFile(file) },
		"a stream with a length": func(c fiber.Ctx) error { return c.SendStream(strings.NewReader("0123456789"), 10) },
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			stigg := stubstigg.New(gate.Entitlement{
				FeatureID: "bytes", Kind: gate.Metered, Granted: true, Limit: 100,
				Reset: gate.ResetMonth, PeriodStart: now.Add(-time.Hour), PeriodEnd: now.Add(time.Hour),
			})
			g := stigg.Gate(t, gate.WithQuotaHeaders(gate.QuotaHeadersLegacy))
			app := fiber.New()
			app.Post("/", RequireFiber(g, gate.Feature("bytes").Uses(0).MeasuredBy(gate.ResponseBytes(1))), answer)
			res := post(t, listen(t, app), "acme")
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "0123456789" || len(res.Header["X-Ratelimit-Limit"]) != 1 {
				t.Errorf("got %q %v, %v", body, res.Header, err)
			}
			if n := stigg.Billed(t, g); n != 10 {
				t.Errorf("%v billed, want 10", n)
			}
		})
	}
}
