package redisgate_test

import (
	"net/http"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/nethttp"
)

// TestTwoReplicasHaveOneLimit is of net/http. examples/fleet has a test of it with each of the routers.
func TestTwoReplicasHaveOneLimit(t *testing.T) {
	s := newServer(t)
	if err := redisgate.Provision(t.Context(), s.client()); err != nil {
		t.Fatal(err)
	}
	router := func(g *gate.Gate, routes []conformance.Route) http.Handler {
		mux := http.NewServeMux()
		for _, r := range routes {
			mux.Handle(r.Method+" "+r.Pattern, nethttp.Require(g, r.Policies[0])(r.Handler))
		}
		return mux
	}
	conformance.RunBurst(t, conformance.Adapter{Guarded: router}, func(t testing.TB) fleet.Fleet {
		store, err := redisgate.New(t.Context(), s.client())
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}
