package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// route is one route of the API: what it asks of the plan, and what it answers.
type route struct {
	method, pattern string
	policy          gate.Policy
	handler         http.HandlerFunc
}

func api() []route {
	templates := gate.Feature("feature-01-templates")
	return []route{
		{"POST", "/campaigns", gate.Feature("feature-02-campaigns").Uses(1), does("campaign created", http.StatusCreated)},
		{"POST", "/templates", templates.UsesFunc(n), does("templates created", http.StatusCreated)},
		{"DELETE", "/templates", templates.FreesFunc(n), does("templates deleted", http.StatusOK)},
		{"GET", "/analytics", gate.Feature("feature-04-analytics"), does("analytics", http.StatusOK)},
		{"POST", "/upload", gate.Feature("feature-06-max-file-size").AsksFunc(megabytes), upload},
		{"GET", "/cities/{city}", gate.Feature("feature-08-cities").ValuesFunc(city), does("city", http.StatusOK)},
		{"GET", "/health", gate.Public(), does("healthy", http.StatusOK)},
	}
}

// n is the amount that ?n= asks for, 1 without it: a whole number, at least 1, or a client could
// go on for ever at a used-up limit with 0. A query that can't be read whole is refused:
// URL.Query drops what it does not understand, and 1 would be charged.
func n(r *http.Request) (float64, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	values := query["n"]
	if err == nil && len(values) == 0 {
		return 1, nil
	}
	if err == nil && len(values) == 1 {
		amount, err := strconv.ParseUint(values[0], 10, 53)
		if err == nil && amount > 0 {
			return float64(amount), nil
		}
	}
	return 0, &gate.RequestError{Code: "bad_amount", Detail: "n must be one whole number, at least 1."}
}

// megabytes is the size that a request announces.
func megabytes(r *http.Request) (float64, error) {
	if r.ContentLength < 0 || r.ContentLength == 0 && r.Header.Get("Content-Length") == "" {
		return 0, &gate.RequestError{Status: http.StatusLengthRequired, Code: "length_required", Detail: "An upload must say its Content-Length."}
	}
	return float64(r.ContentLength) / 1_000_000, nil
}

// city is the last part of the path. (Gin and echo keep wildcards to themselves.)
func city(r *http.Request) ([]string, error) {
	return []string{strings.TrimPrefix(r.URL.Path, "/cities/")}, nil
}

// does is a handler that works, then answers: {"done": what}. The query makes it
// misbehave: ?sleep=200ms is slow, ?panic=1 panics, ?fail=500 answers that status
// after its work.
func does(what string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := misbehavior(r)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		select {
		case <-time.After(b.sleep):
		case <-r.Context().Done():
		}
		switch {
		case b.panics:
			panic("asked to panic by ?panic")
		case b.fail != 0:
			answer(w, b.fail, map[string]any{"error": "asked to fail by ?fail"})
		default:
			answer(w, status, map[string]any{"done": what})
		}
	}
}

func upload(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "the upload broke off"})
		return
	}
	does("uploaded", http.StatusOK)(w, r)
}

type misbehaves struct {
	sleep  time.Duration
	panics bool
	fail   int
}

func misbehavior(r *http.Request) (b misbehaves, err error) {
	query := r.URL.Query()
	if s := query.Get("sleep"); s != "" {
		if b.sleep, err = time.ParseDuration(s); err != nil || b.sleep > time.Minute {
			return b, fmt.Errorf("sleep must be a duration of at most 1m, such as 200ms")
		}
	}
	if s := query.Get("fail"); s != "" {
		if b.fail, err = strconv.Atoi(s); err != nil || b.fail < 200 || b.fail > 599 {
			return b, fmt.Errorf("fail must be a status from 200 to 599")
		}
	}
	b.panics = query.Get("panic") != ""
	return b, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNoContent && status != http.StatusNotModified {
		_ = json.NewEncoder(w).Encode(body) // the client may have left
	}
}

// recovered answers 500 to a panic. It stands outside of the gate, so that the gate
// sees the panic and releases what was held.
func recovered(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); {
			case p == nil:
			case p == any(http.ErrAbortHandler):
				panic(p) // net/http's own way to break off
			default:
				logger.Error("a handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p)
				answer(w, http.StatusInternalServerError, map[string]any{"error": "internal server error"})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func routerNames() string {
	var names []string
	for name := range routers() {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
