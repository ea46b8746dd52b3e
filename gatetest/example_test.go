package gatetest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// The app: one route on each router.
var invite = gate.Feature("seats").Uses(1)

func onNetHTTP(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /seats", nethttp.Require(g, invite)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
	})))
	return mux
}

func onChi(g *gate.Gate) http.Handler {
	r := chi.NewRouter()
	r.With(chistigg.Require(g, invite)).Post("/seats", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	return r
}

func onGin(g *gate.Gate) http.Handler {
	gin.SetMode(gin.TestMode)
	e := gin.New()
	e.POST("/seats", ginstigg.Require(g, invite), func(c *gin.Context) { c.Status(http.StatusCreated) })
	return e
}

func onEcho(g *gate.Gate) http.Handler {
	e := echo.New()
	e.POST("/seats", func(c echo.Context) error { return c.NoContent(http.StatusCreated) }, echostigg.Require(g, invite))
	return e
}

func post(app http.Handler, customer string) int {
	r, w := httptest.NewRequest(http.MethodPost, "/seats", nil), httptest.NewRecorder()
	r.Header.Set("X-Customer-ID", customer)
	app.ServeHTTP(w, r)
	return w.Code
}

// TestTheExamplesRun is the test that Example prints, on each router.
func TestTheExamplesRun(t *testing.T) {
	for name, app := range map[string]func(*gate.Gate) http.Handler{"net/http": onNetHTTP, "chi": onChi, "gin": onGin, "echo": onEcho} {
		t.Run(name, func(t *testing.T) { seats(t, app) })
	}
}

// seats tests an app: three seats are let in, a fourth is not, and a customer without a
// subscription has none.
func seats(t *testing.T, app func(*gate.Gate) http.Handler) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3))
	stigg.Customer("poor").Denied(gate.ReasonNoSubscription)
	routes := app(stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", "")))
	for _, want := range []int{201, 201, 201, 402} {
		if got := post(routes, "acme"); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if got := post(routes, "poor"); got != 402 {
		t.Errorf("got %d without a subscription", got)
	}
	stigg.Reported(t, "acme", "seats", 3)
}

// A test of an app on net/http; on other routers it is the same.
func Example() {
	// In a _test.go file this is func TestSeats(t *testing.T).
	_ = func(t *testing.T) {
		stigg := gatetest.New(t).Plan("free", gatetest.Metered("seats", 3))
		stigg.Customer("poor").Denied(gate.ReasonNoSubscription)
		app := onNetHTTP(stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", "")))
		if got := post(app, "acme"); got != http.StatusCreated {
			t.Errorf("got %d", got)
		}
		if got := post(app, "poor"); got != http.StatusPaymentRequired {
			t.Errorf("got %d without a subscription", got)
		}
		stigg.Reported(t, "acme", "seats", 1)
	}
}
