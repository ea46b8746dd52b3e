package gate

import (
	"testing"
	"time"
)

// TestWhatNobodyUnderstandsWidensNothing: whoever was read once is judged by that, however lenient
// the outage policy is, and not let in because Stigg's answers about them became garbled.
func TestWhatNobodyUnderstandsWidensNothing(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 1, 1), metered("g", 0, 1)), nil)
		ask := func(feature string) Decision {
			return f.gate.Check(f.Context(), Customer{ID: "c"}, Feature(feature).Asks(1))
		}
		f.want(ask("f"), false, OriginFresh, ReasonLimitExceeded)
		f.says(EntitlementSet{}, errGarbled)
		for range 55 {
			time.Sleep(time.Minute)
			if d := ask("f"); d.Allowed {
				f.Fatalf("let in past the limit: %+v", d)
			}
			if d := ask("other"); d.Allowed {
				f.Fatalf("let in without a right: %+v", d)
			}
			if d := ask("g"); !d.Allowed {
				f.Fatalf("refused within the limit: %+v", d)
			}
		}
		f.gate.Invalidate(Customer{ID: "c"}) // a change that can't be read
		if d := ask("f"); d.Allowed || d.Reason == ReasonLimitExceeded {
			f.Errorf("%+v, want 503: it may have been an upgrade", d)
		}
	}, WithOutage(OutageAllow))
}
