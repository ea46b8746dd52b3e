// Package routers builds the four routers, bare and with a gate in front of their routes.
package routers

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

// Router is one of the four.
type Router struct {
	Name string
	// Build serves the routes.
	Build func(Site) http.Handler
}

// Site is what a router serves.
type Site struct {
	// Methods and Paths are the routes: each path for each method.
	Methods, Paths []string
	Handler        http.HandlerFunc
	// Gate is in front of the routes, nil: nobody is.
	Gate *gate.Gate
	// Policy is in front of each route (Require), unless there is a Table (Routes), whose rest is public.
	Policy gate.Policy
	Table  gate.Table
	// Nothing puts a middleware that does nothing in front of the routes, in a gate's place.
	Nothing bool
}

// All are the four.
func All() []Router {
	gin.SetMode(gin.ReleaseMode)
	return []Router{{"net/http", netHTTP}, {"chi", chiRouter}, {"gin", ginEngine}, {"echo", echoServer}}
}

// each calls f with each route.
func (s Site) each(f func(method, path string)) {
	for _, path := range s.Paths {
		for _, method := range s.Methods {
			f(method, path)
		}
	}
}

func netHTTP(s Site) http.Handler {
	mux := http.NewServeMux()
	var h http.Handler = s.Handler
	switch {
	case s.Nothing:
		h = nothing(h)
	case s.Gate != nil && s.Table == nil:
		h = nethttp.Require(s.Gate, s.Policy)(h)
	}
	s.each(func(method, path string) { mux.Handle(method+" "+path, h) })
	if s.Gate != nil && s.Table != nil {
		return nethttp.Routes(s.Gate, mux, s.Table, gate.PublicRest)
	}
	return mux
}

// nothing hands on.
func nothing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
}

func chiRouter(s Site) http.Handler {
	var r chi.Router = chi.NewRouter()
	root := r
	switch {
	case s.Nothing:
		r = r.With(nothing)
	case s.Gate == nil:
	case s.Table != nil:
		r.Use(chistigg.Routes(s.Gate, s.Table, gate.PublicRest))
	default:
		r = r.With(chistigg.Require(s.Gate, s.Policy))
	}
	s.each(func(method, path string) { r.MethodFunc(method, path, s.Handler) })
	return root
}

func ginEngine(s Site) http.Handler {
	e := gin.New()
	handlers := []gin.HandlerFunc{func(c *gin.Context) { s.Handler(c.Writer, c.Request) }}
	switch {
	case s.Nothing:
		handlers = append([]gin.HandlerFunc{func(c *gin.Context) { c.Next() }}, handlers...)
	case s.Gate == nil:
	case s.Table != nil:
		e.Use(ginstigg.Routes(s.Gate, s.Table, gate.PublicRest))
	default:
		handlers = append([]gin.HandlerFunc{ginstigg.Require(s.Gate, s.Policy)}, handlers...)
	}
	s.each(func(method, path string) { e.Handle(method, path, handlers...) })
	return e
}

func echoServer(s Site) http.Handler {
	e := echo.New()
	var require []echo.MiddlewareFunc
	switch {
	case s.Nothing:
		require = append(require, func(next echo.HandlerFunc) echo.HandlerFunc { return func(c echo.Context) error { return next(c) } })
	case s.Gate == nil:
	case s.Table != nil:
		e.Use(echostigg.Routes(s.Gate, s.Table, gate.PublicRest))
	default:
		require = append(require, echostigg.Require(s.Gate, s.Policy))
	}
	handler := func(c echo.Context) error {
		s.Handler(c.Response(), c.Request())
		return nil
	}
	s.each(func(method, path string) { e.Add(method, path, handler, require...) })
	return e
}
