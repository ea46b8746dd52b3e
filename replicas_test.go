package gate_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

// replicas are processes that share one Stigg, which tells them of changes. Its clock ticks
// once a second, so that most of what it says has one time.
type replicas struct {
	*testing.T
	stigg *emulator.Server
	gates []*gate.Gate
}

const (
	sharedFeature = "feature-02-campaigns"
	sharedLimit   = 100
)

var shared = gate.Customer{ID: "shared"}

func newReplicas(t *testing.T, n int) *replicas {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithClockResolution(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	r := &replicas{T: t, stigg: stigg}
	limit := float64(sharedLimit)
	if err := stigg.AddCustomer(shared.ID); err != nil {
		t.Fatal(err)
	}
	if err := stigg.Grant(shared.ID, emulator.Grant{FeatureID: sharedFeature, UsageLimit: &limit}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for range n {
		source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
		if err != nil {
			t.Fatal(err)
		}
		g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = g.Close(ctx)
		})
		r.gates = append(r.gates, g)
	}
	r.until("pushes arrive", func() bool {
		for _, g := range r.gates {
			if !g.Stats().Live || g.Check(t.Context(), shared, gate.Feature(sharedFeature).Asks(0)).Status >= 500 {
				return false
			}
		}
		return true
	})
	return r
}

// until waits for something that others bring about.
func (r *replicas) until(what string, ok func() bool) {
	r.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("never: %s", what)
		}
	}
}

func (r *replicas) used() float64 {
	r.Helper()
	used, err := r.stigg.CurrentUsage(shared.ID, "", sharedFeature)
	if err != nil {
		r.Fatal(err)
	}
	return used
}

// use uses one, or gives one back; 429 is not the last word.
func (r *replicas) use(g *gate.Gate, p gate.Policy) (done bool) {
	r.Helper()
	r.until("an answer that is final", func() bool {
		ticket, d := g.Admit(r.Context(), shared, p)
		if done = d.Allowed; done {
			if err := ticket.Settle(); err != nil {
				r.Fatal(err)
			}
		}
		return d.Status != 429
	})
	return done
}

// allows asks for n; 429 is not the last word.
func (r *replicas) allows(g *gate.Gate, n float64) (allowed bool) {
	r.Helper()
	r.until("an answer that is final", func() bool {
		d := g.Check(r.Context(), shared, gate.Feature(sharedFeature).Asks(n))
		allowed = d.Allowed
		return d.Status != 429
	})
	return allowed
}

// TestTwoReplicasLetInExactlyTheLimit has two processes use one limit in turn, each once what
// the other used has been told.
func TestTwoReplicasLetInExactlyTheLimit(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2)
	let := 0
	for i := range sharedLimit + 10 {
		if r.use(r.gates[i%2], gate.Feature(sharedFeature).Uses(1)) {
			let++
		}
		r.until("both know what is used", func() bool {
			for _, g := range r.gates {
				if g.Check(t.Context(), shared, gate.Feature(sharedFeature).Asks(0)).Usage < float64(let) {
					return false
				}
			}
			return r.used() == float64(let)
		})
	}
	if let != sharedLimit || r.used() != sharedLimit {
		t.Errorf("let in %d of %d, Stigg has %v", let, sharedLimit, r.used())
	}
}

// TestAReplicaAndOthersInAnyOrder has one process use and give back while others do, and
// Stigg's answers take their time: what the process lets in fits into what it can know, and
// once all is quiet it lets in what is left, and not one more.
func TestAReplicaAndOthersInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		r := newReplicas(t, 1)
		random, g := rand.New(rand.NewPCG(seed, 7)), r.gates[0]
		others := 0.0
		for range 60 {
			switch random.IntN(6) {
			case 0:
				others++
				if err := r.stigg.Report(emulator.Measurement{CustomerID: shared.ID, FeatureID: sharedFeature, Value: 1}); err != nil {
					t.Fatal(err)
				}
			case 1:
				g.InvalidateAll()
			case 2:
				if err := r.stigg.Fault(emulator.Fault{Latency: time.Duration(1+random.IntN(20)) * time.Millisecond, After: true, Count: 1}); err != nil {
					t.Fatal(err)
				}
			case 3:
				r.use(g, gate.Feature(sharedFeature).Frees(1))
			default:
				r.use(g, gate.Feature(sharedFeature).Uses(float64(1+random.IntN(4))))
			}
		}
		r.until("all is reported", func() bool { return g.Stats().Queued == 0 })
		rest := sharedLimit - r.used()
		if rest < -others {
			t.Errorf("seed %d: %v of %d are used, of which others used %v", seed, r.used(), sharedLimit, others)
		}
		if rest >= 1 && !r.allows(g, rest) {
			t.Errorf("seed %d: %v are left and refused", seed, rest)
		}
		if r.allows(g, max(1, rest+1)) {
			t.Errorf("seed %d: %v are left, and one more would be let in", seed, rest)
		}
	}
}
