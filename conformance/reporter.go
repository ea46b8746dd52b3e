package conformance

import (
	"context"
	"crypto/rand"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// Reporter is a gate.Reporter under test, and what it reports to.
type Reporter struct {
	// New returns the reporter in front of a Stigg that is up, and what tells how much of
	// Feature the Customer has used by that Stigg's own count. It is called for each
	// row.
	New func(t testing.TB) (r gate.Reporter, used func() float64)
	// Customer has the two metered features Feature and Other.
	Customer       gate.Customer
	Feature, Other string
	// Down returns the reporter in front of a Stigg that answers nothing of use, and
	// Hanging in front of one that never answers. Without them their rows are left out.
	Down, Hanging func(t testing.TB) gate.Reporter
}

// RunReporter holds a gate.Reporter to its contract, for usage that is a change.
func RunReporter(t *testing.T, r Reporter) {
	if r.New == nil || r.Customer.Validate() != nil || r.Feature == "" || r.Other == "" || r.Feature == r.Other {
		t.Fatal("a Reporter needs New, a Customer and two features of its")
	}
	run(t, r.rows(), nil)
}

// usage is a change that nobody has reported yet.
func (r Reporter) usage(feature string, value float64) gate.Usage {
	return gate.Usage{Customer: r.Customer, FeatureID: feature, Value: value, Key: rand.Text(), CreatedAt: time.Now()}
}

func (r Reporter) rows() []row {
	tests := []struct {
		name    string
		batches func() [][]gate.Usage
		counted float64 // of Feature
	}{
		{"a change is counted", func() [][]gate.Usage { return [][]gate.Usage{{r.usage(r.Feature, 2)}} }, 2},
		{"a small change is counted", func() [][]gate.Usage { return [][]gate.Usage{{r.usage(r.Feature, 0.0000001)}} }, 0.0000001},
		{"what is given back is counted", func() [][]gate.Usage {
			return [][]gate.Usage{{r.usage(r.Feature, 5)}, {r.usage(r.Feature, -2)}}
		}, 3},
		{"a batch that arrives twice counts once", func() [][]gate.Usage {
			batch := []gate.Usage{r.usage(r.Feature, 2), r.usage(r.Other, 1), r.usage(r.Feature, 3)}
			return [][]gate.Usage{batch, batch}
		}, 5},
		{"usage that arrives again among other counts once", func() [][]gate.Usage {
			again := r.usage(r.Feature, 2)
			return [][]gate.Usage{{again, r.usage(r.Feature, 1)}, {r.usage(r.Feature, 1), again}}
		}, 4},
		{"a key twice in one batch counts once", func() [][]gate.Usage {
			again := r.usage(r.Feature, 2)
			return [][]gate.Usage{{again, again}}
		}, 2},
		{"equal changes of other keys count each", func() [][]gate.Usage {
			one := r.usage(r.Feature, 2)
			other := one
			other.Key = rand.Text()
			return [][]gate.Usage{{one, other}}
		}, 4},
	}
	rows := []row{
		{"reporter", "a batch of 100 is answered in its order", r.ordered},
		{"reporter", "many may report at once", r.concurrent},
		{"reporter", "a context that has ended ends the call", func(t testing.TB) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			reporter, _ := r.New(t)
			r.ends(ctx, t, reporter, false)
		}},
	}
	for _, tt := range tests {
		rows = append(rows, row{"reporter", tt.name, func(t testing.TB) {
			reporter, used := r.New(t)
			before := used()
			for _, batch := range tt.batches() {
				r.report(t, reporter, batch)
			}
			if n := used() - before; math.Abs(n-tt.counted) > 1e-9 {
				t.Errorf("%v counted, want %v", n, tt.counted)
			}
		}})
	}
	if r.Down != nil {
		rows = append(rows, row{"reporter", "nothing known is an error", func(t testing.TB) {
			if acks, err := r.Down(t).Report(t.Context(), []gate.Usage{r.usage(r.Feature, 1)}); err == nil {
				t.Errorf("got %+v and no error", acks)
			}
		}})
	}
	if r.Hanging != nil {
		rows = append(rows, row{"reporter", "a call ends with its context", func(t testing.TB) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			r.ends(ctx, t, r.Hanging(t), true)
		}})
	}
	return rows
}

// report delivers a batch that must be taken, and returns an answer for each.
func (r Reporter) report(t testing.TB, reporter gate.Reporter, batch []gate.Usage) []gate.Ack {
	t.Helper()
	sent := slices.Clone(batch)
	acks, err := reporter.Report(t.Context(), sent)
	if err != nil || len(acks) != len(batch) {
		t.Fatalf("got %d answers for %d usages: %v", len(acks), len(batch), err)
	}
	for i, ack := range acks {
		if ack.Known && (ack.At.IsZero() || math.IsNaN(ack.Usage) || math.IsInf(ack.Usage, 0)) {
			t.Errorf("answer %d is %+v", i, ack)
		}
		if sent[i].Key != batch[i].Key || sent[i].Value != batch[i].Value {
			t.Error("the batch is another afterwards; the gate may send it again")
		}
	}
	return acks
}

// ordered reports two features by turns: an answer that is out of order is of the
// wrong size.
func (r Reporter) ordered(t testing.TB) {
	reporter, used := r.New(t)
	before, batch := used(), make([]gate.Usage, 100)
	for i := range batch {
		if batch[i] = r.usage(r.Other, 1000); i%2 == 0 {
			batch[i] = r.usage(r.Feature, 1)
		}
	}
	for i, ack := range r.report(t, reporter, batch) {
		if want := before + float64(i/2+1); i%2 == 0 && ack.Known && ack.Usage != want {
			t.Errorf("answer %d says %v of %s, want %v", i, ack.Usage, r.Feature, want)
		}
		if i%2 == 1 && ack.Known && ack.Usage < 1000*float64(i/2+1) {
			t.Errorf("answer %d says %v of %s, want %d or more", i, ack.Usage, r.Other, 1000*(i/2+1))
		}
	}
	if n := used() - before; n != 50 {
		t.Errorf("%v counted, want 50", n)
	}
}

func (r Reporter) concurrent(t testing.TB) {
	reporter, used := r.New(t)
	before := used()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 5 {
				batch := make([]gate.Usage, 10)
				for i := range batch {
					batch[i] = r.usage(r.Feature, 1)
				}
				if acks, err := reporter.Report(t.Context(), batch); err != nil || len(acks) != len(batch) {
					t.Errorf("got %d answers for %d usages: %v", len(acks), len(batch), err)
				}
			}
		})
	}
	wait.Wait()
	if n := used() - before; n != 400 {
		t.Errorf("%v counted, want 400", n)
	}
}

// ends waits for a call whose context ends.
func (r Reporter) ends(ctx context.Context, t testing.TB, reporter gate.Reporter, must bool) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		acks, err := reporter.Report(ctx, []gate.Usage{r.usage(r.Feature, 1)})
		if err == nil && (must || len(acks) != 1) {
			t.Errorf("got %d answers and no error", len(acks))
		}
	}()
	await(t, "the call's end", done)
}
