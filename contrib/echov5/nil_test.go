package echov5_test

import (
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/echov5"
	"github.com/stiggate/gate/internal/stubstigg"
)

func TestAHandlerThatIsNilIsToldWhenItIsRegistered(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	panics(t, "echov5: the handler is nil", func() { echov5.Require(g, gate.Feature("on"))(nil) })
}

func TestOptionsThatAreNilAreToldWhenARouteIsRegistered(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	panics(t, "echov5: the option is nil", func() { echov5.Require(g, gate.Feature("on"), nil) })
	panics(t, "echov5: the function of WithStatus is nil", func() { echov5.Require(g, gate.Feature("on"), echov5.WithStatus(nil)) })
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
