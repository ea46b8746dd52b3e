package emulator

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// RateClass names operations that share a rate limit.
type RateClass string

// The classes that Stigg's documentation tells apart.
const (
	// RateReads are the reads of entitlements, over GraphQL and at the edge.
	RateReads RateClass = "reads"
	// RateUsage is reportUsage, and the consumption of credits.
	RateUsage RateClass = "usage"
	// RateUsageBulk is reportUsageBulk.
	RateUsageBulk RateClass = "usageBulk"
	// RateEvents is reportEvent.
	RateEvents RateClass = "events"
	// RateObjects are reads of customers and subscriptions, and whatever has no
	// other class.
	RateObjects RateClass = "objects"
	// RateChanges are changes of customers and subscriptions.
	RateChanges RateClass = "changes"
	// RateGrants is everything else about promotional grants, coupons and credits.
	RateGrants RateClass = "grants"
	// RateOneCustomer are changes, counted for each customer and each subscription
	// that they name; they count as RateChanges or RateGrants as well.
	RateOneCustomer RateClass = "oneCustomer"
)

// stiggLimits are those of Stigg's documentation, per minute. That of events is
// "about 1,000 calls' worth a second".
func stiggLimits() map[RateClass]int {
	return map[RateClass]int{
		RateReads: 6000, RateUsage: 3000, RateUsageBulk: 600, RateEvents: 60_000,
		RateObjects: 3000, RateChanges: 250, RateGrants: 500, RateOneCustomer: 30,
	}
}

// RateLimit is a limit and how it stands.
type RateLimit struct {
	Class RateClass
	// Requests are allowed in every window of the length Per.
	Requests int
	Per      time.Duration
	// Remaining are left of the present window, which ends at Reset. Both are of
	// the fullest window where each customer has one.
	Remaining int
	Reset     time.Time
	// Refused counts the requests that were answered with 429.
	Refused int
}

// WithRateLimit is [Emulator.SetRateLimit] from the start.
func WithRateLimit(class RateClass, requests int, per time.Duration) Option {
	return func(e *Emulator) error { return e.limits.set(class, requests, per) }
}

// WithStiggLimits sets the limits of Stigg's documentation for every class: 6,000
// reads of entitlements a minute, 3,000 reportUsage, 600 reportUsageBulk, 60,000
// reportEvent, 3,000 other reads, 250 changes, 500 of grants, coupons and credits,
// and 30 changes of one customer or subscription.
func WithStiggLimits() Option {
	return func(e *Emulator) error {
		for class, n := range stiggLimits() {
			if err := e.limits.set(class, n, time.Minute); err != nil {
				return err
			}
		}
		return nil
	}
}

// SetRateLimit lets a number of requests of a class pass in every window of the
// length per; 0 requests lift the limit, as it is from the start. A window begins
// with the first request after the one before has ended, by the emulator's clock.
//
// While a class has a limit its answers carry X-RateLimit-Limit,
// X-RateLimit-Remaining and X-RateLimit-Reset, the last as seconds since 1970,
// rounded up. Beyond the limit the answer is HTTP status 429 with the code
// RateLimitExceeded and nothing is done. Over GraphQL it carries Retry-After, at the
// edge it does not. Each root field of an operation is a request, but an operation
// passes as a whole or not at all; of several classes the one with the fewest
// requests left is in the headers. Requests over sockets are not limited.
func (e *Emulator) SetRateLimit(class RateClass, requests int, per time.Duration) error {
	if err := e.limits.set(class, requests, per); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	return nil
}

// RateLimits gives the limits that are set, by the name of their class.
func (e *Emulator) RateLimits() []RateLimit { return e.limits.list(e.Now()) }

// limits has a mutex of its own, which is taken last.
type limits struct {
	mu  sync.Mutex
	all map[RateClass]*limitState
}

type limitState struct {
	requests int
	per      time.Duration
	refused  int
	windows  map[string]*rateWindow
}

