package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/nethttp"
)

// routers builds the same API with each router.
func routers() map[string]func(*gate.Gate) http.Handler {
	return map[string]func(*gate.Gate) http.Handler{
		"nethttp": withNetHTTP,
		"chi":     withChi,
	}
}

func withNetHTTP(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	for _, r := range api() {
		mux.Handle(r.method+" "+r.pattern, nethttp.Require(g, r.policy)(r.handler))
	}
	return mux
}

func withChi(g *gate.Gate) http.Handler {
	router := chi.NewRouter()
	for _, r := range api() {
		router.With(chistigg.Require(g, r.policy)).Method(r.method, r.pattern, r.handler)
	}
	return router
}
