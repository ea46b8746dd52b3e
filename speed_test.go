package gate

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// The guards of what a check may cost. They count allocations, not time; see the
// benchmarks for that.

func TestAllocsOfACachedCheck(t *testing.T) {
	enum := Entitlement{FeatureID: "cities", Kind: Enum, Values: []string{"NY", "LA"}}
	s := &stub{set: features(metered("f", 0, 1e9), Entitlement{FeatureID: "on", Kind: Boolean}, Entitlement{FeatureID: "size", Kind: Configuration, Limit: 9}, enum)}
	g := gateOf(t, s)
	ctx, c := context.Background(), Customer{ID: "c", Resource: "r"}
	for name, p := range map[string]Policy{
		"boolean":       Feature("on"),
		"metered":       Feature("f"),
		"an amount":     Feature("f").Asks(3),
		"configuration": Feature("size").Asks(5),
		"enum":          Feature("cities").Values("LA"),
		"all":           All(Feature("on"), Feature("f").Asks(2)),
		"any":           Any(Feature("off"), Feature("on")),
		"denied":        Feature("size").Asks(10),
	} {
		g.Check(ctx, c, p)
		if n := testing.AllocsPerRun(100, func() { g.Check(ctx, c, p) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func TestAllocsOfAnUnmeteredRequest(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 0, 1e9))}, WithBareRequests())
	guard := g.MustGuard(Feature("f"))
	w, r := httptest.NewRecorder(), request("GET", "/", "c")
	once := func() {
		guard.Serve(Call{Request: r, Writer: w},
			func(d Decision) { g.WriteDenial(w, r, d) },
			func(http.ResponseWriter, *http.Request) bool { return true },
			func(o Outcome) Outcome { return o })
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestAllocsOfADenial: whoever has nothing left may ask as often as anybody.
func TestAllocsOfADenial(t *testing.T) {
	g := gateOf(t, &stub{set: features(metered("f", 5, 5))})
	guard := g.MustGuard(Feature("f").Asks(1))
	r := request("GET", "/", "c")
	var status int
	once := func() {
		w := httptest.NewRecorder()
		w.Body = nil
		guard.Serve(Call{Request: r, Writer: w},
			func(d Decision) { g.WriteDenial(w, r, d) },
			func(http.ResponseWriter, *http.Request) bool { return true }, nil)
		status = w.Code
	}
	if n := testing.AllocsPerRun(100, once); n > 30 || status != http.StatusPaymentRequired {
		t.Errorf("%v allocations to answer %d, want at most 30 with those of the recorder", n, status)
	}
}

// TestAClockIsReadOnce for a decision, and for what settles it not at all: it takes as long as a lookup
// of a map.
func TestAClockIsReadOnce(t *testing.T) {
	var reads atomic.Int64
	s := &stub{set: features(metered("f", 0, 1e15), Entitlement{FeatureID: "on", Kind: Boolean, Granted: true})}
	g := gateOf(t, s, WithReporter(blockedReporter{s, make(chan struct{})}), WithClock(func() time.Time { reads.Add(1); return time.Now() }))
	ctx, c := context.Background(), Customer{ID: "c"}
	g.Check(ctx, c, Feature("on"))
	for name, once := range map[string]func(){
		"boolean":  func() { g.Check(ctx, c, Feature("on")) },
		"metered":  func() { g.Check(ctx, c, Feature("f").Asks(2)) },
		"released": func() { ticket, _ := g.Admit(ctx, c, Feature("f").Uses(1)); ticket.Release() },
	} {
		least := int64(math.MaxInt64) // what delivers reads it, too, now and then
		for range 100 {
			before := reads.Load()
			once()
			least = min(least, reads.Load()-before)
		}
		if least != 1 {
			t.Errorf("%s: %d reads of the clock, want one", name, least)
		}
	}
}

// TestAllocsOfHolding: the ticket is the one that there is, whether it is settled or not. A handler may
// keep it, so each request pays for its size. What a wallet pays is the second.
func TestAllocsOfHolding(t *testing.T) {
	if size := reflect.TypeFor[Ticket]().Size(); size > 224 {
		t.Errorf("a ticket takes %d bytes, want at most 224", size)
	}
	paid := metered("paid", 0, 1e15)
	paid.CreditRate = &CreditRate{CurrencyID: "tokens", Amount: 2}
	s := &stub{set: EntitlementSet{Features: []Entitlement{metered("f", 0, 1e15), metered("g", 0, 1e15), paid}, Credits: []Credit{{CurrencyID: "tokens", Limit: 1e15}}}}
	g := gateOf(t, s, WithReporter(blockedReporter{s, make(chan struct{})}))
	ctx, c := context.Background(), Customer{ID: "c", Resource: "r"}
	for name, p := range map[string]Policy{"an amount": Feature("f").Uses(1), "one of two": Any(Feature("off"), Feature("g").Uses(2)), "paid": Feature("paid").Uses(3)} {
		most := 1.0
		if name == "paid" {
			most = 2
		}
		for end, of := range map[string]func(*Ticket) error{
			"released": func(ticket *Ticket) error { ticket.Release(); return nil },
			"settled":  (*Ticket).Settle,
		} {
			once := func() {
				ticket, d := g.Admit(ctx, c, p)
				if !d.Allowed {
					t.Fatal(d.Reason)
				}
				if err := of(ticket); err != nil {
					t.Fatal(err)
				}
			}
			if n := testing.AllocsPerRun(1000, once); n > most {
				t.Errorf("%s, %s: %v allocations, want at most %v", name, end, n, most)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, customers := range []int{1, 1_000, 100_000} {
		b.Run(fmt.Sprint(customers, " customers"), func(b *testing.B) {
			g, err := New(&stub{set: features(metered("f", 0, 1e9))}, fromHeader("X", ""))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = g.Close(b.Context()) }()
			ctx, p := context.Background(), Feature("f")
			asked := make([]Customer, customers)
			for i := range asked {
				asked[i] = Customer{ID: fmt.Sprint("c", i)}
				g.Check(ctx, asked[i], p)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % customers
				if d := g.Check(ctx, asked[i], p); !d.Allowed {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}

// BenchmarkFloor is what a check is built on: a lookup in a plain map, one in the LRU
// that bounds the cache, and one reading of the clock.
func BenchmarkFloor(b *testing.B) {
	const customers = 1_000
	m := make(map[Customer]*snapshot)
	bounded, err := lru.New[Customer, *snapshot](customers)
	if err != nil {
		b.Fatal(err)
	}
	asked := make([]Customer, customers)
	for i := range asked {
		asked[i] = Customer{ID: fmt.Sprint("c", i)}
		m[asked[i]] = &snapshot{}
		bounded.Add(asked[i], &snapshot{})
	}
	b.Run("map", func(b *testing.B) {
		for i := 0; b.Loop(); i = (i + 7919) % customers {
			if m[asked[i]] == nil {
				b.Fatal()
			}
		}
	})
	b.Run("LRU", func(b *testing.B) {
		for i := 0; b.Loop(); i = (i + 7919) % customers {
			if _, ok := bounded.Get(asked[i]); !ok {
				b.Fatal()
			}
		}
	})
	b.Run("clock", func(b *testing.B) {
		for b.Loop() {
			if time.Now().IsZero() {
				b.Fatal()
			}
		}
	})
}

// TestAllocsOfSettling holds what a request that reports costs more than one that fails:
// its delivery, which another goroutine pays for, apart.
func TestAllocsOfSettling(t *testing.T) {
	s := &stub{set: features(metered("f", 0, 1e15))}
	g := gateOf(t, s, WithReporter(blockedReporter{s, make(chan struct{})}))
	once := func(status int) func() {
		guard := g.MustGuard(Feature("f").Uses(1))
		w, r := httptest.NewRecorder(), request("POST", "/", "c")
		return func() {
			guard.Serve(Call{Request: r, Writer: w}, func(d Decision) { t.Fatal(d.Reason) },
				func(http.ResponseWriter, *http.Request) bool { return true },
				func(Outcome) Outcome { return Outcome{Status: status} })
		}
	}
	released, settled := testing.AllocsPerRun(1000, once(500)), testing.AllocsPerRun(1000, once(200))
	if settled-released > 3 {
		t.Errorf("settling adds %v allocations to %v, want at most 3", settled-released, released)
	}
	t.Logf("%v allocations, %v more to settle", released, settled-released)
}

// BenchmarkMiddleware is a whole request through a guard, without a router, by what the
// policy does.
func BenchmarkMiddleware(b *testing.B) {
	for name, of := range map[string]struct {
		policy Policy
		status int
	}{"unmetered": {Feature("f"), 200}, "released": {Feature("f").Uses(1), 500}, "settled": {Feature("f").Uses(1), 200}} {
		b.Run(name, func(b *testing.B) {
			s := &stub{set: features(metered("f", 0, 1e15))}
			g, err := New(s, fromHeader("X-Customer-ID", ""), WithQueueSize(1<<30), WithQueueBytes(1<<40), WithReporter(blockedReporter{s, make(chan struct{})}))
			if err != nil {
				b.Fatal(err)
			}
			guard := g.MustGuard(of.policy)
			w, r := httptest.NewRecorder(), request("POST", "/", "c")
			b.ReportAllocs()
			for b.Loop() {
				guard.Serve(Call{Request: r, Writer: w},
					func(d Decision) { b.Fatal(d.Reason) },
					func(http.ResponseWriter, *http.Request) bool { return true },
					func(Outcome) Outcome { return Outcome{Status: of.status} })
			}
			ended, cancel := context.WithCancel(b.Context())
			cancel()
			_ = g.Close(ended) // nobody takes what was settled
		})
	}
}

func BenchmarkAdmitAndRelease(b *testing.B) {
	g, err := New(&stub{set: features(metered("f", 0, 1e9))}, fromHeader("X", ""))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close(b.Context()) }()
	ctx, c, p := context.Background(), Customer{ID: "c"}, Feature("f").Uses(1)
	b.ReportAllocs()
	for b.Loop() {
		ticket, d := g.Admit(ctx, c, p)
		if !d.Allowed {
			b.Fatal(d.Reason)
		}
		ticket.Release()
	}
}
