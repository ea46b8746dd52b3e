package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// billed serves one request and returns what was reported of it.
func billed(t *testing.T, p Policy, r *http.Request, handler http.HandlerFunc) []Usage {
	t.Helper()
	s := &stub{set: EntitlementSet{Features: []Entitlement{metered("f", 0, 100)}, Credits: []Credit{{CurrencyID: "tokens", Limit: 50}}}}
	g := gateOf(t, s)
	func() {
		defer func() { _ = recover() }()
		serve(t, g, p, r, handler)
	}()
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := g.Stats(); st.Open+st.Queued != 0 {
		t.Errorf("left behind: %+v", st)
	}
	return s.usages()
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestWhatIsBilled(t *testing.T) {
	uses := Feature("f").Uses(5)
	boom := errors.New("boom")
	gone := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r.Context().Value(leaveKey{}).(context.CancelFunc)()
			then(w, r)
		}
	}
	use := func(n float64) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { _ = TicketFrom(r.Context()).Use(n) }
	}
	write := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, n)) }
	}
	bills := func(n float64, err error) MeasureFunc { return func(Outcome) (float64, error) { return n, err } }
	tests := []struct {
		name    string
		policy  Policy
		handler http.HandlerFunc
		value   float64 // 0: nothing
		excess  float64
	}{
		{"success", uses, status(200), 5, 0},
		{"failure", uses, status(400), 0, 0},
		{"more than was held", uses, use(8), 8, 3},
		{"less than was held", uses, use(2), 2, 0},
		{"one of the statuses", uses.ReportOn(200, 409), status(409), 5, 0},
		{"none of the statuses", uses.ReportOn(200, 409), status(201), 0, 0},
		{"a panic on one of the statuses", uses.ReportOn(200), func(http.ResponseWriter, *http.Request) { panic(boom) }, 0, 0},
		{"by the bytes", Feature("f").Uses(0).MeasuredBy(ResponseBytes(100)), write(250), 2.5, 2.5},
		{"by the bytes of a failure", Feature("f").Uses(0).MeasuredBy(ResponseBytes(100)), func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); write(250)(w, r) }, 0, 0},
		{"by a function", uses.MeasuredBy(bills(7, nil)), status(200), 7, 2},
		{"by a function, nothing", uses.MeasuredBy(bills(0, nil)), status(200), 0, 0},
		{"by a function, but the handler knows better", uses.MeasuredBy(bills(7, nil)), use(3), 3, 0},
		{"by a function that fails", uses.MeasuredBy(bills(7, boom)), status(200), 5, 0},
		{"by a function that says NaN", uses.MeasuredBy(bills(math.NaN(), nil)), status(200), 5, 0},
		{"by a function that says -1", uses.MeasuredBy(bills(-1, nil)), status(200), 5, 0},
		{"by a function that says 1e308", uses.MeasuredBy(bills(1e308, nil)), status(200), 5, 0},
		{"by a function that panics", uses.MeasuredBy(func(Outcome) (float64, error) { panic(boom) }), status(200), 0, 0},
		{"the handler says NaN", uses, use(math.NaN()), 5, 0},
		{"the handler says infinity", uses, use(math.Inf(1)), 5, 0},
		{"the handler says 1e308", uses, use(1e308), 5, 0},
		{"the handler says -1", uses, use(-1), 5, 0},

		{"the client leaves", uses, gone(status(200)), 5, 0},
		{"the client leaves a stream that counted 3", uses, gone(use(3)), 3, 0},
		{"the client leaves, all is billed", uses.OnClientGone(BillAsked), gone(use(3)), 5, 0},
		{"the client leaves, all is billed and more", uses.OnClientGone(BillAsked), gone(use(9)), 9, 4},
		{"the client leaves, nothing is billed", uses.OnClientGone(BillNothing), gone(use(3)), 0, 0},
		{"the client stays, so nothing is all", uses.OnClientGone(BillNothing), use(3), 3, 0},
		{"the client stays, so all is what was used", uses.OnClientGone(BillAsked), use(3), 3, 0},
		{"the client leaves and the handler fails", uses.OnClientGone(BillAsked), gone(status(500)), 0, 0},
		{"giving back, the client leaves", Feature("f").Frees(2).OnClientGone(BillAsked), gone(use(1)), -2, 0},

		{"settled early, then a failure", uses, func(w http.ResponseWriter, r *http.Request) {
			_ = TicketFrom(r.Context()).Settle()
			w.WriteHeader(500)
		}, 5, 0},
		{"settled early, then more", uses, func(_ http.ResponseWriter, r *http.Request) {
			ticket := TicketFrom(r.Context())
			if ticket.Settle() != nil || !errors.Is(ticket.Settle(), ErrSettled) || !errors.Is(ticket.Use(9), ErrSettled) {
				panic(boom)
			}
		}, 5, 0},
		{"settled early, then a panic", uses, func(_ http.ResponseWriter, r *http.Request) {
			_ = TicketFrom(r.Context()).Settle()
			panic(boom)
		}, 5, 0},
		{"released, then a success", uses, func(_ http.ResponseWriter, r *http.Request) { TicketFrom(r.Context()).Release() }, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := request("GET", "/", "c")
				ctx, leave := context.WithCancel(r.Context())
				defer leave()
				reported := billed(t, tt.policy, r.WithContext(context.WithValue(ctx, leaveKey{}, leave)), tt.handler)
				switch {
				case tt.value == 0 && len(reported) != 0:
					t.Errorf("reported %+v, want nothing", reported)
				case tt.value != 0 && (len(reported) != 1 || reported[0].Value != tt.value || reported[0].Excess != tt.excess):
					t.Errorf("reported %+v, want %v, %v of it in excess", reported, tt.value, tt.excess)
				}
			})
		})
	}
}

