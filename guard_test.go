package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stiggate/gate/internal/callback"
)

func TestWhatIsReported(t *testing.T) {
	uses := Feature("f").Uses(2)
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	set := func(n float64) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			if err := TicketFrom(r.Context()).Use(n); err != nil {
				panic(err)
			}
		}
	}
	tests := []struct {
		name    string
		policy  Policy
		method  string
		handler http.HandlerFunc
		want    float64 // 0: nothing
	}{
		{"nothing written is a 200", uses, "POST", func(http.ResponseWriter, *http.Request) {}, 2},
		{"a body is a 200", uses, "POST", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }, 2},
		{"201", uses, "POST", answer(201), 2},
		{"304", uses, "POST", answer(304), 2},
		{"399", uses, "POST", answer(399), 2},
		{"400", uses, "POST", answer(400), 0},
		{"500", uses, "POST", answer(500), 0},
		{"early hints, then a failure", uses, "POST", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(500) }, 0},
		{"a body, then a failure that comes too late", uses, "POST", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")); w.WriteHeader(500) }, 2},
		{"a panic", uses, "POST", func(http.ResponseWriter, *http.Request) { panic("boom") }, 0},
		{"a panic after a body", uses, "POST", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")); panic("boom") }, 0},
		{"an abort", uses, "POST", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0},
		{"HEAD uses what GET does", uses, "HEAD", answer(200), 2},
		{"a free HEAD", uses.FreeHead(), "HEAD", answer(200), 0},
		{"a free HEAD is of HEAD alone", uses.FreeHead(), "GET", answer(200), 2},
		{"OPTIONS uses what any request does", uses, "OPTIONS", answer(204), 2},
		{"HEAD by the bytes", Feature("f").Uses(0).MeasuredBy(ResponseBytes(1)), "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }, 0},
		{"a policy's own rule: only 202", uses.ReportIf(func(o Outcome) bool { return o.Status == 202 }), "POST", answer(200), 0},
		{"a policy's own rule: even a failure", uses.ReportIf(func(o Outcome) bool { return o.Status == 500 }), "POST", answer(500), 2},
		{"a policy's own rule is not asked after a panic", uses.ReportIf(func(Outcome) bool { return true }), "POST", func(http.ResponseWriter, *http.Request) { panic("boom") }, 0},
		{"an amount set by the handler, less", uses, "POST", set(0.5), 0.5},
		{"an amount set by the handler, more than the limit", uses, "POST", set(50), 50},
		{"an amount set by the handler: nothing", uses, "POST", set(0), 0},
		{"giving back", Feature("f").Frees(3), "DELETE", answer(200), -3},
		{"giving back another amount", Feature("f").Frees(3), "DELETE", set(1), -1},
		{"giving back fails", Feature("f").Frees(3), "DELETE", answer(500), 0},
		{"settled early, then a failure", uses, "POST", func(w http.ResponseWriter, r *http.Request) { _ = TicketFrom(r.Context()).Settle(); w.WriteHeader(500) }, 2},
		{"released early, then a success", uses, "POST", func(_ http.ResponseWriter, r *http.Request) { TicketFrom(r.Context()).Release() }, 0},
		{"settled twice", uses, "POST", func(_ http.ResponseWriter, r *http.Request) {
			_ = TicketFrom(r.Context()).Settle()
			_ = TicketFrom(r.Context()).Settle()
		}, 2},
		{"asking reports nothing", Feature("f").Asks(2), "POST", answer(200), 0},
		{"having reports nothing", Feature("f"), "POST", answer(200), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 3, 10))}
			g := gateOf(t, s)
			func() {
				defer func() { _ = recover() }()
				serve(t, g, tt.policy, request(tt.method, "/", "c"), tt.handler)
			}()
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, n := 0.0, 0
			for _, u := range s.usages() {
				got, n = got+u.Value, n+1
			}
			if got != tt.want || n > 1 {
				t.Errorf("reported %v in %d measurements, want %v", got, n, tt.want)
			}
			if st := g.Stats(); st.Open != 0 {
				t.Errorf("%d places are still kept", st.Open)
			}
		})
	}
}

