package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// limitedStigg allows 100 reads a second, counted in windows of 6 s, and knows of what is left, as
// package client does: what would be refused is not sent. It knows the customers whose ids begin
// with "known", and is 20 ms away.
type limitedStigg struct {
	mu     sync.Mutex
	began  time.Time
	left   int
	last   map[string]time.Time // when a customer was read last
	counts map[string]float64
	late   time.Duration // the longest that a usage was under way
}

const (
	limitWindow = 6 * time.Second
	limitReads  = 600
)

func (s *limitedStigg) reset() time.Time {
	if now := time.Now(); now.Sub(s.began) >= limitWindow {
		s.began, s.left = now, limitReads
	}
	return s.began.Add(limitWindow)
}

func (s *limitedStigg) ReadPace() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(float64(time.Until(s.reset())) / float64(max(1, s.left)))
}

func (s *limitedStigg) take(id string) (left bool, reset time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reset = s.reset(); s.left == 0 {
		return false, reset
	}
	s.left--
	s.last[id] = time.Now()
	return true, reset
}

func (s *limitedStigg) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	left, reset := s.take(c.ID)
	if !left {
		return EntitlementSet{}, &UpstreamError{Kind: UpstreamUnsent, RetryAfter: time.Until(reset), Err: errors.New("stub: no call is left")}
	}
	time.Sleep(20 * time.Millisecond)
	if !strings.HasPrefix(c.ID, "known") {
		return EntitlementSet{Denied: ReasonCustomerNotFound}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return features(metered("f", s.counts[c.ID], 1e6)), nil
}

func (s *limitedStigg) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]Ack, len(batch))
	for i, u := range batch {
		s.counts[u.Customer.ID] += u.Value
		acks[i] = Ack{Known: true, Usage: s.counts[u.Customer.ID], At: time.Now()}
		s.late = max(s.late, time.Since(u.CreatedAt))
	}
	return acks, nil
}

// TestMadeUpCustomersKeepNobodyOut has 10,000 customers a second asked for that do not exist, each
// once, which no budget of a customer bounds. Who is known is served, read again in time and
// reported; Stigg's limit is not spent for them.
func TestMadeUpCustomersKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &limitedStigg{last: map[string]time.Time{}, counts: map[string]float64{}}
		const known, ttl, seconds = 50, 5 * time.Second, 20
		g := gateOf(t, s, WithTTL(ttl), WithCacheSize(1000))
		use := func(i int) {
			ticket, d := g.Admit(t.Context(), Customer{ID: fmt.Sprint("known-", i)}, Feature("f").Uses(1))
			if !d.Allowed || d.Origin == OriginFallback {
				t.Errorf("known customer %d: %+v", i, d)
			}
			if err := ticket.Settle(); err != nil {
				t.Error(err)
			}
		}
		for i := range known {
			use(i)
		}
		n, uses := 0, 1
		for range seconds * 100 {
			for range 100 { // 10,000 a second
				n++
				go g.Check(t.Context(), Customer{ID: fmt.Sprint("made-up-", n)}, Feature("f"))
			}
			if n%1000 == 0 {
				for i := range known {
					use(i)
				}
				uses++
			}
			time.Sleep(10 * time.Millisecond)
		}
		s.mu.Lock()
		for i := range known {
			// Fresh for the TTL and a tenth of it; then it waits for the others, 50 at half the pace: once in
			// 50 ms where reads are scarce, since what was under way then had no part in the pace.
			if age := time.Since(s.last[fmt.Sprint("known-", i)]); age > ttl+ttl/10+known*2*50*time.Millisecond {
				t.Errorf("known customer %d was last read %v ago", i, age)
			}
		}
		s.mu.Unlock()
		time.Sleep(10 * time.Second) // no more are made up
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for i := range known {
			if got := s.counts[fmt.Sprint("known-", i)]; got != float64(uses) {
				t.Errorf("known customer %d: %v are counted, want %d", i, got, uses)
			}
		}
		if s.late > 5*time.Second {
			t.Errorf("a usage was under way for %v", s.late)
		}
	})
}
