package gate

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// behind serves a request through a gate for each policy, the first of them in front.
func behind(g *Gate, r *http.Request, handler func(*http.Request, *int), policies ...Policy) (status int) {
	w := httptest.NewRecorder()
	var serve func(w http.ResponseWriter, r *http.Request, policies []Policy)
	serve = func(w http.ResponseWriter, r *http.Request, policies []Policy) {
		if len(policies) == 0 {
			status := http.StatusOK
			handler(r, &status)
			w.WriteHeader(status)
			return
		}
		g.MustGuard(policies[0]).Serve(Call{Request: r, Writer: w, Route: "/route"},
			func(d Decision) { g.WriteDenial(w, r, d) },
			func(w http.ResponseWriter, r *http.Request) bool { serve(w, r, policies[1:]); return true }, nil)
	}
	serve(w, r, policies)
	return w.Code
}

// TestTwoGatesForTwoCustomersUseOfBoth: what another customer, or another gate, holds is not this one's.
func TestTwoGatesForTwoCustomersUseOfBoth(t *testing.T) {
	stiggs := []*stub{{set: features(metered("f", 0, 5))}, {set: features(metered("f", 0, 5))}}
	one, other := gateOf(t, stiggs[0]), gateOf(t, stiggs[1])
	for name, gates := range map[string][2]*Gate{"one-gate": {one, one}, "two-gates": {one, other}} {
		who := ResolverFunc(func(*http.Request) (Customer, error) { return Customer{ID: name}, nil })
		served := false
		serve(t, gates[0], Feature("f").Uses(2), request("POST", "/", "a"), func(w http.ResponseWriter, r *http.Request) {
			gates[1].MustGuard(Feature("f").Uses(5)).Serve(Call{Request: r, Writer: w, Who: who}, func(d Decision) { t.Errorf("%s: %+v", name, d) },
				func(http.ResponseWriter, *http.Request) bool { served = true; return true }, nil)
		})
		if !served {
			t.Errorf("%s: the handler was not reached", name)
		}
	}
	for _, g := range []*Gate{one, other} {
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if a, b := sum(stiggs[0].usages(), "f"), sum(stiggs[1].usages(), "f"); a != 2+2+5 || b != 5 {
		t.Errorf("%v and %v reported, want 9 and 5", a, b)
	}
}

// TestBareRequestsStillTellWhatIsLeft: WithBareRequests leaves out nothing that clients see.
func TestBareRequestsStillTellWhatIsLeft(t *testing.T) {
	e := metered("f", 1, 5)
	e.Reset, e.PeriodStart, e.PeriodEnd = ResetMonth, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	g := gateOf(t, &stub{set: features(e)}, WithBareRequests(), WithQuotaHeaders(QuotaHeadersDraft))
	w := serve(t, g, Feature("f").Asks(1), request("GET", "/", "a"), func(http.ResponseWriter, *http.Request) {})
	if got := w.Header().Get("RateLimit"); !strings.Contains(got, "r=4") {
		t.Errorf("RateLimit: %q, want 4 left", got)
	}
}

func TestTwoGatesForOneFeatureUseItOnce(t *testing.T) {
	uses := func(n float64) Policy { return Feature("f").Uses(n) }
	var g *Gate
	nothing := func(*http.Request, *int) {}
	use := func(n float64) func(*http.Request, *int) {
		return func(r *http.Request, _ *int) {
			if err := TicketFrom(r.Context()).Use(n); err != nil {
				panic(err)
			}
		}
	}
	for _, tt := range []struct {
		name     string
		method   string
		handler  func(*http.Request, *int)
		policies []Policy
		status   int
		used     map[string]float64
		logged   bool
	}{
		{"the same amount", "POST", nothing, []Policy{uses(2), uses(2)}, 200, map[string]float64{"f": 2}, true},
		{"the larger behind", "POST", nothing, []Policy{uses(1), uses(3)}, 200, map[string]float64{"f": 3}, true},
		{"the larger in front", "POST", nothing, []Policy{uses(3), uses(1)}, 200, map[string]float64{"f": 3}, true},
		{"three gates", "POST", nothing, []Policy{uses(1), uses(3), uses(2)}, 200, map[string]float64{"f": 3}, true},
		{"all that is left, asked for twice", "POST", nothing, []Policy{uses(5), uses(5)}, 200, map[string]float64{"f": 5}, true},
		{"more than is left behind", "POST", nothing, []Policy{uses(1), uses(6)}, 402, nil, false},
		{"the last one, and what is left is asked for", "POST", nothing, []Policy{uses(5), Feature("f")}, 200, map[string]float64{"f": 5}, false},
		{"the first asks only", "POST", nothing, []Policy{Feature("f"), uses(2)}, 200, map[string]float64{"f": 2}, false},
		{"a question of more than is left", "POST", nothing, []Policy{uses(2), Feature("f").Asks(6)}, 402, nil, false},
		{"a question of all", "POST", nothing, []Policy{uses(2), Feature("f").Asks(5)}, 200, map[string]float64{"f": 2}, false},
		{"other features stay", "POST", nothing, []Policy{uses(1), All(uses(2), Feature("g").Uses(4))}, 200, map[string]float64{"f": 2, "g": 4}, true},
		{"other features in front", "POST", nothing, []Policy{All(Feature("g").Uses(4), uses(1)), uses(2)}, 200, map[string]float64{"f": 2, "g": 4}, true},
		{"other features are refused", "POST", nothing, []Policy{uses(1), All(uses(2), Feature("off"))}, 402, nil, false},
		{"any, of which the first part is refused midway", "POST", nothing, []Policy{uses(1), Any(All(uses(4), Feature("off")), Feature("g").Uses(2))}, 200, map[string]float64{"f": 1, "g": 2}, false},
		{"the second looks on", "POST", nothing, []Policy{uses(1), uses(3).Shadow()}, 200, map[string]float64{"f": 1}, false},
		{"the first looks on", "POST", nothing, []Policy{uses(1).Shadow(), uses(3)}, 200, map[string]float64{"f": 3}, false},
		{"HEAD is free in front", "HEAD", nothing, []Policy{uses(1).FreeHead(), uses(3)}, 200, map[string]float64{"f": 3}, false},
		{"HEAD is free behind", "HEAD", nothing, []Policy{uses(1), uses(3).FreeHead()}, 200, map[string]float64{"f": 1}, false},
		{"giving back", "POST", nothing, []Policy{Feature("f").Frees(1), Feature("f").Frees(2)}, 200, map[string]float64{"f": -2}, true},
		{"a wallet", "POST", nothing, []Policy{Credits("coins").Uses(2), Credits("coins").Uses(3)}, 200, map[string]float64{"coins": 3}, true},
		{"all of a wallet", "POST", nothing, []Policy{Credits("coins").Uses(4), Credits("coins").Uses(4)}, 200, map[string]float64{"coins": 4}, true},
		{"more than the wallet has", "POST", nothing, []Policy{Credits("coins").Uses(1), Credits("coins").Uses(5)}, 402, nil, false},
		{"a feature that costs all of the wallet", "POST", nothing, []Policy{Feature("paid").Uses(2), Feature("paid").Uses(2)}, 200, map[string]float64{"paid": 2}, true},
		{"a feature that costs more than the wallet has", "POST", nothing, []Policy{Feature("paid").Uses(1), Feature("paid").Uses(3)}, 402, nil, false},
		{"what is left, behind one that has it all", "POST", nothing, []Policy{uses(5), Feature("f").UsesUpTo(9)}, 200, map[string]float64{"f": 5}, true},
		{"what is left, beyond what the first has", "POST", nothing, []Policy{uses(2), Feature("f").UsesUpTo(9)}, 200, map[string]float64{"f": 5}, true},
		{"all behind what is left", "POST", nothing, []Policy{Feature("f").UsesUpTo(9), uses(5)}, 200, map[string]float64{"f": 5}, true},
		{"what the wallet has left", "POST", nothing, []Policy{Credits("coins").Uses(1), Credits("coins").UsesUpTo(9)}, 200, map[string]float64{"coins": 4}, true},
		{"the handler extends", "POST", func(r *http.Request, _ *int) {
			ticket := TicketFrom(r.Context())
			if err := ticket.Extend(2); err != nil {
				panic(err)
			}
			if ticket.Held() != 5 {
				panic("not all is held")
			}
		}, []Policy{uses(1), uses(3)}, 200, map[string]float64{"f": 5}, true},
		{"the handler asks once more", "POST", func(r *http.Request, _ *int) {
			ticket, ok := g.Enter(httptest.NewRecorder(), r, uses(4))
			if !ok {
				panic("refused")
			}
			if err := ticket.Use(3.5); err != nil {
				panic(err)
			}
			if err := ticket.Settle(); err != nil {
				panic(err)
			}
		}, []Policy{uses(1)}, 200, map[string]float64{"f": 3.5}, true},
		{"the handler fails", "POST", func(_ *http.Request, status *int) { *status = 500 }, []Policy{uses(1), uses(3)}, 500, nil, true},
		{"the handler says how much", "POST", use(4), []Policy{uses(1), uses(3)}, 200, map[string]float64{"f": 4}, true},
		{"the handler says how much, of one of two", "POST", use(4), []Policy{All(uses(1), Feature("g").Uses(1)), uses(1)}, 200, map[string]float64{"f": 4, "g": 1}, true},
		{"the handler says none", "POST", use(0), []Policy{uses(3), uses(1)}, 200, nil, true},
		{"the handler settles, and fails", "POST", func(r *http.Request, status *int) {
			if err := TicketFrom(r.Context()).Settle(); err != nil {
				panic(err)
			}
			if err := TicketFrom(r.Context()).Settle(); !errors.Is(err, ErrSettled) {
				panic("it settles twice")
			}
			*status = 500
		}, []Policy{uses(1), uses(3)}, 500, map[string]float64{"f": 3}, true},
		{"the handler releases", "POST", func(r *http.Request, _ *int) { TicketFrom(r.Context()).Release() }, []Policy{uses(1), uses(3)}, 200, nil, true},
		{"a request of the handler's own is another one", "POST", func(r *http.Request, _ *int) {
			inner := httptest.NewRequest("POST", "/inner", nil).WithContext(r.Context())
			inner.Header = r.Header
			behind(g, inner, nothing, uses(2))
		}, []Policy{uses(1)}, 200, map[string]float64{"f": 3}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: EntitlementSet{
				Features: []Entitlement{
					metered("f", 0, 5), metered("g", 0, 5),
					{FeatureID: "paid", Kind: Metered, Granted: true, Unlimited: true, CreditRate: &CreditRate{CurrencyID: "coins", Amount: 2}},
				},
				Credits: []Credit{{CurrencyID: "coins", Granted: true, Limit: 4}},
			}}
			var log bytes.Buffer
			g = gateOf(t, s, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			r := httptest.NewRequest(tt.method, "/route", nil)
			r.Header.Set("X-Customer-ID", "a")
			if got := behind(g, r, tt.handler, tt.policies...); got != tt.status {
				t.Errorf("answered %d, want %d", got, tt.status)
			}
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
			got, each := map[string]float64{}, 1
			for _, u := range s.usages() {
				id := u.FeatureID + u.Currency
				if _, again := got[id]; again {
					each++
				}
				got[id] += u.Value
			}
			for id, n := range tt.used {
				if got[id] != n {
					t.Errorf("reported %v, want %v", got, tt.used)
				}
			}
			if len(got) != len(tt.used) || (each > 1) != (tt.name == "a request of the handler's own is another one") {
				t.Errorf("reported %v, want %v", got, tt.used)
			}
			if held := g.ledger.Audit(); len(held) > 0 {
				t.Errorf("still held: %v", held)
			}
			if n := strings.Count(log.String(), "two gates on one request"); (n > 0) != tt.logged {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}