func TestPanicsPassThroughUntouched(t *testing.T) {
	boom := errors.New("boom")
	defer func() {
		if got, _ := recover().(error); !errors.Is(got, boom) {
			t.Errorf("recovered %v, want the handler's own value", got)
		}
	}()
	g := gateOf(t, &stub{set: features(metered("f", 0, 5))})
	serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), func(http.ResponseWriter, *http.Request) { panic(boom) })
}

func TestAPanickingRuleReleases(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 0, 1))})
	func() {
		defer func() { _ = recover() }()
		p := Feature("f").Uses(1).ReportIf(func(Outcome) bool { panic("rule") })
		serve(t, g, p, request("POST", "/", "c"), func(http.ResponseWriter, *http.Request) {})
	}()
	if st := g.Stats(); st.Open != 0 || st.Queued != 0 {
		t.Errorf("got %+v", st)
	}
}

// TestWhoseContextEndsIsToldToComeAgain: most have left and read nothing, but who has closed
// only his own side, or whose server stops, is still there.
func TestWhoseContextEndsIsToldToComeAgain(t *testing.T) {
	for cause, reason := range map[error]Reason{nil: ReasonClientGone, errors.New("the server stops"): ReasonUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{release: make(chan struct{})}
			g := gateOf(t, s)
			var o seen
			g.observers.Add(callback.Observer[Decision, Outcome, Usage](o.observer()))
			ctx, leave := context.WithCancelCause(t.Context())
			done := make(chan *httptest.ResponseRecorder)
			go func() {
				done <- serve(t, g, Feature("f"), request("GET", "/", "c").WithContext(ctx), func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
			}()
			synctest.Wait()
			leave(cause)
			if w := <-done; w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "entitlements_unavailable") {
				t.Errorf("%v: got %d, %q", cause, w.Code, w.Body)
			}
			if d := o.decided[0]; d.Reason != reason {
				t.Errorf("%v: the reason is %q, want %q", cause, d.Reason, reason)
			}
			close(s.release)
		})
	}
}

func TestTheHandlersRequestKeepsItsContext(t *testing.T) {
	type key struct{}
	r := request("POST", "/", "c")
	r = r.WithContext(context.WithValue(r.Context(), key{}, "kept"))
	g := gateOf(t, &stub{set: features(metered("f", 0, 5))})
	serve(t, g, Feature("f").Uses(1), r, func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Value(key{}) != "kept" || TicketFrom(r.Context()).Decision().FeatureID != "f" {
			t.Error("the context is not the request's with a ticket")
		}
	})
}

func TestATicketThatIsNotThere(t *testing.T) {
	var amount *AmountError
	var ticket *Ticket
	ticket.Release()
	if err := errors.Join(ticket.Settle(), ticket.Use(1), ticket.Dimension("a", 1)); err != nil {
		t.Errorf("got %v", err)
	}
	if err := ticket.Use(-1); !errors.As(err, &amount) {
		t.Errorf("got %v", err)
	}
	g := gateOf(t, &stub{set: features(metered("f", 0, 5), metered("e", 0, 5))})
	plain, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f"))
	if plain == nil || !d.Allowed {
		t.Fatalf("got %v, %+v", plain, d)
	}
	if err := errors.Join(plain.Use(1), plain.Dimension("a", 1), plain.Settle(), plain.Settle()); err != nil {
		t.Errorf("got %v", err)
	}
	both, _ := g.Admit(t.Context(), Customer{ID: "c"}, All(Feature("f").Uses(1), Feature("e").Uses(1)))
	if err := both.Use(2); !errors.Is(err, ErrAmbiguousUse) {
		t.Errorf("got %v", err)
	}
	both.Release()
	if err := both.Use(2); !errors.Is(err, ErrSettled) {
		t.Errorf("got %v", err)
	}
	one, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
	if err := one.Use(-1); !errors.As(err, &amount) {
		t.Errorf("got %v", err)
	}
	one.Release()
}

