package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/callback"
	"github.com/stiggate/gate/internal/counters"
	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/existence"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/graceful"
	"github.com/stiggate/gate/internal/incident"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/internal/outage"
	"github.com/stiggate/gate/internal/swr"
	"github.com/stiggate/gate/internal/usage"
)

// Gate decides which requests a customer's plan covers, and reports what they used.
// Make one per process with New, share it among all routers, and Close it at the end.
// All methods may be called from any goroutine.
type Gate struct {
	who       Resolver
	observers observers
	logger    *slog.Logger
	now       func() time.Time
	denials   denials
	outage    outage.Rule
	offline   bool
	bare      bool          // WithBareRequests
	lost      func([]Usage) // of WithUndelivered, or nil
	outbox    Outbox

	ledger *ledger.Ledger
	cache  *cache
	queue  *delivery.Queue[usage.Queued] // nil without a Reporter

	watch    sync.WaitGroup     // the Watcher's goroutine
	stop     context.CancelFunc // ends the delivery and the Watcher
	stopped  chan struct{}      // closed when the delivery has ended
	logged   incident.Once      // configuration mistakes
	counters counters.Decisions
	closer   *graceful.Closer
	bound    admission.Names
	exists   *existence.Answers[admission.Item] // what no plan of a refused customer had
	fleet    *replica.Replica                   // nil without WithFleet
}

// ErrClosed is returned for what is asked of a Gate after Close.
var ErrClosed = errors.New("gate: closed")

// ErrNoReporter says that the gate has nobody to report usage to.
var ErrNoReporter = errors.New("gate: there is no Reporter")

// New returns a gate in front of what source knows, for the customers that who
// resolves. If usage is to be reported, source must be a Reporter too or one must be
// given by WithReporter.
//
// New waits for nothing of Stigg's, so an app starts while Stigg is down. It starts the
// goroutines that deliver if there is a Reporter, and one for news if source is a Watcher;
// Close ends them.
func New(source Source, who Resolver, options ...Option) (*Gate, error) {
	c := defaults()
	problems := option.Apply(&c, options)
	if c.offline {
		problems = append(problems, c.goOffline(&source))
	}
	if option.Nil(source) {
		problems = append(problems, errors.New("the source is nil"))
	}
	if r, ok := source.(Reporter); ok && c.reporter == nil {
		c.reporter = r
	}
	if c.outbox != nil && c.reporter == nil {
		problems = append(problems, fmt.Errorf("an outbox needs a reporter: %w", ErrNoReporter))
	}
	if option.Nil(who) {
		who = ResolverFunc(nil)
	}
	problems = append(problems, option.Valid(who), c.complete())
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("gate: new: %w", err)
	}
	return start(source, who, c)
}

func start(source Source, who Resolver, c config) (*Gate, error) {
	g := &Gate{
		who: who, observers: c.observers, logger: c.logger, now: c.now,
		denials: c.denials, outage: c.outage, offline: c.offline, bare: c.bare, lost: c.undelivered,
		exists: existence.New[admission.Item](c.now), ledger: ledger.New(), stopped: make(chan struct{}), closer: graceful.NewCloser(),
	}
	g.denials.Failed = func(err error) {
		g.logOnce("the template", "gate: the denial template fails; denials are answered as problem+json", "error", err)
	}
	var err error
	if g.cache, err = newCache(source, g.ledger, &g.counters, c); err != nil {
		return nil, fmt.Errorf("gate: new: %w", err)
	}
	g.join(c.fleet)
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	if w, ok := source.(Watcher); ok {
		g.watch.Go(func() { g.follow(ctx, w) })
	}
	if c.reporter == nil {
		close(g.stopped)
		return g, nil
	}
	g.outbox = c.outbox
	g.queue = g.newQueue(c.reporter, c)
	g.queue.Replay(g.fleet.Inherit(c.outbox))
	go func() {
		defer close(g.stopped)
		g.queue.Run(ctx)
	}()
	return g, nil
}

// Close delivers the usage that waits and ends the gate. From its first call on,
// requests that would report are denied with 503. It waits for running requests to
// settle and for their usage to be acknowledged, until ctx ends; so shut the HTTP
// server down first. What could not be delivered is kept by the outbox, which Close closes; without
// one it is lost with the process: it is counted in an *UndeliveredError, and WithUndelivered is
// given it. Close returns when ctx ends, whatever hangs; an outbox has a tenth of a second more, and
// the function of WithUndelivered a second.
//
// Close is safe on a gate that was never used. The first call decides how long is
// waited; another waits for it as long as its own ctx allows, and gives the same
// answer.
func (g *Gate) Close(ctx context.Context) error { return g.closer.Close(ctx, g.close) }

