package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed static
var files embed.FS

// servePage serves the page until ctx ends.
func servePage(ctx context.Context, c *cluster, addr string, out io.Writer) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	streams, end := context.WithCancel(ctx) // they would run on
	defer end()
	server := &http.Server{Handler: newPage(streams, c), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(end)
	fmt.Fprintf(out, "The page is at http://%s\n", l.Addr())
	fmt.Fprintf(out, "The emulator's console is at %s\n", c.stigg.URL())
	fmt.Fprintf(out, "The API is at %s\n", c.api)
	fmt.Fprintf(out, "Try, beside the page's buttons:\n  curl -i -X POST -H '%s: %s' %s%s\n", customerHeader, c.present().customer, c.api, route)
	fmt.Fprintln(out, "Ctrl-C stops.")
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

// page is what the browser is served.
type page struct {
	cluster *cluster
	ctx     context.Context // of what the buttons begin, and of the streams
}

func newPage(ctx context.Context, c *cluster) http.Handler {
	p := &page{c, ctx}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", file("static/index.html"))
	for _, name := range []string{"fleet.css", "fleet.js", "chart.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, file("static/"+name))
	}
	mux.HandleFunc("GET /events", p.stream)
	mux.HandleFunc("POST /do/burst", p.does("sends 300 requests to each replica", func() error { return p.send(func() { c.burst(ctx, 300) }) }))
	mux.HandleFunc("POST /do/spread", p.does("sends 30 requests through the balancer", func() error { return p.send(func() { c.spread(ctx, 30) }) }))
	mux.HandleFunc("POST /do/customer", p.does("", c.newCustomer))
	mux.HandleFunc("POST /do/redis/kill", p.does("kills Redis", c.redis.kill))
	mux.HandleFunc("POST /do/redis/start", p.does("starts Redis with its file", func() error { return c.redis.start(ctx) }))
	mux.HandleFunc("POST /do/redis/empty", p.does("starts Redis without its file", func() error {
		return errors.Join(c.redis.forget(), c.redis.start(ctx))
	}))
	for i, r := range c.replicas {
		at := "POST /do/replica/" + strconv.Itoa(i+1)
		mux.HandleFunc(at+"/kill", p.does("kills "+r.name, r.kill))
		mux.HandleFunc(at+"/start", p.does("starts "+r.name, r.start))
		mux.HandleFunc(at+"/cut", p.does("cuts "+r.name+" off from Redis", r.link.cut))
		mux.HandleFunc(at+"/heal", p.does("heals the network of "+r.name, r.link.heal))
	}
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

// headers lets the page load only what is its own.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) }
}

// does is a button: it does something, and the log says so.
func (p *page) does(what string, do func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if what != "" {
			p.cluster.journal.say("you", "INFO", what)
		}
		if err := do(); err != nil {
			p.cluster.journal.say("you", "ERROR", strings.ReplaceAll(err.Error(), "\n", "; "))
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// send sends requests, if none are under way.
func (p *page) send(all func()) error {
	if !p.cluster.sending.CompareAndSwap(0, 1) {
		return errors.New("requests are under way")
	}
	go func() {
		defer p.cluster.sending.Add(-1)
		all()
	}()
	return nil
}

// stream sends the view whenever it has changed.
func (p *page) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last string
	for quiet := 0; ; quiet++ {
		now, err := json.Marshal(p.cluster.view())
		if err != nil {
			return
		}
		if string(now) != last || quiet > 100 { // a client that left is noticed
			last, quiet = string(now), 0
			if _, err := fmt.Fprintf(w, "data: %s\n\n", now); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-p.ctx.Done():
			return
		}
	}
}
