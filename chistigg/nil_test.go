package chistigg_test

import (
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/internal/stubstigg"
)

func TestAHandlerThatIsNilIsToldWhenItIsRegistered(t *testing.T) {
	g, _ := stubstigg.NewGate(t)
	defer func() {
		if p := recover(); p != "chistigg: the handler is nil" {
			t.Errorf("it says %v", p)
		}
	}()
	chi.NewRouter().With(chistigg.Require(g, gate.Feature("on"))).Get("/", nil)
}
