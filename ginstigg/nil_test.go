package ginstigg_test

import (
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

// TestAHandlerThatIsNilIsToldAtTheFirstRequest, whoever sends it.
func TestAHandlerThatIsNilIsToldAtTheFirstRequest(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	engine := gin.New()
	engine.GET("/", ginstigg.Require(g, gate.Feature("on")), nil)
	engine.Use(ginstigg.Routes(g, gate.Table{"GET /listed": gate.Feature("on")}, gate.DenyRest))
	engine.GET("/listed", nil)
	for _, path := range []string{"/", "/listed"} {
		func() {
			defer func() {
				if p := recover(); p != "ginstigg: the handler is nil" {
					t.Errorf("%s: it says %v", path, p)
				}
			}()
			engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		}()
	}
}

// TestAMiddlewareThatIsCalledByItself has no route, and no handler to ask for.
func TestAMiddlewareThatIsCalledByItself(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = stubstigg.Request("GET", "/")
	if ginstigg.Require(g, gate.Feature("on"))(c); c.IsAborted() || w.Code != 200 {
		t.Errorf("answered %d", w.Code)
	}
}
