package gate

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// farStigg is a Stigg some milliseconds away that pushes each count that it makes, so that
// counts, answers and reads cross each other.
type farStigg struct {
	mu   sync.Mutex
	rand *rand.Rand
	used float64
	sink Sink
	// longest is how long a message takes at most.
	longest time.Duration
	// noCache has, of each read, whether it was to be of Stigg itself.
	noCache []bool
}

// travel lets a message travel.
func (s *farStigg) travel() { time.Sleep(s.delay()) }

func (s *farStigg) delay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Millisecond + time.Duration(s.rand.Int64N(int64(s.longest)))
}

// read is, of each read until now, whether it was to be of Stigg itself.
func (s *farStigg) read() []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.noCache)
}

func (s *farStigg) Entitlements(ctx context.Context, _ Customer) (EntitlementSet, error) {
	s.travel()
	s.mu.Lock()
	s.noCache = append(s.noCache, NoCache(ctx))
	set := EntitlementSet{Features: []Entitlement{{FeatureID: "campaigns", Kind: Metered, Usage: s.used, Limit: 4}}}
	s.mu.Unlock()
	s.travel()
	return set, nil
}

func (s *farStigg) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	s.travel()
	acks := make([]Ack, len(batch))
	s.mu.Lock()
	for i, u := range batch {
		s.used += u.Value
		acks[i] = Ack{Known: true, Usage: s.used, At: time.Now()}
	}
	used, at := s.used, time.Now()
	s.mu.Unlock()
	time.AfterFunc(s.delay(), func() { s.sink.Patch(acme, Patch{FeatureID: "campaigns", Usage: used, At: at}) })
	s.travel()
	return acks, nil
}

// TestWhatCrossesIsDecidedWithinTheRequest uses all of a limit in a quick row while pushes, answers
// and reads cross each other: all of it succeeds, and what is more is refused for good. Nobody is
// asked to come again.
func TestWhatCrossesIsDecidedWithinTheRequest(t *testing.T) {
	for seed := range uint64(2000) {
		synctest.Test(t, func(t *testing.T) {
			s := &farStigg{rand: rand.New(rand.NewPCG(seed, 1)), longest: 15 * time.Millisecond}
			g := gateOf(t, s)
			s.sink = g.Sink()
			s.sink.SetLive(true)
			defer func() { _ = g.Close(context.Background()) }()
			p := Feature("campaigns").Uses(1)
			for n := range 5 {
				ticket, d := g.Admit(t.Context(), acme, p)
				switch {
				case n < 4 && !d.Allowed:
					t.Fatalf("seed %d, use %d of 4: %s at %v; %d reads", seed, n+1, d.Reason, d.Usage, len(s.read()))
				case n == 4 && d.Reason != ReasonLimitExceeded:
					t.Fatalf("seed %d: the fifth of 4: %q at %v", seed, d.Reason, d.Usage)
				}
				if d.Allowed {
					if err := ticket.Settle(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Duration(rand.New(rand.NewPCG(seed, uint64(n))).Int64N(int64(150 * time.Millisecond))))
			}
		})
		if t.Failed() {
			return
		}
	}
}

// TestWhatIsInDoubtIsReadFromStiggItself reads with NoCache what is read since it is in doubt, was
// changed or would refuse, and everything else without.
func TestWhatIsInDoubtIsReadFromStiggItself(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(g *Gate)
		want    bool
	}{
		"nothing":             {func(*Gate) {}, false},
		"its time was over":   {func(*Gate) { time.Sleep(2 * time.Minute) }, false},
		"it was changed":      {func(g *Gate) { g.Invalidate(acme) }, true},
		"a count of long ago": {func(g *Gate) { g.Sink().Patch(acme, Patch{FeatureID: "campaigns", Usage: -1}) }, true},
		"it would refuse while it is read again": {func(g *Gate) {
			time.Sleep(2 * time.Minute)
			g.Check(context.Background(), acme, Feature("campaigns").Asks(1))
			synctest.Wait()
			g.Check(context.Background(), acme, Feature("campaigns").Asks(5))
		}, true},
		"it would refuse stale": {func(g *Gate) {
			time.Sleep(2 * time.Minute)
			g.Check(context.Background(), acme, Feature("campaigns").Asks(5))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &farStigg{rand: rand.New(rand.NewPCG(1, 1)), longest: time.Millisecond, used: 2}
				g := gateOf(t, s)
				s.sink = g.Sink()
				defer func() { _ = g.Close(context.Background()) }()
				g.Check(t.Context(), acme, Feature("campaigns").Asks(1))
				before := len(s.read())
				tt.happens(g)
				g.Check(t.Context(), acme, Feature("campaigns").Asks(1))
				time.Sleep(time.Second)
				read := s.read()
				if read[0] {
					t.Error("the first read is with NoCache")
				}
				if name == "nothing" {
					return
				}
				if len(read) == before || read[len(read)-1] != tt.want {
					t.Errorf("reads with NoCache: %v, want the last %v", read, tt.want)
				}
			})
		})
	}
}
