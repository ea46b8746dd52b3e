package ledger

import "testing"

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
		if got := tt.counts.agreed(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
