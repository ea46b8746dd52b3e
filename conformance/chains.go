package conformance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

// settleRows are handlers that use their ticket.
func settleRows(a Adapter) []row {
	ticket := func(r *http.Request) *gate.Ticket { return gate.TicketFrom(r.Context()) }
	settle := func(w http.ResponseWriter, r *http.Request) {
		if err := ticket(r).Settle(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		status  int
		uses    uses
	}{
		{"settled early, then failed", func(w http.ResponseWriter, r *http.Request) { settle(w, r); w.WriteHeader(500) }, 500, uses{"many": 2}},
		{"settled early, then panicked", func(w http.ResponseWriter, r *http.Request) { settle(w, r); panic("boom") }, 0, uses{"many": 2}},
		{"released early, then succeeded", func(_ http.ResponseWriter, r *http.Request) { ticket(r).Release() }, 200, nil},
		{"settled twice", func(w http.ResponseWriter, r *http.Request) {
			settle(w, r)
			if !errors.Is(ticket(r).Settle(), gate.ErrSettled) {
				w.WriteHeader(500)
			}
		}, 200, uses{"many": 2}},
		{"settled, then released", func(w http.ResponseWriter, r *http.Request) { settle(w, r); ticket(r).Release() }, 200, uses{"many": 2}},
		{"an amount, then settled early", func(w http.ResponseWriter, r *http.Request) { _ = ticket(r).Use(7); settle(w, r) }, 200, uses{"many": 7}},
		{"an amount after the end", func(w http.ResponseWriter, r *http.Request) {
			settle(w, r)
			if !errors.Is(ticket(r).Use(7), gate.ErrSettled) {
				w.WriteHeader(500)
			}
		}, 200, uses{"many": 2}},
		{"the decision in the ticket", func(w http.ResponseWriter, r *http.Request) {
			if d := ticket(r).Decision(); !d.Allowed || d.Customer.ID != "payer" || d.FeatureID != "many" || d.Requested != 2 {
				w.WriteHeader(500)
			}
		}, 200, uses{"many": 2}},
	}
	var rows []row
	for _, tt := range tests {
		rows = append(rows, row{"tickets", tt.name, func(t testing.TB) {
			b := a.guarded(t, http1, route("POST", "/", manyTwo(), tt.handler))
			b.get(t, "POST", "/").wants(t, tt.status)
			b.bills(t, tt.uses)
			if n := len(b.seen.settled); n != 1 {
				t.Errorf("settled %d times", n)
			}
		}})
	}
	return rows
}

// chainRows are what is in front of a gate, and gates behind gates.
func chainRows(a Adapter) []row {
	return []row{
		{"chains", "the context's values go through", func(t testing.TB) {
			for _, p := range []gate.Policy{gate.Public(), gate.Feature("on"), manyTwo()} {
				valuesGoThrough(t, a, p)
			}
		}},
		{"chains", "the request is restored after the gate", func(t testing.TB) {
			for _, p := range []gate.Policy{gate.Public(), gate.Feature("on"), manyTwo(), gate.Feature("off")} {
				restored(t, a, p)
			}
		}},
		{"chains", "two gates of two features charge both", func(t testing.TB) {
			b := a.guarded(t, http1, Route{Method: "POST", Pattern: "/", Policies: []gate.Policy{manyTwo(), gate.Feature("other").Uses(3)}, Handler: answerStatus})
			b.get(t, "POST", "/?status=201").wants(t, 201)
			b.bills(t, uses{"many": 2, "other": 3})
		}},
		{"chains", "two gates of one feature charge once", func(t testing.TB) {
			b := a.guarded(t, http1, Route{Method: "POST", Pattern: "/", Policies: []gate.Policy{manyTwo(), manyTwo()}, Handler: answerStatus})
			b.get(t, "POST", "/").wants(t, 200)
			b.bills(t, uses{"many": 2})
		}},
		{"chains", "what the inner gate refuses the outer one does not charge", func(t testing.TB) {
			ran := false
			b := a.guarded(t, http1, Route{
				Method: "POST", Pattern: "/", Policies: []gate.Policy{manyTwo(), gate.Feature("off")},
				Handler: func(http.ResponseWriter, *http.Request) { ran = true },
			})
			got := b.get(t, "POST", "/")
			got.wants(t, 402)
			if ran || got.code != "feature_not_in_plan" || strings.Count(string(got.body), "\n") != 1 {
				t.Errorf("handler ran %v, got %s", ran, got.body)
			}
			b.bills(t, nil)
		}},
		{"chains", "two gates and a failure charge nothing", func(t testing.TB) {
			b := a.guarded(t, http1, Route{Method: "POST", Pattern: "/", Policies: []gate.Policy{manyTwo(), gate.Feature("other").Uses(3)}, Handler: answerStatus})
			b.get(t, "POST", "/?status=500").wants(t, 500)
			b.bills(t, nil)
		}},
		{"chains", "a denial is the whole answer", func(t testing.TB) {
			var ran, after int
			denied := route("POST", "/", gate.Feature("off").Uses(1), func(w http.ResponseWriter, _ *http.Request) {
				ran++
				_, _ = io.WriteString(w, "the goods")
			})
			denied.Before = func(_ http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) { next(r); after++ }
			b := a.guarded(t, http1, denied)
			if got := b.get(t, "POST", "/"); got.status != 402 || strings.Contains(string(got.body), "goods") || ran != 0 || after != 1 {
				t.Errorf("got %d %s; the handler ran %d times, the middleware in front went on %d times", got.status, got.body, ran, after)
			}
			b.bills(t, nil)
		}},
	}
}

type valueKey struct{}

func valuesGoThrough(t testing.TB, a Adapter, p gate.Policy) {
	var value any
	var ticket *gate.Ticket
	guarded := route("POST", "/", p, func(_ http.ResponseWriter, r *http.Request) {
		value, ticket = r.Context().Value(valueKey{}), gate.TicketFrom(r.Context())
	})
	guarded.Before = func(_ http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		next(r.WithContext(context.WithValue(r.Context(), valueKey{}, "kept")))
	}
	b := a.guarded(t, http1, guarded)
	b.get(t, "POST", "/").wants(t, 200)
	b.finish(t)
	if value != "kept" {
		t.Errorf("the handler's context has %v of the middleware before the gate", value)
	}
	if reports := b.stigg.reported("many") == 2; (ticket != nil) != reports {
		t.Errorf("there is a ticket: %v, and usage: %v", ticket != nil, reports)
	}
}

func restored(t testing.TB, a Adapter, p gate.Policy) {
	var before, after *http.Request
	guarded := route("POST", "/", p, answerStatus)
	guarded.Before = func(_ http.ResponseWriter, r *http.Request, next func(*http.Request) *http.Request) {
		before = r.WithContext(context.WithValue(r.Context(), valueKey{}, "kept"))
		after = next(before)
	}
	b := a.guarded(t, http1, guarded)
	b.get(t, "POST", "/")
	b.finish(t)
	switch {
	case after != before:
		t.Error("after the gate there is another request than before")
	case gate.TicketFrom(after.Context()) != nil:
		t.Error("the ticket is in the request in front of the gate")
	}
}
