package main

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/nethttp"
)

// routers builds the same API with each router.
func routers() map[string]func(*gate.Gate) http.Handler {
	return map[string]func(*gate.Gate) http.Handler{
		"nethttp": withNetHTTP,
		"chi":     withChi,
		"gin":     withGin,
		"echo":    withEcho,
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

func withGin(g *gate.Gate) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	for _, r := range api() {
		router.Handle(r.method, colon(r.pattern), ginstigg.Require(g, r.policy), gin.WrapF(r.handler))
	}
	return router
}

func withEcho(g *gate.Gate) http.Handler {
	e := echo.New()
	for _, r := range api() {
		e.Add(r.method, colon(r.pattern), echo.WrapHandler(r.handler), echostigg.Require(g, r.policy))
	}
	return e
}

// colon spells a pattern as gin and echo do: /cities/:city.
func colon(pattern string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(pattern)
}