type leaveKey struct{}

func TestTheOutcomeTellsTheTimeAndWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []Outcome
		look := func(o Outcome) (float64, error) { seen = append(seen, o); return o.Duration.Seconds(), nil }
		p := Feature("f").Uses(1).MeasuredBy(look).ReportIf(func(o Outcome) bool { seen = append(seen, o); return true })
		ctx, leave := context.WithCancel(t.Context())
		reported := billed(t, p, request("GET", "/", "c").WithContext(ctx), func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 10))
			time.Sleep(3 * time.Second)
			leave()
		})
		if len(reported) != 1 || reported[0].Value != 3 {
			t.Errorf("reported %+v, want 3 seconds", reported)
		}
		for _, o := range seen {
			if !o.ClientGone || o.Duration != 3*time.Second || o.Bytes != 10 || o.Status != 200 {
				t.Errorf("got %+v", o)
			}
		}
		if len(seen) != 2 {
			t.Errorf("asked %d times, want 2", len(seen))
		}
	})
}

func TestTheHandlerMayLeaveWorkThatSettles(t *testing.T) {
	s := &stub{set: features(metered("f", 0, 1e9))}
	g := gateOf(t, s)
	p := Feature("f").Uses(5).MeasuredBy(func(Outcome) (float64, error) { return 7, nil })
	for i := range 1000 {
		done := make(chan struct{})
		serve(t, g, p, request("GET", "/", "c"), func(_ http.ResponseWriter, r *http.Request) {
			ticket := TicketFrom(r.Context())
			go func() {
				defer close(done)
				if i%2 == 0 {
					_ = ticket.Use(3)
				}
				_ = ticket.Settle()
			}()
		})
		<-done
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, u := range s.usages() {
		if u.Value != 3 && u.Value != 5 && u.Value != 7 {
			t.Errorf("reported %v", u.Value)
		}
	}
	if n := len(s.usages()); n != 1000 {
		t.Errorf("%d reported of 1000", n)
	}
}

func TestUsageAsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Feature("f").Uses(2).ReportAs(Event{Name: "completion", AmountIn: "tokens", Dimensions: func(r *http.Request) (map[string]any, error) {
			if r.URL.Query().Get("bad") != "" {
				return map[string]any{"x": make(chan int)}, nil
			}
			return map[string]any{"path": r.URL.Path}, nil
		}})
		reported := billed(t, p, request("POST", "/ask", "c"), func(_ http.ResponseWriter, r *http.Request) {
			ticket := TicketFrom(r.Context())
			for name, value := range map[string]any{"model": "large", "tokens": "not this"} {
				if err := ticket.Dimension(name, value); err != nil {
					t.Error(err)
				}
			}
			var wrong *UsageError
			if err := ticket.Dimension("fn", func() {}); !errors.As(err, &wrong) {
				t.Errorf("a function as a dimension: %v", err)
			}
			if err := ticket.Dimension("big", strings.Repeat("x", 1<<20)); !errors.As(err, &wrong) {
				t.Errorf("a megabyte as a dimension: %v", err)
			}
			if err := ticket.Use(30); err != nil {
				t.Error(err)
			}
		})
		if len(reported) != 1 {
			t.Fatalf("reported %+v", reported)
		}
		u := reported[0]
		dimensions, err := json.Marshal(u.Dimensions)
		if err != nil || string(dimensions) != `{"model":"large","path":"/ask","tokens":30}` {
			t.Errorf("dimensions %s, %v", dimensions, err)
		}
		if u.Kind != UsageEvent || u.Event != "completion" || u.FeatureID != "f" || u.Value != 30 || u.Excess != 28 {
			t.Errorf("reported %+v", u)
		}
		if reported := billed(t, p, request("POST", "/ask?bad=1", "c"), func(http.ResponseWriter, *http.Request) { t.Error("let in") }); len(reported) != 0 {
			t.Errorf("reported %+v of a request with dimensions that don't encode", reported)
		}
	})
}

