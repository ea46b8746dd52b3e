package ledger

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestAccountHoldsWhatIsLeft: as much as the limit leaves, and at least what the ask says, or
// nothing; and the sum of all that is held is no more than the limit.
func TestAccountHoldsWhatIsLeft(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newAccountFixture(t)
		limit := float64(rapid.IntRange(0, 40).Draw(rt, "limit"))
		m, sum := &Meter{Account: d.Account, Cycle: d.cycle}, 0.0
		var holds []Hold
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			amount := float64(rapid.IntRange(1, 15).Draw(rt, "amount"))
			least := float64(rapid.IntRange(0, int(amount)).Draw(rt, "least"))
			r := d.Hold(d.now, d.cycle, Ask{Limit: Limit{Max: limit}, Amount: amount, Least: least})
			want := amount
			if left := limit - sum; left < amount {
				want = 0
				if least > 0 && left >= least {
					want = left
				}
			}
			if granted := !r.Refuses(); granted != (want > 0) || r.Amount != want {
				rt.Fatalf("%v of %v (at least %v), %v held of %v: %+v", want, amount, least, sum, limit, r)
			}
			if want == 0 {
				continue
			}
			h := m.Hold(r, d.now)
			if rapid.Bool().Draw(rt, "shrinks") {
				want = math.Floor(want / 2)
				h.Shrink(want)
			}
			if sum += want; rapid.Bool().Draw(rt, "joins") && len(holds) > 0 {
				if !holds[0].Join(&h) {
					rt.Fatal("two holds of one period don't join")
				}
			} else {
				holds = append(holds, h)
			}
			all := 0.0
			for i := range holds {
				all += holds[i].Amount()
			}
			if got := d.Present(d.now, d.cycle).Held; got != sum || all != sum || d.current.holds != len(holds) {
				rt.Fatalf("%v held by %d, %v by the %d holds, want %v", got, d.current.holds, all, len(holds), sum)
			}
		}
		for i := range holds {
			holds[i].Release()
		}
		if left := d.audit(); left != "" {
			rt.Fatalf("left: %s", left)
		}
	})
}

func TestAccountKeepsHoldsApart(t *testing.T) {
	d := newAccountFixture(t)
	wallet := d.book.Wallet("w")
	hold := func(m *Meter) Hold {
		return m.Hold(m.Account.Hold(d.now, m.Cycle, Ask{Limit: Limit{Unlimited: true}, Amount: 1}), d.now)
	}
	d.reads(hourly(0, 0))
	first := hold(&Meter{Account: d.Account, Cycle: d.cycle})
	for _, of := range []struct {
		name  string
		meter *Meter
		hour  float64
	}{
		{"of another account", &Meter{Account: d.book.Feature("g"), Cycle: d.cycle}, 0.5},
		{"that a wallet pays", &Meter{Account: d.Account, Cycle: d.cycle, Wallet: wallet}, 0.5},
		{"in a later period", &Meter{Account: d.Account, Cycle: d.cycle}, 1.5},
	} {
		d.now = noon(of.hour)
		other := hold(of.meter)
		if first.Join(&other) {
			t.Errorf("a hold %s is joined", of.name)
		}
		other.Release()
	}
	first.Release()
	for _, a := range []*Account{d.Account, d.book.Feature("g"), wallet} {
		if left := a.audit(); left != "" {
			t.Errorf("left: %s", left)
		}
	}
}
