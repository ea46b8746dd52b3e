package ledger

import (
	"math"
	"testing"
	"time"
)

func TestWhatIsShownIsWhatTheCountsAgreeOn(t *testing.T) {
	counts := func(bounds ...float64) (f frontier) { // used, excess
		for i := 0; i < len(bounds); i += 2 {
			f = append(f, observation{used: bounds[i], excess: bounds[i+1]})
		}
		return f
	}
	for name, tt := range map[string]struct {
		counts frontier
		want   float64
	}{
		"one count":                              {counts(4, 0), 4},
		"an event that is counted later":         {counts(10, 10), 10},
		"a push that crosses an acknowledgement": {counts(2, 1, 1, 0), 1},
		"a newer count that says more":           {counts(6, 1, 10, 0), 10},
	} {
		if got, _ := (&period{frontier: tt.counts}).agreed(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestWhatIsOnItsWayIsShownOnce: a read crosses the report of the last unit, and has it in its
// count. The refusal is final, and shows no more than the limit.
func TestWhatIsOnItsWayIsShownOnce(t *testing.T) {
	d := newAccountFixture(t)
	d.reads(hourly(3, 0))
	p := d.uses(1)
	sent := d.leaves(p, 1)
	for _, step := range []struct {
		name   string
		do     func()
		answer Answer
	}{
		{"before the read", func() {}, Exceeded},
		{"a read that has it", func() { d.reads(hourly(4, 0)) }, Exceeded},
		{"its acknowledgement", func() { r := hourly(4, 0); d.acks(p, 1, &r, time.Time{}, sent) }, Exceeded},
		{"a read after it", func() { d.reads(hourly(4, 0)) }, Exceeded},
	} {
		step.do()
		if a := d.asks(1, 4); a.Answer != step.answer || a.Shown(4) != 4 {
			t.Errorf("%s: %v used of 4 are shown, and the answer is %v, want 4 and %v", step.name, a.Shown(4), a.Answer, step.answer)
		}
	}
}

// TestWhatIsOnItsWayIsShown: where it is not known whether a count has it, it is shown as used
// beside the count, up to the limit.
func TestWhatIsOnItsWayIsShown(t *testing.T) {
	d := newAccountFixture(t)
	d.leaves(d.uses(3), 3)
	d.reads(hourly(2, 0))
	s := d.Present(d.now, d.cycle)
	for limit, want := range map[float64]float64{10: 5, 4: 4, 1: 2, math.Inf(1): 5} {
		if got := s.Shown(limit); got != want {
			t.Errorf("of %v: %v are shown, want %v", limit, got, want)
		}
	}
}