// rateWindow counts the requests since start.
type rateWindow struct {
	start time.Time
	used  int
}

func (ls *limits) set(class RateClass, requests int, per time.Duration) error {
	switch {
	case stiggLimits()[class] == 0:
		return fmt.Errorf("rate limit: there is no class %q", class)
	case requests < 0:
		return fmt.Errorf("rate limit: requests: %d is below 0", requests)
	case requests > 0 && per <= 0:
		return fmt.Errorf("rate limit: per: %v is not above 0", per)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if requests == 0 {
		delete(ls.all, class)
		return nil
	}
	if ls.all == nil {
		ls.all = map[RateClass]*limitState{}
	}
	ls.all[class] = &limitState{requests: requests, per: per, windows: map[string]*rateWindow{}}
	return nil
}

func (ls *limits) clear() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all = nil
}

// at gives the window of a key at a time; one that has ended begins anew. A clock
// that was moved back begins it anew as well.
func (l *limitState) at(key string, now time.Time) *rateWindow {
	w := l.windows[key]
	if w == nil || now.Before(w.start) || now.Sub(w.start) >= l.per {
		w = &rateWindow{start: now}
		l.windows[key] = w
	}
	return w
}

func (ls *limits) list(now time.Time) []RateLimit {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	out := []RateLimit{}
	for class, l := range ls.all {
		shown := RateLimit{Class: class, Requests: l.requests, Per: l.per, Remaining: l.requests, Refused: l.refused}
		for _, w := range l.windows {
			if left := l.requests - w.used; left < shown.Remaining && !now.Before(w.start) && now.Sub(w.start) < l.per {
				shown.Remaining, shown.Reset = left, w.start.Add(l.per)
			}
		}
		out = append(out, shown)
	}
	slices.SortFunc(out, func(a, b RateLimit) int { return cmp.Compare(a.Class, b.Class) })
	return out
}

// toll is what an operation takes of one window.
type toll struct {
	class RateClass
	key   string
	n     int
}

// pass counts an operation, or refuses it with 429. It sets the headers either way.
func (e *Emulator) pass(h http.Header, p *prepared) *reply {
	e.limits.mu.Lock()
	limited := len(e.limits.all) > 0
	e.limits.mu.Unlock()
	if !limited {
		return nil
	}
	now := e.Now()
	tight, refused := e.limits.pay(tollsOf(p), now)
	if tight == nil {
		return nil
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(tight.Requests))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(tight.Remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatFloat(math.Ceil(float64(tight.Reset.UnixMilli())/1000), 'f', 0, 64))
	if !refused {
		return nil
	}
	if p.edge == "" {
		h.Set("Retry-After", strconv.FormatInt(seconds(tight.Reset.Sub(now)), 10))
	}
	out := e.failed(http.StatusTooManyRequests, "RateLimitExceeded", "more than %d requests of the class %s in %v", tight.Requests, tight.Class, tight.Per)
	return &out
}

// pay takes all tolls or none. It gives the window with the fewest requests left, of
// those that are too full if the operation is refused; nil if nothing is limited.
func (ls *limits) pay(tolls []toll, now time.Time) (tight *RateLimit, refused bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, t := range tolls {
		if l := ls.all[t.class]; l != nil && l.at(t.key, now).used+t.n > l.requests {
			refused = true
			l.refused++
		}
	}
	for _, t := range tolls {
		l := ls.all[t.class]
		if l == nil {
			continue
		}
		w := l.at(t.key, now)
		full := w.used+t.n > l.requests
		if !refused {
			w.used += t.n
		}
		if left := l.requests - w.used; full == refused && (tight == nil || left < tight.Remaining) {
			tight = &RateLimit{Class: t.class, Requests: l.requests, Per: l.per, Remaining: left, Reset: w.start.Add(l.per)}
		}
	}
	return tight, refused
}
