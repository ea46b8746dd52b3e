package gate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sum is what was reported of a feature or a currency.
func sum(all []Usage, of string) (n float64) {
	for _, u := range all {
		if u.FeatureID == of || u.Currency == of {
			n += u.Value
		}
	}
	return n
}

// TestStreamsStayWithinTheLimitTogether has each take what is left, and more as it goes on, until
// nothing is: what all report is the limit, no more and no less.
func TestStreamsStayWithinTheLimitTogether(t *testing.T) {
	for name, set := range map[string]EntitlementSet{
		"a limit": features(metered("tokens", 3, 1003)),
		"credits": {
			Features: []Entitlement{{FeatureID: "tokens", Kind: Metered, Granted: true, Unlimited: true, CreditRate: &CreditRate{CurrencyID: "c", Amount: 2}}},
			Credits:  []Credit{{CurrencyID: "c", Granted: true, Limit: 2000}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stub{set: set}
			s.report = func(batch []Usage) ([]Ack, error) { // a Stigg that counts, for whoever reads again
				now := EntitlementSet{Features: slices.Clone(s.set.Features), Credits: slices.Clone(s.set.Credits)}
				for _, u := range batch {
					now.Features[0].Usage += u.Value
					for i := range now.Credits {
						now.Credits[i].Usage += 2 * u.Value
					}
				}
				s.set = now
				return nil, nil
			}
			g := gateOf(t, s)
			var streams sync.WaitGroup
			for range 50 {
				streams.Go(func() {
					ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("tokens").UsesUpTo(30))
					if !d.Allowed {
						return
					}
					defer ticket.Release()
					var err error
					for err == nil {
						err = ticket.Extend(7)
					}
					if denied := (*DeniedError)(nil); !errors.As(err, &denied) || denied.Decision.Status < 400 {
						t.Errorf("a stream ends with %v", err)
					}
					if err := ticket.Use(ticket.Held()); err != nil {
						t.Error(err)
					}
					if err := ticket.Settle(); err != nil {
						t.Error(err)
					}
				})
			}
			streams.Wait()
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := sum(s.usages(), "tokens"); n < 999 || n > 1000 { // less than 1 is not worth a stream
				t.Errorf("%v reported, of 1000", n)
			}
			if left := g.ledger.Audit(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestWhatIsLeftIsHeld(t *testing.T) {
	wallet := EntitlementSet{
		Features: []Entitlement{{FeatureID: "f", Kind: Metered, Granted: true, Limit: 10, CreditRate: &CreditRate{CurrencyID: "c", Amount: 2}}},
		Credits:  []Credit{{CurrencyID: "c", Granted: true, Limit: 100, Usage: 95}},
	}
	for name, test := range map[string]struct {
		set    EntitlementSet
		policy Policy
		held   float64 // 0: refused
	}{
		"all of it":                             {features(metered("f", 0, 10)), Feature("f").UsesUpTo(4), 4},
		"what is left":                          {features(metered("f", 7, 10)), Feature("f").UsesUpTo(4), 3},
		"all of an unlimited one":               {EntitlementSet{Features: []Entitlement{{FeatureID: "f", Kind: Metered, Granted: true, Unlimited: true}}}, Feature("f").UsesUpTo(4), 4},
		"a soft limit gives all":                {EntitlementSet{Features: []Entitlement{{FeatureID: "f", Kind: Metered, Granted: true, Limit: 1, SoftLimit: true}}}, Feature("f").UsesUpTo(4), 4},
		"nothing is left":                       {features(metered("f", 10, 10)), Feature("f").UsesUpTo(4), 0},
		"less than 1 is left":                   {features(metered("f", 9.5, 10)), Feature("f").UsesUpTo(4), 0},
		"less than 1 is asked for":              {features(metered("f", 9.5, 10)), Feature("f").UsesUpTo(0.25), 0.25},
		"what the wallet has":                   {wallet, Feature("f").UsesUpTo(4), 2.5},
		"of a wallet itself":                    {wallet, Credits("c").UsesUpTo(40), 5},
		"as the request tells":                  {features(metered("f", 7, 10)), Feature("f").UsesUpToFunc(func(*http.Request) (float64, error) { return 2, nil }), 2},
		"the whole where nothing less will do":  {features(metered("f", 7, 10)), Feature("f").Uses(3), 3},
		"refused where nothing less will do":    {features(metered("f", 7, 10)), Feature("f").Uses(4), 0},
		"what the wallet has of a single one":   {wallet, Feature("f").Uses(1), 1},
		"the wallet has less than it all costs": {wallet, Feature("f").Uses(3), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stub{set: test.set}
			g := gateOf(t, s)
			held := 0.0
			w := serve(t, g, test.policy, request("POST", "/", "c"), func(_ http.ResponseWriter, r *http.Request) { held = TicketFrom(r.Context()).Held() })
			if held != test.held || (w.Code == 200) != (test.held > 0) {
				t.Fatalf("%d with %v held, want %v", w.Code, held, test.held)
			}
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if u := s.usages(); sum(u, "f")+sum(u, "c") != test.held {
				t.Errorf("reported %+v, want what was held", u)
			}
			if left := g.ledger.Audit(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
	if err := Feature("f").UsesUpTo(0).Validate(); err == nil {
		t.Error("UsesUpTo(0) is taken")
	}
}

// TestWhatIsHeldLaterCountsInItsOwnPeriod has an hour end while a stream runs.
func TestWhatIsHeldLaterCountsInItsOwnPeriod(t *testing.T) {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		policy   Policy
		use      float64 // -1: not said
		old, new float64
	}{
		"all that is held":         {Feature("f").Uses(2), -1, 2, 3},
		"what was used":            {Feature("f").Uses(2), 3.5, 2, 1.5},
		"less than the first":      {Feature("f").Uses(2), 1, 1, 0},
		"more than is held":        {Feature("f").Uses(2), 9, 2, 7},
		"nothing":                  {Feature("f").Uses(2), 0, 0, 0},
		"what is measured, once":   {Feature("f").Uses(2).MeasuredBy(func(Outcome) (float64, error) { return 4, nil }), -1, 2, 2},
		"a measure that fails":     {Feature("f").Uses(2).MeasuredBy(func(Outcome) (float64, error) { return 0, errors.New("broken") }), -1, 2, 3},
		"what is said comes first": {Feature("f").Uses(2).MeasuredBy(func(Outcome) (float64, error) { return 4, nil }), 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(59 * time.Minute)
			e := metered("f", 0, 10)
			e.Reset, e.Anchor, e.PeriodStart, e.PeriodEnd = ResetHour, noon, noon, noon.Add(time.Hour)
			s := &stub{set: features(e)}
			g := gateOf(t, s, WithClock(func() time.Time { return now }), WithTTL(time.Hour))
			serve(t, g, test.policy, request("POST", "/", "c"), func(_ http.ResponseWriter, r *http.Request) {
				ticket := TicketFrom(r.Context())
				now = noon.Add(61 * time.Minute)
				for _, n := range []float64{1, 2} {
					if err := ticket.Extend(n); err != nil {
						t.Fatal(err)
					}
				}
				if ticket.Held() != 5 {
					t.Errorf("%v held, want 5", ticket.Held())
				}
				if test.use >= 0 {
					if err := ticket.Use(test.use); err != nil {
						t.Error(err)
					}
				}
			})
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var old, later float64
			for _, u := range s.usages() {
				if u.CreatedAt.Before(noon.Add(time.Hour)) {
					old += u.Value
				} else {
					later += u.Value
				}
			}
			if old != test.old || later != test.new {
				t.Errorf("%v and %v reported, want %v and %v", old, later, test.old, test.new)
			}
			if left := g.ledger.Audit(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if n := g.Stats().Open; n != 0 {
				t.Errorf("%d places of the queue are kept", n)
			}
		})
	}
}

func TestATicketThatCantBeExtended(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 0, 10), metered("g", 0, 10))})
	admit := func(p Policy) *Ticket {
		ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, p)
		if !d.Allowed {
			t.Fatalf("refused: %+v", d)
		}
		t.Cleanup(ticket.Release)
		return ticket
	}
	settled := admit(Feature("f").Uses(1))
	if err := settled.Settle(); err != nil {
		t.Fatal(err)
	}
	var amount *AmountError
	for name, test := range map[string]struct {
		ticket *Ticket
		n      float64
		ok     func(error) bool
	}{
		"settled":           {settled, 1, func(err error) bool { return errors.Is(err, ErrSettled) }},
		"of two features":   {admit(All(Feature("f").Uses(1), Feature("g").Uses(1))), 1, func(err error) bool { return errors.Is(err, ErrAmbiguousUse) }},
		"gives back":        {admit(Feature("f").Frees(1)), 1, func(err error) bool { return err != nil }},
		"no amount":         {admit(Feature("f").Uses(1)), -1, func(err error) bool { return errors.As(err, &amount) }},
		"no ticket":         {nil, 1, func(err error) bool { return err == nil }},
		"reports nothing":   {admit(Feature("f")), 1, func(err error) bool { return err == nil }},
		"holds nothing yet": {admit(Feature("f").Uses(0)), 1, func(err error) bool { return err == nil }},
		"beyond the limit": {admit(Feature("g").Uses(1)), 100, func(err error) bool {
			var denied *DeniedError
			return errors.As(err, &denied) && denied.Decision.Status == 402 && denied.Decision.Requested == 100 && denied.Decision.Customer.ID == "c"
		}},
	} {
		if err := test.ticket.Extend(test.n); !test.ok(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHandlerLearnsHowItWasLetIn(t *testing.T) {
	s := &stub{set: features(Entitlement{FeatureID: "on", Kind: Boolean, Granted: true}, metered("f", 3, 10))}
	for name, test := range map[string]struct {
		policy  Policy
		method  string
		options []Option
		known   bool
		feature string
		allowed bool
	}{
		"a boolean":                  {Feature("on"), "GET", nil, true, "on", true},
		"one that reports":           {Feature("f").Uses(1), "GET", nil, true, "f", true},
		"one in the shadow":          {Feature("missing").Shadow(), "GET", nil, true, "missing", false},
		"HEAD that is free":          {Feature("f").Uses(1).FreeHead(), "HEAD", nil, true, "f", true},
		"public":                     {Public(), "GET", nil, false, "", false},
		"handed on as it came":       {Feature("on"), "GET", []Option{WithBareRequests()}, false, "", false},
		"a ticket is never left out": {Feature("f").Uses(1), "GET", []Option{WithBareRequests()}, true, "f", true},
	} {
		t.Run(name, func(t *testing.T) {
			g, ran := gateOf(t, s, test.options...), false
			serve(t, g, test.policy, request(test.method, "/", "acme"), func(_ http.ResponseWriter, r *http.Request) {
				d, known := DecisionFrom(r.Context())
				c, same := CustomerFrom(r.Context())
				if ran = true; known != test.known || same != known || d.FeatureID != test.feature || d.Allowed != test.allowed {
					t.Errorf("known %v, %v: %+v", known, same, d)
				}
				if known && (c.ID != "acme" || d.Customer != c || d.Method != test.method) {
					t.Errorf("of %+v: %+v", c, d)
				}
			})
			if !ran {
				t.Error("refused")
			}
		})
	}
	if _, known := DecisionFrom(context.Background()); known {
		t.Error("known without a gate")
	}
}

func TestTheInnermostGateTells(t *testing.T) {
	g := gateOf(t, &stub{set: features(Entitlement{FeatureID: "on", Kind: Boolean, Granted: true}, metered("f", 3, 10))})
	serve(t, g, Feature("f").Uses(1), request("GET", "/", "acme"), func(w http.ResponseWriter, r *http.Request) {
		inner := g.MustGuard(Feature("on"))
		inner.Serve(Call{Request: r, Writer: w}, func(d Decision) { t.Errorf("refused: %+v", d) }, func(_ http.ResponseWriter, r *http.Request) bool {
			if d, _ := DecisionFrom(r.Context()); d.FeatureID != "on" || TicketFrom(r.Context()) == nil {
				t.Errorf("%+v, ticket %v", d, TicketFrom(r.Context()))
			}
			return true
		}, nil)
	})
}

func TestEnterFromWithinAHandler(t *testing.T) {
	for name, test := range map[string]struct {
		policy   Policy
		customer string
		settles  bool
		status   int
		reported []float64
	}{
		"it fits, and is settled":   {Feature("f").Uses(4), "acme", true, 200, []float64{4}},
		"it fits, and is given up":  {Feature("f").Uses(4), "acme", false, 200, nil},
		"it does not fit":           {Feature("f").Uses(8), "acme", true, 402, nil},
		"nobody asks":               {Feature("f").Uses(1), "", true, 401, nil},
		"nothing is to be reported": {Feature("f").Asks(2), "acme", true, 200, nil},
		"it only looks on":          {Feature("f").Uses(8).Shadow(), "acme", true, 200, nil},
		"a mistake is not paid for": {Feature("").Uses(1), "acme", true, 403, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stub{set: features(metered("f", 3, 10))}
			g := gateOf(t, s)
			w, r := httptest.NewRecorder(), request("POST", "/", test.customer)
			ticket, ok := g.Enter(w, r, test.policy)
			if ok {
				defer ticket.Release()
				if d := ticket.Decision(); d.Customer.ID != "acme" || d.Method != "POST" || !d.Lets() {
					t.Errorf("%+v", d)
				}
				if test.settles {
					if err := ticket.Settle(); err != nil {
						t.Fatal(err)
					}
				}
			} else if ticket != nil {
				t.Error("a ticket of a refusal")
			}
			ticket.Release()
			if w.Code != test.status || ok != (test.status == 200) {
				t.Errorf("%d %v, want %d", w.Code, ok, test.status)
			}
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var reported []float64
			for _, u := range s.usages() {
				reported = append(reported, u.Value)
			}
			if !slices.Equal(reported, test.reported) {
				t.Errorf("reported %v, want %v", reported, test.reported)
			}
		})
	}
}

// TestWhatCantBeExtendedForTheMomentIsReadAgain has another process give back what a stream lacks,
// of which nothing has told: asking again a little later finds it.
func TestWhatCantBeExtendedForTheMomentIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 8, 10))}
		g := gateOf(t, s)
		one, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		defer one.Release()
		two, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		defer two.Release()
		s.mu.Lock()
		s.set = features(metered("f", 5, 10))
		s.mu.Unlock()
		denied := (*DeniedError)(nil)
		if err := one.Extend(1); !errors.As(err, &denied) || denied.Decision.Reason != ReasonPending || denied.Decision.RetryAfter <= 0 {
			t.Fatalf("got %v", err)
		}
		time.Sleep(denied.Decision.RetryAfter)
		synctest.Wait()
		if err := one.Extend(1); err != nil || one.Held() != 2 {
			t.Errorf("asked again: %v, %v held", err, one.Held())
		}
	})
}
