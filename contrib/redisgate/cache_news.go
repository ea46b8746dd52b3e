package redisgate

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/watch"
)

// News is what replicas tell each other. A message is one of:
//
//	s<key>            the load of a set has ended
//	f<key>            the same, and it failed
//	a<time> <replica> all that was read before is stale
//	{...}             a news, as JSON
type news struct {
	From     string
	Customer gate.Customer
	Set      *gate.EntitlementSet `json:",omitempty"` // Sink's Replace
	Patch    *gate.Patch          `json:",omitempty"` // Sink's Patch; with neither it is Invalidate
	// Pushed says that Stigg tells all replicas of it who watch.
	Pushed bool `json:",omitempty"`
	all    bool // InvalidateAll
}

// hear takes a message.
func (c *cache) hear(message string) {
	if message == "" {
		return
	}
	switch rest := message[1:]; message[0] {
	case 's', 'f':
		c.wakes.tell(rest, message[0] == 'f')
	case 'a':
		at, from, _ := strings.Cut(rest, " ")
		if t, err := strconv.ParseInt(at, 10, 64); err == nil && from != c.id {
			c.fleet.raise(t)
			c.sinks.each(func(s gate.Sink) { s.InvalidateAll() })
		}
	case '{':
		var n news
		if json.Unmarshal([]byte(message), &n) == nil && n.From != c.id && !(n.Pushed && c.fleet.isLive()) {
			c.sinks.each(n.tell)
		}
	}
}

// tell tells a sink.
func (n *news) tell(s gate.Sink) {
	switch {
	case n.all:
		s.InvalidateAll()
	case n.Set != nil:
		s.Replace(n.Customer, *n.Set)
	case n.Patch != nil:
		s.Patch(n.Customer, *n.Patch)
	default:
		s.Invalidate(n.Customer)
	}
}

// sinks are those of the gates in front of a cache: one, as a rule.
type sinks struct {
	mu   sync.Mutex
	list []gate.Sink
}

func (s *sinks) add(sink gate.Sink) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list[:len(s.list):len(s.list)], sink)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		var rest []gate.Sink
		for _, other := range s.list {
			if other != sink {
				rest = append(rest, other)
			}
		}
		s.list = rest
	}
}

func (s *sinks) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) == 0
}

func (s *sinks) each(tell func(gate.Sink)) {
	s.mu.Lock()
	list := s.list
	s.mu.Unlock()
	for _, sink := range list {
		tell(sink)
	}
}

// Watch is gate.Watcher's.
func (c *cache) Watch(ctx context.Context, sink gate.Sink) error {
	defer c.sinks.add(sink)()
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { c.follow(ctx) })
	following.Go(func() { c.live(ctx) })
	if w, ok := c.src.(gate.Watcher); ok {
		p := &pushes{c: c, sink: sink}
		defer c.fleet.setLive(false)
		kept := watch.Watch{
			Open: func(ctx context.Context, works func()) error {
				defer func() {
					if ctx.Err() == nil {
						p.SetLive(false)
					}
				}()
				p.works = works
				return w.Watch(ctx, p) //nolint:wrapcheck // it is the Source's
			},
			Lost: p.Interrupted, Silent: func() {}, // the gate tells of both
		}
		kept.Keep(ctx)
	}
	<-ctx.Done()
	return nil
}

// Partial is gate.PartialWatcher's: without a Source that watches, there are only the news that
// replicas tell each other.
func (c *cache) Partial() bool {
	if p, ok := c.src.(gate.PartialWatcher); ok {
		return p.Partial()
	}
	_, watches := c.src.(gate.Watcher)
	return !watches
}

// follow hears the other replicas, until ctx ends.
func (c *cache) follow(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		hooked := rueidis.WithOnSubscriptionHook(ctx, func(e rueidis.PubSubSubscription) {
			if e.Kind == "subscribe" { // what was told before was not heard
				failures = 0
				c.link.deaf.Over(time.Now())
				c.fleet.forget()
				c.sinks.each(func(s gate.Sink) { s.InvalidateAll() })
			}
		})
		err := c.client.Receive(hooked, c.client.B().Subscribe().Channel(c.newsChannel()).Build(), func(m rueidis.PubSubMessage) { c.hear(m.Message) })
		if ctx.Err() != nil {
			return
		}
		if failures++; failures > 2 && !c.link.broken() {
			c.link.deaf.Happens(time.Now(), slog.Any("error", wrap(err)))
		}
		sleep(ctx, min(firstRest<<min(failures-1, 10), longestRest))
	}
}

// live tells that this replica lives, until ctx ends.
func (c *cache) live(ctx context.Context) {
	for ctx.Err() == nil {
		_ = c.beat(ctx, false) // the link tells
		sleep(ctx, beatEvery)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