func TestDimensionsOfARequestAreBounded(t *testing.T) {
	for name, row := range map[string]struct {
		dimensions map[string]any
		allowed    bool
	}{
		"as much as may be":         {map[string]any{"agent": strings.Repeat("x", maxRequestDimensions-7)}, true},
		"a byte more":               {map[string]any{"agent": strings.Repeat("x", maxRequestDimensions-6)}, false},
		"in two":                    {map[string]any{"a": strings.Repeat("x", 9000), "b": strings.Repeat("x", 9000)}, false},
		"in a name":                 {map[string]any{strings.Repeat("x", maxRequestDimensions): 1}, false},
		"longer when it is encoded": {map[string]any{"a": strings.Repeat("\x01", 4000)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateOf(t, &stub{set: features(metered("f", 0, 1e9))})
			guard := g.MustGuard(Feature("f").Uses(1).ReportAs(Event{Name: "call", Dimensions: func(*http.Request) (map[string]any, error) {
				return row.dimensions, nil
			}}))
			served := false
			guard.Serve(Call{Request: request("POST", "/", "c"), Writer: httptest.NewRecorder()}, func(d Decision) {
				var bound *DimensionsError
				if d.Reason != ReasonBadRequest || !errors.As(d.Err, &bound) || *bound != (DimensionsError{"f", "call", maxRequestDimensions}) {
					t.Errorf("%s, %v, want a *DimensionsError", d.Reason, d.Err)
				}
			}, func(http.ResponseWriter, *http.Request) bool { served = true; return true },
				func(Outcome) Outcome { return Outcome{Status: 200} })
			if served != row.allowed {
				t.Errorf("served: %v", served)
			}
		})
	}
}