// TestAHandlerIsTheSameWhereNothingIsReported: the handler that ExampleTicket_Settle shows.
func TestAHandlerIsTheSameWhereNothingIsReported(t *testing.T) {
	stream := func(w http.ResponseWriter, r *http.Request) {
		ticket := TicketFrom(r.Context())
		if err := errors.Join(ticket.Use(3), ticket.Settle()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
	for name, tt := range map[string]struct {
		policy Policy
		method string
	}{
		"a policy that reports":            {Feature("f").Uses(1), "GET"},
		"a policy in the shadow":           {Feature("f").Uses(1).Shadow(), "GET"},
		"one in the shadow that refuses":   {Feature("f").Uses(99).Shadow(), "GET"},
		"HEAD of a policy that frees HEAD": {Feature("f").Uses(1).FreeHead(), "HEAD"},
		"a policy that only asks":          {Feature("f"), "GET"},
		"a public route":                   {Public(), "GET"},
	} {
		g := gateOf(t, &stub{set: features(metered("f", 0, 5))})
		if w := serve(t, g, tt.policy, request(tt.method, "/", "c"), stream); w.Code != 200 {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

type seen struct {
	decided, settled []Decision
	outcomes         []Outcome
	reported         int
}

func (s *seen) decide(_ context.Context, d Decision) { s.decided = append(s.decided, d) }
func (s *seen) settle(_ context.Context, d Decision, o Outcome, u []Usage) {
	s.settled, s.outcomes, s.reported = append(s.settled, d), append(s.outcomes, o), s.reported+len(u)
}

func (s *seen) observer() Observer { return Observer{Decided: s.decide, Settled: s.settle} }

func TestTheObserverSeesEachRequestOnce(t *testing.T) {
	var o, other seen
	g := gateOf(t, &stub{set: features(metered("f", 0, 2))}, WithObserver(o.observer()),
		WithObserver(Observer{Settled: other.settle}), WithObserver(Observer{Decided: other.decide}))
	ok := func(http.ResponseWriter, *http.Request) {}
	serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), ok)
	serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	serve(t, g, Feature("f").Uses(9), request("POST", "/", "c"), ok)
	serve(t, g, Feature("f"), request("POST", "/", ""), ok)
	if len(o.decided) != 4 || len(o.settled) != 2 || o.reported != 1 || o.outcomes[1].Status != 500 {
		t.Errorf("got %d decided, %d settled, %d reported, %+v", len(o.decided), len(o.settled), o.reported, o.outcomes)
	}
	if fmt.Sprintf("%+v", o) != fmt.Sprintf("%+v", other) {
		t.Errorf("observers see different things: %+v, %+v", o, other)
	}
	if d := o.decided[2]; d.Code != "usage_never_fits" || d.Status != 402 || d.Customer.ID != "c" {
		t.Errorf("the third decision is %+v", d)
	}
}

func TestAnAmountThatPanicsInAnOutageLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(t, &stub{err: errStubDown}, WithOutage(OutageAllow))
		boom := errors.New("boom")
		p := Feature("f").UsesFunc(func(*http.Request) (float64, error) { panic(boom) })
		func() {
			defer func() {
				if got, _ := recover().(error); !errors.Is(got, boom) {
					t.Errorf("recovered %v, want the function's own value", got)
				}
			}()
			serve(t, g, p, request("GET", "/", "c"), func(http.ResponseWriter, *http.Request) {})
		}()
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if st := g.Stats(); st.Books+st.Open != 0 {
			t.Errorf("left behind: %+v", st)
		}
	})
}

// TestEnterAsksNobodyWhoTheyAreForPublic, as a gate in front of a handler does.
func TestEnterAsksNobodyWhoTheyAreForPublic(t *testing.T) {
	g := gateOf(t, &stub{})
	w := httptest.NewRecorder()
	if ticket, ok := g.Enter(w, request("GET", "/", ""), Public()); !ok || ticket == nil || w.Body.Len() != 0 {
		t.Errorf("refused: %d %s", w.Code, w.Body)
	}
}

func TestAGateThatIsNilIsNamed(t *testing.T) {
	var g *Gate
	for name, bind := range map[string]func() error{
		"a policy": func() error { _, err := g.Guard(Feature("f")); return err },
		"a table":  func() error { _, err := g.RouteGuards(Table{"GET /": Feature("f").Uses(1)}, DenyRest); return err },
	} {
		if err, wrong := bind(), (*PolicyError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "the gate is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
