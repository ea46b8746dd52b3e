package counters

import (
	"slices"
	"testing"

	"github.com/stiggate/gate/internal/incident"
)

func TestDecisionsAreCountedByOriginAndOutcome(t *testing.T) {
	var d Decisions
	origins := []string{"fresh", "stale", "fallback", "offline", ""}
	for i, origin := range origins {
		for range i + 1 {
			d.Count(origin, true, false, false)
			d.Count(origin, false, false, i == 0)
			d.Count(origin, false, true, false)
		}
	}
	d.Count("fresh", true, false, true)
	for i, origin := range origins {
		n := uint64(i) + 1
		want := Outcomes{n, n, n}
		if i == 0 {
			want.Allowed++
		}
		if got := d.Of(origin); got != want {
			t.Errorf("%q: %+v, want %+v", origin, got, want)
		}
	}
	if n := d.Shadowed(); n != 1 {
		t.Errorf("%d would have been refused, want 1", n)
	}
	if got, want := d.Costs(), []incident.Count{{Name: "stale", Value: 6}, {Name: "refused", Value: 15}}; !slices.Equal(got, want) {
		t.Errorf("it costs %v, want %v", got, want)
	}
}
