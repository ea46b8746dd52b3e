package main

import (
	"net/http"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/examples/internal/exampletest"
)

func TestTheExample(t *testing.T) {
	exampletest.Routes(t, func(g *gate.Gate) (http.Handler, error) { return routes(g), nil })
}
