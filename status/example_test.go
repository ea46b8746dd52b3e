package status_test

import (
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/status"
)

// The page is on a port of its own, which the outside can't reach.
func ExampleHandler() {
	var g *gate.Gate // of gate.New

	serve := func() error {
		mux := http.NewServeMux()
		mux.Handle("/status", status.Handler(g))
		return http.ListenAndServe("127.0.0.1:9090", mux)
	}
	_ = serve
}
