package echostigg_test

import (
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

// TestAHandlerThatIsNilIsToldAtTheFirstRequest, whoever sends it.
func TestAHandlerThatIsNilIsToldAtTheFirstRequest(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	e := echo.New()
	e.GET("/", nil, echostigg.Require(g, gate.Feature("on")))
	panics(t, "echostigg: the handler is nil", func() { e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
}

func TestOptionsThatAreNilAreToldWhenARouteIsRegistered(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	panics(t, "echostigg: the option is nil", func() { echostigg.Require(g, gate.Feature("on"), nil) })
	panics(t, "echostigg: the function of WithStatus is nil", func() { echostigg.Require(g, gate.Feature("on"), echostigg.WithStatus(nil)) })
}

func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if p := recover(); p != want {
			t.Errorf("it says %v, want %s", p, want)
		}
	}()
	f()
}
