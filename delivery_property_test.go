package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stiggate/gate/internal/usage"
)

// planned is usage and what Stigg does with it.
type planned struct {
	Usage
	after   time.Duration
	refused bool // it alone
	garbled int  // so often Stigg answers it with what nobody understands
	down    int  // so often Stigg fails over it
}

func drawPlanned(t *rapid.T) []planned {
	all := make([]planned, rapid.IntRange(1, 150).Draw(t, "n"))
	trouble := rapid.IntRange(2, 30).Draw(t, "one in so many is trouble")
	for i := range all {
		s := &all[i]
		s.Customer = Customer{ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "customer")}
		s.FeatureID = rapid.SampledFrom([]string{"f", "g"}).Draw(t, "feature")
		s.Key, s.Value = fmt.Sprint("k", i), 1
		if rapid.IntRange(0, 3).Draw(t, "total") == 0 {
			s.Kind = UsageTotal
		}
		s.after = time.Duration(rapid.SampledFrom([]int{0, 0, 0, 10, 150, 2000}).Draw(t, "after")) * time.Millisecond
		if rapid.IntRange(0, trouble).Draw(t, "trouble") > 0 {
			continue
		}
		switch rapid.IntRange(0, 3).Draw(t, "which") {
		case 0:
			s.garbled = rapid.IntRange(1, 8).Draw(t, "garbled")
		case 1:
			s.down = rapid.IntRange(1, 4).Draw(t, "down")
		default:
			s.refused = true
		}
	}
	return all
}

// fakeStigg is where usages arrive.
type fakeStigg struct {
	by       map[string]*planned
	archived map[string][2]time.Time // customers, from and until when
	storm    *rand.Rand
	arrived  map[string]int // key: its place in the order
	refused  map[string]int
	problem  string
}

func (h *fakeStigg) report(batch []Usage) ([]Ack, error) {
	if h.storm.IntN(20) == 0 {
		return nil, errStubDown
	}
	for _, u := range batch {
		if w := h.archived[u.Customer.ID]; !time.Now().Before(w[0]) && time.Now().Before(w[1]) {
			return nil, errArchived
		}
	}
	for _, u := range batch {
		switch s := h.by[u.Key]; {
		case s.refused:
			return nil, errRefused
		case s.garbled > 0:
			s.garbled--
			return nil, errGarbled
		case s.down > 0:
			s.down--
			return nil, errStubDown
		}
	}
	for _, u := range batch {
		if _, twice := h.arrived[u.Key]; twice {
			h.problem = u.Key + " was acknowledged twice"
		}
		h.arrived[u.Key] = len(h.arrived)
	}
	return nil, nil
}

// judge says what is wrong with how all arrived.
func (h *fakeStigg) judge(all []planned) string {
	for j := range all {
		_, arrived := h.arrived[all[j].Key]
		if n := h.refused[all[j].Key]; n > 1 || arrived == (n == 1) {
			return fmt.Sprintf("%s arrived: %t, was refused %d times", all[j].Key, arrived, n)
		}
		for i := range j {
			a, b := &all[i], &all[j]
			first, both := h.arrived[a.Key]
			if !arrived || !both || usage.Whole(a.queued()).Series() != usage.Whole(b.queued()).Series() || a.Kind != UsageTotal && b.Kind != UsageTotal {
				continue
			}
			if first > h.arrived[b.Key] {
				return fmt.Sprintf("%s (%s) arrived before %s (%s)", b.Key, b.Kind, a.Key, a.Kind)
			}
		}
	}
	return h.problem
}

func TestEveryUsageArrivesOrIsRefusedOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all, seed := drawPlanned(rt), rapid.Uint64().Draw(rt, "seed")
		h := &fakeStigg{by: map[string]*planned{}, archived: map[string][2]time.Time{}, arrived: map[string]int{}, refused: map[string]int{}}
		h.storm = rand.New(rand.NewPCG(seed, 0))
		from, long := rapid.IntRange(0, 5000).Draw(rt, "archived after"), rapid.IntRange(0, 20_000).Draw(rt, "for")
		early := rapid.Bool().Draw(rt, "closed at once")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			since := time.Now().Add(time.Duration(from) * time.Millisecond)
			h.archived["a"] = [2]time.Time{since, since.Add(time.Duration(long) * time.Millisecond)}
			s := &stub{report: h.report, set: features(metered("f", 0, 9), metered("g", 0, 9))}
			g := gateOf(t, s, WithRefused(func(u Usage, _ error) { h.refused[u.Key]++ }))
			for _, id := range []string{"a", "b", "c"} {
				_, _ = g.Entitlements(t.Context(), Customer{ID: id})
			}
			for i := range all {
				h.by[all[i].Key] = &all[i]
			}
			for i := range all {
				time.Sleep(all[i].after)
				if err := g.Report(t.Context(), all[i].Usage); err != nil {
					problem = err.Error()
				}
			}
			if !early {
				time.Sleep(time.Hour)
				if st := g.Stats(); st.Queued != 0 {
					problem = fmt.Sprintf("%d still wait after an hour", st.Queued)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := g.Close(ctx); err != nil {
				problem = err.Error()
			}
			problem += strings.Join(g.queue.Audit(), "; ") + h.judge(all)
			problem += strings.Join(g.ledger.Audit(), "; ")
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}
