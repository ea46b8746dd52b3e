package gate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What apps and their functions do wrong must cost nobody else.

func TestAPanicWhileDecidingHoldsNothing(t *testing.T) {
	boom := func(*http.Request) ([]string, error) { panic("values") }
	tests := []struct {
		name    string
		policy  Policy
		options []Option
	}{
		{"in a function of the policy", All(Feature("f").Uses(1), Feature("cities").ValuesFunc(boom)), nil},
		{"in the observer", Feature("f").Uses(1), []Option{WithObserver(Observer{Decided: func(context.Context, Decision) { panic("observer") }})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 0, 1), Entitlement{FeatureID: "cities", Kind: Enum})}
			g := gateOf(t, s, append(tt.options, WithQueueSize(2))...)
			for range 5 {
				func() {
					defer func() {
						if recover() == nil {
							t.Error("the panic did not come through")
						}
					}()
					serve(t, g, tt.policy, request("POST", "/", "c"), func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
				}()
			}
			if st := g.Stats(); st.Open != 0 || st.Queued != 0 {
				t.Errorf("left behind: %+v", st)
			}
			set, err := g.Entitlements(t.Context(), Customer{ID: "c"})
			if err != nil || set.Features[0].Usage != 0 {
				t.Errorf("got %+v, %v", set, err)
			}
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGivingBackNeverCharges(t *testing.T) {
	tests := []struct {
		name   string
		frees  float64
		uses   []float64
		report float64
	}{
		{"as the policy says", 2, nil, -2},
		{"another amount", 2, []float64{5}, -5},
		{"nothing, then another amount", 1, []float64{0, 2}, -2},
		{"a policy of 0, then an amount", 0, []float64{3}, -3},
		{"nothing at all", 0, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 9, 10))}
			g := gateOf(t, s)
			ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Frees(tt.frees))
			for _, n := range tt.uses {
				if err := ticket.Use(n); err != nil {
					t.Fatal(err)
				}
			}
			_ = ticket.Settle()
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, u := range s.usages() {
				sum += u.Value
			}
			if sum != tt.report {
				t.Errorf("reported %v, want %v", sum, tt.report)
			}
		})
	}
}

// TestARequestDoesNotWaitForItself: what it holds already must not read as the usage of
// others that will pass.
func TestARequestDoesNotWaitForItself(t *testing.T) {
	wallet := func(id string) Entitlement {
		e := metered(id, 0, 100)
		e.CreditRate = &CreditRate{CurrencyID: "gold", Amount: 1}
		return e
	}
	set := EntitlementSet{
		Features: []Entitlement{metered("f", 4, 5), wallet("x"), wallet("y")},
		Credits:  []Credit{{CurrencyID: "gold", Limit: 6}},
	}
	tests := []struct {
		name   string
		policy Policy
		want   Reason
	}{
		{"the same feature", All(Feature("f").Uses(1), Feature("f")), ReasonLimitExceeded},
		{"the same wallet", All(Feature("x").Uses(5), Feature("y").Uses(5)), ReasonInsufficientCredits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(t, &stub{set: set})
			if _, d := g.Admit(t.Context(), Customer{ID: "c"}, tt.policy); d.Reason != tt.want {
				t.Errorf("got %q, want %q", d.Reason, tt.want)
			}
		})
	}
}

func TestWhatIsHandedOutIsACopy(t *testing.T) {
	city := Entitlement{FeatureID: "cities", Kind: Enum, Values: []string{"NY"}}
	s := &stub{set: features(city)}
	g := gateOf(t, s)
	c, tlv := Customer{ID: "c"}, Feature("cities").Values("TLV")
	set, err := g.Entitlements(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	set.Features[0].Values[0] = "TLV"
	s.set.Features[0].Values[0] = "TLV"
	if d := g.Check(t.Context(), c, tlv); d.Allowed {
		t.Error("what was handed out, or came from the source, changes decisions")
	}
}

func TestEntitlementsAreOfThePresentPeriod(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)
	e := metered("f", 3, 5)
	e.Reset, e.Anchor = ResetHour, now.Truncate(time.Hour)
	e.PeriodStart, e.PeriodEnd = e.Anchor, e.Anchor.Add(time.Hour)
	g := gateOf(t, &stub{set: features(e)}, WithTTL(24*time.Hour), WithClock(func() time.Time { return now }))
	for range 2 {
		set, err := g.Entitlements(t.Context(), Customer{ID: "c"})
		if err != nil {
			t.Fatal(err)
		}
		f := set.Features[0]
		if want := now.Truncate(time.Hour); !f.PeriodStart.Equal(want) || !f.PeriodEnd.Equal(want.Add(time.Hour)) {
			t.Errorf("at %v: the period is %v to %v", now, f.PeriodStart, f.PeriodEnd)
		}
		now = now.Add(3 * time.Hour)
	}
}

func TestEachForgottenRouteIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	g := gateOf(t, &stub{}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	guards := g.MustRouteGuards(Table{}, DenyRest)
	for _, route := range []string{"/a", "/b", "/a"} {
		guard, named := guards.Find("GET", route)
		if named {
			t.Error("a table that is empty names a route")
		}
		guard.Serve(Call{Request: request("GET", route, ""), Route: route}, func(Decision) {}, func(http.ResponseWriter, *http.Request) bool { t.Error("let through"); return true }, nil)
	}
	if n := strings.Count(log.String(), "route=/a") + strings.Count(log.String(), "route=/b"); n != 2 {
		t.Errorf("%d lines, want one for each route:\n%s", n, &log)
	}
}

// leaving is a Source that ends its goroutine at the first call.
type leaving struct {
	*stub
	left bool
}

func (s *leaving) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	if !s.left {
		s.left = true
		runtime.Goexit()
	}
	return s.stub.Entitlements(ctx, c)
}

func TestASourceThatNeverAnswersBlocksNobodyForGood(t *testing.T) {
	g := gateOf(t, &leaving{stub: &stub{set: features(metered("f", 0, 5))}})
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); d.Reason != ReasonUnavailable {
		t.Errorf("got %q", d.Reason)
	}
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed {
		t.Errorf("the next check: %q (%v)", d.Reason, d.Err)
	}
}

func TestACacheTooSmallForItsTrafficSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 5))}
		g := gateOf(t, s, WithCacheSize(1))
		for i := range 20 {
			ticket, d := g.Admit(t.Context(), Customer{ID: fmt.Sprint("c", i%2)}, Feature("f").Uses(1))
			if !d.Allowed {
				t.Fatalf("%s: %v", d.Reason, d.Err)
			}
			ticket.Release()
		}
		synctest.Wait() // a read lets go of its book when it has told who waited
		if st := g.Stats(); st.Books != 1 {
			t.Errorf("%d books, want 1", st.Books)
		}
	})
}

// TestFeaturesThatRequestsNameDontFloodTheLog, nor fill memory: an app may make the id of a feature of what
// a client has sent.
func TestFeaturesThatRequestsNameDontFloodTheLog(t *testing.T) {
	var log strings.Builder
	var set EntitlementSet
	for i := range 5000 {
		set.Features = append(set.Features, Entitlement{FeatureID: fmt.Sprint("model-", i), Kind: Boolean, Granted: true})
	}
	g := gateOf(t, &stub{set: set}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for i := range set.Features {
		if d := g.Check(t.Context(), Customer{ID: "c"}, Feature(set.Features[i].FeatureID).Asks(1)); d.Reason != ReasonFeatureMismatch {
			t.Fatalf("got %q", d.Reason)
		}
	}
	if n := strings.Count(log.String(), "does not fit the catalog"); n == 0 || n > 1000 {
		t.Errorf("%d lines", n)
	}
}

// TestAnAmountThatCannotBeMeasuredIsLoggedOnce: clients may bring it about, each by a request.
func TestAnAmountThatCannotBeMeasuredIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	g := gateOf(t, &stub{set: features(metered("f", 0, 100))}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	p := Feature("f").Uses(1).MeasuredBy(func(Outcome) (float64, error) { return 0, errStubDown })
	for _, route := range []string{"/a", "/a", "/b", "/a"} {
		r := request("POST", route, "c")
		g.MustGuard(p).Serve(Call{Request: r, Writer: httptest.NewRecorder(), Route: route}, func(d Decision) { t.Errorf("refused: %+v", d) },
			func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(200); return true }, nil)
	}
	if n := strings.Count(log.String(), "the amount to bill can't be counted"); n != 2 {
		t.Errorf("%d lines, want one for each route:\n%s", n, &log)
	}
}
