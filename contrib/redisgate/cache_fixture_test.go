package redisgate_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/identity"
)

// stigg is what all replicas of a test read.
type stigg struct {
	mu      sync.Mutex
	limit   float64
	used    float64
	age     time.Duration
	denied  gate.Reason
	err     error
	asked   map[gate.Customer]int
	noCache int
	counts  bool // the limit is the number of the read
	// held is asked at the beginning of each read for what it waits for, nil for nothing.
	held func(who gate.Customer) <-chan struct{}
}

func newStigg() *stigg { return &stigg{limit: 5, asked: map[gate.Customer]int{}} }

func (s *stigg) Entitlements(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	s.asked[who]++
	if gate.NoCache(ctx) {
		s.noCache++
	}
	if s.counts {
		s.limit = float64(s.asked[who])
	}
	set := gate.EntitlementSet{Denied: s.denied, Age: s.age}
	if s.denied == "" {
		set.Features = []gate.Entitlement{{
			FeatureID: "units", DisplayName: "Units", Kind: gate.Metered, Granted: true, Limit: s.limit, Usage: s.used,
			Values: []string{"a"}, CreditRate: &gate.CreditRate{CurrencyID: "tokens", Amount: 0},
		}}
		set.Credits = []gate.Credit{{CurrencyID: "tokens", Granted: true, Limit: 100}}
	}
	err, held := s.err, s.held
	s.mu.Unlock()
	if held != nil {
		if wait := held(who); wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
				return gate.EntitlementSet{}, ctx.Err()
			}
		}
	}
	return set, err
}

func (s *stigg) change(do func(*stigg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

// calls is how often it was asked.
func (s *stigg) calls() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.asked {
		n += of
	}
	return n
}

func (s *stigg) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		s.used += u.Value
		acks[i] = gate.Ack{Known: true, Usage: s.used, At: time.Now()}
	}
	return acks, nil
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// count is how many lines have a text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// clock is Redis' in a test.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func cacheOf(t testing.TB, client rueidis.Client, src gate.Source, options ...redisgate.Option) redisgate.SharedSource {
	t.Helper()
	c, err := redisgate.Cache(client, src, append([]redisgate.Option{redisgate.Patience(20 * time.Second)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// replica is a gate in front of a shared cache.
type replica struct {
	*gate.Gate
	cache redisgate.SharedSource
	told  *told
}

func replicaOf(t testing.TB, client rueidis.Client, src gate.Source, options ...redisgate.Option) *replica {
	t.Helper()
	r := &replica{cache: cacheOf(t, client, src, options...), told: &told{}}
	var err error
	if r.Gate, err = gate.New(r.cache, identity.FromContext(func(context.Context) (gate.Customer, bool) { return acme, true }), gate.WithLogger(slog.New(slog.DiscardHandler))); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { _ = r.cache.Watch(ctx, r.told) }) // beside the gate
	t.Cleanup(func() { end(); watching.Wait(); _ = r.Close(context.Background()) })
	eventually(t, "the replica hears the others", func() bool { return r.told.all.Load() > 0 })
	return r
}

// told is a Sink that counts.
type told struct{ all, one, sets, counts, live atomic.Int32 }

func (s *told) Replace(gate.Customer, gate.EntitlementSet) { s.sets.Add(1) }
func (s *told) Patch(gate.Customer, gate.Patch)            { s.counts.Add(1) }
func (s *told) Invalidate(gate.Customer)                   { s.one.Add(1) }
func (s *told) InvalidateAll()                             { s.all.Add(1) }
func (s *told) SetLive(bool)                               { s.live.Add(1) }

func read(t testing.TB, ctx context.Context, src gate.Source, who gate.Customer) gate.EntitlementSet { //nolint:revive // as in package testing's own
	t.Helper()
	set, err := src.Entitlements(ctx, who)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func limit(set gate.EntitlementSet) float64 {
	e, _ := set.Feature("units")
	return e.Limit
}
