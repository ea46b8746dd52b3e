package gate

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
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
	g := gateOf(t, &stub{set: features(metered("f", 0, 1e9))})
	guard := g.MustGuard(Feature("f"))
	w, r := httptest.NewRecorder(), request("GET", "/", "c")
	once := func() {
		guard.Serve(Call{Request: r},
			func(d Decision) { g.WriteDenial(w, r, d) },
			func(r *http.Request) { _ = r },
			func() Outcome { return Outcome{} })
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, customers := range []int{1, 1_000, 100_000} {
		b.Run(fmt.Sprint(customers, " customers"), func(b *testing.B) {
			g, err := New(&stub{set: features(metered("f", 0, 1e9))}, FromTrustedHeader("X", ""))
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

// BenchmarkMapFloor is what any check must cost: one lookup in a plain map.
func BenchmarkMapFloor(b *testing.B) {
	m := make(map[Customer]*snapshot)
	asked := make([]Customer, 1_000)
	for i := range asked {
		asked[i] = Customer{ID: fmt.Sprint("c", i)}
		m[asked[i]] = &snapshot{}
	}
	i := 0
	for b.Loop() {
		i = (i + 7919) % len(asked)
		if m[asked[i]] == nil {
			b.Fatal()
		}
	}
}

func BenchmarkAdmitAndRelease(b *testing.B) {
	g, err := New(&stub{set: features(metered("f", 0, 1e9))}, FromTrustedHeader("X", ""))
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
