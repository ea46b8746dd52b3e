package nethttp_test

import (
	"net/http"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

func TestWhatIsNilIsToldWhenItIsRegistered(t *testing.T) {
	g := gatetest.New(t).Gate(identity.Nobody())
	for name, tt := range map[string]struct {
		want     string
		register func()
	}{
		"no handler":                       {"nethttp: the handler is nil", func() { nethttp.Require(g, gate.Public())(nil) }},
		"a function that is nil":           {"nethttp: the handler is nil", func() { nethttp.Require(g, gate.Public())(http.HandlerFunc(nil)) }},
		"a mux that is a nil pointer":      {"nethttp: the handler is nil", func() { nethttp.Require(g, gate.Public())((*http.ServeMux)(nil)) }},
		"no mux behind a table":            {"nethttp: the mux is nil", func() { nethttp.Routes(g, nil, gate.Table{"GET /": gate.Public()}, gate.DenyRest) }},
		"no handler behind what drops h2c": {"nethttp: the handler is nil", func() { nethttp.DropH2C(nil) }},
	} {
		func() {
			defer func() {
				if p := recover(); p != tt.want {
					t.Errorf("%s: it says %v, want %s", name, p, tt.want)
				}
			}()
			tt.register()
		}()
	}
}
