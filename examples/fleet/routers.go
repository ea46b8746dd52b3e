package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/chistigg"
	"github.com/stiggate/gate/echostigg"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/nethttp"
)

// routers are what a replica may be built with: each serves one route, of POST, behind a policy.
var routers = map[string]func(g *gate.Gate, path string, p gate.Policy, h http.HandlerFunc) http.Handler{
	"nethttp": func(g *gate.Gate, path string, p gate.Policy, h http.HandlerFunc) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("POST "+path, nethttp.Require(g, p)(h))
		return mux
	},
	"chi": func(g *gate.Gate, path string, p gate.Policy, h http.HandlerFunc) http.Handler {
		router := chi.NewRouter()
		router.With(chistigg.Require(g, p)).Post(path, h)
		return router
	},
	"gin": func(g *gate.Gate, path string, p gate.Policy, h http.HandlerFunc) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		router := gin.New()
		router.POST(path, ginstigg.Require(g, p), gin.WrapF(h))
		return router
	},
	"echo": func(g *gate.Gate, path string, p gate.Policy, h http.HandlerFunc) http.Handler {
		e := echo.New()
		e.POST(path, echo.WrapHandler(h), echostigg.Require(g, p))
		return e
	},
}