func TestOnlyEventsHaveDimensions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		billed(t, Feature("f").Uses(1), request("GET", "/", "c"), func(_ http.ResponseWriter, r *http.Request) {
			if err := TicketFrom(r.Context()).Dimension("a", 1); !errors.Is(err, ErrNoEvent) {
				t.Error(err)
			}
			if err := TicketFrom(context.Background()).Dimension("a", 1); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestCreditsOfAWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reported := billed(t, Credits("tokens").Uses(20), request("POST", "/", "c"), status(200))
		if len(reported) != 1 || reported[0].Kind != UsageCredits || reported[0].Currency != "tokens" || reported[0].Value != 20 || reported[0].FeatureID != "" {
			t.Errorf("reported %+v", reported)
		}
		for _, n := range []float64{50.5, 51} {
			if reported := billed(t, Credits("tokens").Uses(n), request("POST", "/", "c"), func(http.ResponseWriter, *http.Request) { t.Error("let in") }); len(reported) != 0 {
				t.Errorf("reported %+v", reported)
			}
		}
	})
}

func TestAWalletIsOneForCreditsAndFeatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		priced := metered("f", 0, 1000)
		priced.CreditRate = &CreditRate{CurrencyID: "tokens", Amount: 10}
		s := &stub{set: EntitlementSet{Features: []Entitlement{priced}, Credits: []Credit{{CurrencyID: "tokens", Limit: 100, Usage: 40}}}}
		g := gateOf(t, s)
		c := Customer{ID: "c"}
		first, _ := g.Admit(t.Context(), c, Feature("f").Uses(3)) // 30 credits
		if d := g.Check(t.Context(), c, Credits("tokens").Asks(31)); d.Allowed || d.Reason != ReasonPending || d.Usage != 40 || d.Limit != 100 {
			t.Errorf("got %+v", d)
		}
		second, d := g.Admit(t.Context(), c, Credits("tokens").Uses(30))
		if !d.Allowed {
			t.Fatalf("got %+v", d)
		}
		if _, d := g.Admit(t.Context(), c, Feature("f").Uses(1)); d.Allowed {
			t.Error("the wallet is empty")
		}
		_ = second.Settle()
		first.Release()
		if d := g.Check(t.Context(), c, Credits("tokens").Asks(31)); d.Allowed || d.Reason != ReasonInsufficientCredits || d.Status != 402 || d.Usage != 70 {
			t.Errorf("got %+v", d)
		}
		if d := g.Check(t.Context(), c, Credits("tokens").Asks(30)); !d.Allowed {
			t.Errorf("got %+v", d)
		}
		if d := g.Check(t.Context(), c, Credits("other")); d.Allowed || d.Reason != ReasonInsufficientCredits {
			t.Errorf("a wallet that is not there: %+v", d)
		}
		if _, d := g.Admit(t.Context(), c, All(Credits("tokens").Uses(20), Feature("f").Uses(2))); d.Allowed {
			t.Error("both together cost more than there is")
		}
		if d := g.Check(t.Context(), c, Credits("tokens").Asks(30)); !d.Allowed {
			t.Errorf("a refused All held on: %+v", d)
		}
	})
}

