package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
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