// closeGrace is how much longer than its context a Close waits for the outbox, which has only
// begun to close when the context has ended.
const closeGrace = 100 * time.Millisecond

func (g *Gate) close(ctx context.Context) (err error) {
	if g.queue != nil {
		graceful.Wait(ctx, g.queue.Shut())
	}
	g.stop()
	g.cache.Close(ctx)
	g.exists.Close(ctx)
	graceful.Wait(ctx, graceful.Done(g.watch.Wait))
	graceful.Wait(ctx, g.stopped)
	err = graceful.Within(ctx, closeGrace, "gate: close the fleet", g.fleet.Close)
	if g.queue == nil {
		return err
	}
	s, lost := g.queue.Stats(), g.queue.Lost()
	switch kept := max(0, s.Queued-len(lost)); {
	case len(lost)+s.Reserved > 0:
		err = errors.Join(&UndeliveredError{Queued: len(lost), Open: s.Reserved, Kept: kept}, err)
		g.logger.Error("gate: closed with usage undelivered", "queued", len(lost), "open", s.Reserved, "kept", kept)
		if g.lost != nil && len(lost) > 0 {
			new(callback.Function).Call(g.logger, "the function of WithUndelivered", func() { g.lost(usages(lost, g.queue.Keys)) })
		}
	case kept > 0:
		g.logger.Info("gate: closed; the outbox keeps usage for the next start", "kept", kept)
	}
	return errors.Join(err, graceful.Within(ctx, closeGrace, "gate: close the outbox", g.queue.Close))
}

// UndeliveredError is what is lost since Close could not finish in time.
type UndeliveredError struct {
	// Queued is the number of settled usages that Stigg has not acknowledged and no outbox keeps.
	Queued int
	// Open is the number of usages that requests still running may report.
	Open int
	// Kept is the number of those that are not lost: the outbox delivers them after the next start.
	Kept int
}

func (e *UndeliveredError) Error() string {
	kept := ""
	if e.Kept > 0 {
		kept = fmt.Sprintf("; the outbox keeps %d more for the next start", e.Kept)
	}
	return fmt.Sprintf("gate: closed with %d usages undelivered and %d requests unsettled%s", e.Queued, e.Open, kept)
}

// Entitlements returns what the customer has, from the cache, or from the Source if
// nothing is cached; it waits at most as long as [WithColdTimeout] says. The usage in it
// is what this process knows: Stigg's number plus what is settled and not yet
// acknowledged.
func (g *Gate) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	if err := c.Validate(); err != nil {
		return EntitlementSet{}, err
	}
	now := g.now()
	if g.offline {
		return EntitlementSet{}, fmt.Errorf("gate: read entitlements: %w", errOffline)
	}
	var found swr.Found[snapshot]
	if err := g.cache.Get(ctx, c, now, false, &swr.Wait{}, &found); err != nil {
		return EntitlementSet{}, fmt.Errorf("gate: read entitlements: %w", ofCache(err))
	}
	defer found.Done()
	s := found.Value
	set := EntitlementSet{Features: make([]Entitlement, 0, len(s.All())), Denied: Reason(s.Denied), Everything: s.everything}
	for i := range s.All() {
		if r := &s.All()[i]; r.IsWallet {
			set.Credits = append(set.Credits, credit(&s.Rights, r, now))
		} else {
			set.Features = append(set.Features, entitlement(&s.Rights, r, now))
		}
	}
	return set, nil
}

var errOffline = errors.New("the gate is offline")

// nowhere stands for Stigg in a gate that is offline.
type nowhere struct{}

func (nowhere) Entitlements(context.Context, Customer) (EntitlementSet, error) {
	return EntitlementSet{}, errOffline
}

// Report counts usage as arrived.
func (nowhere) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	return make([]Ack, len(batch)), nil
}

// goOffline puts nowhere in place of Stigg.
func (c *config) goOffline(source *Source) error {
	switch {
	case c.outbox != nil || c.reporter != nil || c.fleet.Store != nil:
		return errors.New("a gate that is offline reports to nobody and shares with nobody, so it takes no outbox, no reporter and no fleet")
	case !c.outage.Admits():
		return errors.New("a gate that is offline needs WithFallback or WithOutage(OutageAllow)")
	}
	*source, c.reporter = nowhere{}, nowhere{}
	return nil
}
