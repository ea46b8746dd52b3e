package counters

import (
	"slices"
	"sync"
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

func TestNoDecisionIsLostWhereManyCount(t *testing.T) {
	var d Decisions
	var all sync.WaitGroup
	for range 3 * len(d.stripes) {
		all.Go(func() {
			for range 1000 {
				d.Count("fresh", true, false, false)
				d.Count("stale", false, false, true)
			}
		})
	}
	all.Wait()
	n := uint64(3 * len(d.stripes) * 1000)
	if got := d.Of("fresh").Allowed; got != n || d.Of("stale").Denied != n || d.Shadowed() != n {
		t.Errorf("%d are counted, want %d", got, n)
	}
}