func TestAPriceThatOnlyStiggKnowsCountsOnceItSaysSo(t *testing.T) {
	rate := &CreditRate{CurrencyID: "tokens", Amount: 10}
	tests := map[string]struct {
		rate   *CreditRate
		cached bool
		usage  Usage
		says   float64 // Stigg, of the wallet
	}{
		"of a customer that was not cached": {rate, false, Usage{Value: 1}, 60},
		"of what is given back":             {rate, true, Usage{Value: -1}, 40},
		"of a total":                        {rate, true, Usage{Kind: UsageTotal, Value: 7}, 70},
		"by a formula":                      {&CreditRate{CurrencyID: "tokens", Formula: true}, true, Usage{Value: 1}, 60},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := Customer{ID: "c"}
				f := metered("f", 5, 1000)
				f.CreditRate = tt.rate
				s := &stub{set: EntitlementSet{Features: []Entitlement{f}, Credits: []Credit{{CurrencyID: "tokens", Limit: 100, Usage: 50}}}}
				s.report = func([]Usage) ([]Ack, error) {
					return []Ack{{Known: true, Usage: 7, At: time.Now(), Credit: &CreditAck{CurrencyID: "tokens", Usage: tt.says, At: time.Now()}}}, nil
				}
				block := make(chan struct{})
				g := gateOf(t, s, WithReporter(blockedReporter{s, block}))
				look := func() float64 { return g.Check(t.Context(), c, Credits("tokens").Asks(0)).Usage }
				if tt.cached {
					look()
				}
				tt.usage.Customer, tt.usage.FeatureID = c, "f"
				if tt.usage.Value < 0 {
					ticket, _ := g.Admit(t.Context(), c, Feature("f").Frees(-tt.usage.Value))
					_ = ticket.Settle()
				} else if err := g.Report(t.Context(), tt.usage); err != nil {
					t.Fatal(err)
				}
				before := look()
				time.Sleep(time.Second)
				close(block)
				synctest.Wait()
				if after := look(); before != 50 || after != tt.says || s.count() != 1 {
					t.Errorf("%v known before, %v after Stigg said %v; %d loads", before, after, tt.says, s.count())
				}
			})
		})
	}
}

func TestMistakesInBilling(t *testing.T) {
	uses := Feature("f").Uses(1)
	tests := map[string]Policy{
		"no statuses":                uses.ReportOn(),
		"a status of no answer":      uses.ReportOn(100),
		"two rules":                  uses.ReportOn(200).ReportIf(Outcome.Succeeded),
		"a nil rule":                 uses.ReportIf(nil),
		"a nil bill":                 uses.MeasuredBy(nil),
		"a bill by 0 bytes":          uses.MeasuredBy(ResponseBytes(0)),
		"a bill of nothing used":     Feature("f").MeasuredBy(ResponseBytes(1)),
		"a bill of what is freed":    Feature("f").Frees(1).MeasuredBy(ResponseBytes(1)),
		"an event without a name":    uses.ReportAs(Event{}),
		"an event of nothing used":   Feature("f").Asks(1).ReportAs(Event{Name: "e"}),
		"an event for credits":       Credits("c").Uses(1).ReportAs(Event{Name: "e"}),
		"no such leaving":            uses.OnClientGone(9),
		"leaving inside of All":      All(uses.OnClientGone(BillAsked)),
		"a rule inside of Any":       Any(uses.ReportOn(200)),
		"a rule that has no use":     Feature("f").ReportOn(200),
		"leaving that has no use":    Feature("f").Asks(1).OnClientGone(BillAsked),
		"a rule for the public":      Public().ReportOn(200),
		"two bills":                  uses.MeasuredBy(ResponseBytes(1)).MeasuredBy(ResponseBytes(2)),
		"two events":                 uses.ReportAs(Event{Name: "a"}).ReportAs(Event{Name: "b"}),
		"credits of no currency":     Credits(""),
		"credits given back":         Credits("c").Frees(1),
		"values of credits":          Credits("c").Values("x"),
		"the same credits twice":     All(Credits("c").Uses(1), Credits("c").Uses(2)),
		"an amount of a combination": All(uses).Uses(2),
	}
	for name, p := range tests {
		var wrong *PolicyError
		if err := p.Validate(); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fine := []Policy{
		All(Credits("f").Uses(1), Feature("f").Uses(1)), All(uses.MeasuredBy(ResponseBytes(1)), Credits("c")).OnClientGone(BillAsked).ReportOn(101),
	}
	for i, p := range fine {
		if err := p.Validate(); err != nil {
			t.Error(i, err)
		}
	}
	if got := fmt.Sprint(UsageChange, UsageTotal, UsageEvent, UsageCredits, UsageKind(9)); got != "change total event credits kind 9" {
		t.Error(got)
	}
}
