package redisgate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
)

// Times of a shared cache.
const (
	// refusedTTL is how long a set is fresh that refuses its customer as a whole.
	refusedTTL = 5 * time.Second
	// shortWait is how long who wants what no copy says waits for another replica's read to end: a
	// request waits for it that would be refused.
	shortWait = 100 * time.Millisecond
	// lookAgain is after how long who waits looks by itself: a message may be lost.
	lookAgain = 50 * time.Millisecond
	// skew is by how much the clocks of two Redis servers may differ, of which one takes over.
	skew = 5 * time.Second
)

// SharedSource is what [Cache] makes of a Source. It is a gate.Reporter, a gate.Pacer and a
// gate.CatalogReader as far as that one is.
type SharedSource interface {
	gate.Source
	gate.ReadPacer
	// Watch brings the news of other replicas, and those of the Source if it is a gate.Watcher. While the
	// gate runs it, this replica counts as one that shares the reads.
	gate.PartialWatcher
	// Sink takes news that one replica hears, such as webhooks, into the caches of all: give it to
	// webhook.New instead of the gate's own.
	Sink() gate.Sink
}

// Cache has all replicas of an app share what they read of src: a customer's set is read once for all of
// them, and not again by a replica that starts. Give what it returns to gate.New in place of src. How
// long a set is fresh, [TTL] says; of one that refuses its customer it is 5 seconds.
//
// What a request is refused by is never taken from a copy: such a read (gate.NoCache), as one after a
// change, asks Stigg, and replicas that want the same then wait for each other's answer. The counts of a
// set that another replica has read are as old as the set, which lowers nothing that a gate knows
// (gate.EntitlementSet.Age).
//
// News that src watches for, and those that [SharedSource.Sink] takes, make stale what is kept of the
// customer, in Redis and in the gates of all replicas, at once. A set that is being read meanwhile is
// neither kept nor taken for fresh; it is read again.
//
// While Redis can't be used, each replica reads by itself, all of them together at most 100 times a
// second; news then wait for a minute at most. A replica whose connection was broken has all that it
// knows read again, from Redis. What Redis keeps is the plans of customers, and no secret: give its user
// rights to the keys of this package alone.
func Cache(client rueidis.Client, src gate.Source, options ...Option) (SharedSource, error) {
	s, err := apply(client, options, ofCache)
	if err != nil {
		return nil, err
	}
	if src == nil {
		return nil, errors.New("redisgate: the source is nil")
	}
	return newCache(s, src).as(), nil
}

// cache is a Source in front of another one, with what is in Redis between them.
type cache struct {
	settings
	src   gate.Source
	id    string // of this replica
	link  *link
	pace  pace
	fleet fleetState
	beats sync.Mutex // one call of the script of fleet at a time
	wakes wakes
	sinks sinks
	out   outgoing
	scripts
}

func newCache(s settings, src gate.Source) *cache {
	c := &cache{settings: s, src: src, id: rand.Text(), scripts: newScripts()}
	c.link = newLink(s.logger, s.patience)
	return c
}

// Entitlements is gate.Source's.
func (c *cache) Entitlements(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	if who.Validate() != nil || ctx.Err() != nil {
		return c.src.Entitlements(ctx, who)
	}
	k, token := c.keysOf(who), rand.Text()
	var first, since int64 // Redis' time when this was asked first; no older set will do
	wait := c.longestLoad()
	noCache := gate.NoCache(ctx)
	if noCache {
		wait = shortWait
	}
	for began := c.clock(); ; {
		told := c.wakes.join(k.set)
		a, err := c.ask(ctx, k, since, noCache && first == 0, token)
		if err != nil {
			c.wakes.leave(k.set, told)
			return c.alone(ctx, who)
		}
		if first == 0 {
			if first = a.now; noCache {
				since = first
			}
		}
		if a.set != nil {
			c.wakes.leave(k.set, told)
			return a.aged(first), nil
		}
		failed := false
		if !a.mine {
			failed, err = c.wait(ctx, told)
		}
		c.wakes.leave(k.set, told)
		switch {
		case err != nil:
			return gate.EntitlementSet{}, err
		case a.mine:
			return c.load(ctx, who, k, a.now, token, first)
		case failed, c.clock().Sub(began) >= wait:
			return c.load(ctx, who, k, first, "", first)
		}
	}
}

// longestLoad is how long others wait for a replica that reads a set; then each asks itself.
func (s *settings) longestLoad() time.Duration { return 2 * s.patience }

// load reads the set and stores it. at is when that began, by Redis' clock.
func (c *cache) load(ctx context.Context, who gate.Customer, k keys, at int64, token string, first int64) (gate.EntitlementSet, error) {
	const tries = 3
	for try := 1; ; try++ {
		set, err := c.src.Entitlements(ctx, who)
		if err != nil {
			c.failed(k, token)
			return set, err
		}
		became, newer, err := c.store(k, token, at, set)
		switch {
		case err != nil || became == stored:
			return set, nil
		case newer != nil:
			return newer.aged(first), nil
		case try == tries: // it is changed all the time: the next read may have it all
			set.Cached = c.liveTTL
			return set, nil
		}
		// It was changed meanwhile, so no copy will do.
		ctx, token = gate.ContextWithNoCache(ctx), ""
		if at, err = c.time(ctx); err != nil {
			set.Cached = c.liveTTL
			return set, nil
		}
	}
}

// alone reads without Redis, not faster than all replicas together may.
func (c *cache) alone(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	if err := c.pace.wait(ctx, c.clock(), c.fleet.replicas()); err != nil {
		return gate.EntitlementSet{}, err
	}
	return c.src.Entitlements(ctx, who)
}

// wait waits until the load of a set has ended, a short while at most, and tells whether it failed.
func (c *cache) wait(ctx context.Context, told *wake) (failed bool, err error) {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	select {
	case <-told.ended:
		return told.failed, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("redisgate: wait for another replica's read: %w", ctx.Err())
	}
}

// clock is for waits.
func (*cache) clock() time.Time { return time.Now() }

// ReadPace is gate.ReadPacer's: that of the Source, and while Redis can't be used what this replica may
// read.
func (c *cache) ReadPace() (d time.Duration) {
	if p, ok := c.src.(gate.ReadPacer); ok {
		d = p.ReadPace()
	}
	if c.link.broken() {
		d = max(d, spacing(c.fleet.replicas()))
	}
	return d
}
