// Package delivery takes usage to Stigg: from a bounded queue, in batches, in order, again
// and again until it is acknowledged or refused for good.
//
// It knows nothing of what a usage is: an Item carries it, with what the order, the size of
// a batch and the ledger need. Where an Item goes:
//
//	Reserve, Put        lane.send            Entry.Acknowledge
//	-----------> queue --------> on its way -----------------> gone
//	               ^                |   |
//	               | failed         |   | refused for good: Entry.Refuse, OnRefused
//	               +----------------+   | and what follows of its series is quarantined
//	               |                    | (quarantine.go)
//	               | answered with      v
//	               | what nobody     parked, and tried again one at a time (parked.go)
//	               +-- understands -----+
//
// What holds: every admitted request that may report has its place before it runs, so
// putting never fails; an Item leaves only acknowledged or refused for good; it keeps its
// key and time in every attempt; nothing overtakes a total of its series, and a total
// overtakes nothing of it. Each kind of batch has its lane, with one goroutine, so
// that trouble with events delays no measurement.
//
// Locks: one for the queue and all lanes. Under it an Entry may be told (which takes its
// account's lock), and nothing else is called that is not of this package.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// Lane is a kind of batch.
type Lane uint8

// The lanes. A batch is of one of them.
const (
	Measurements Lane = iota // changes and totals
	Events
	Credits
)

// Series is what usage has in common that Stigg refuses for one reason. Within it order
// matters.
type Series struct {
	Customer, Resource       string
	Feature, Event, Currency string
}

// Item is one usage on its way.
type Item[U any] struct {
	Usage     U
	Entry     ledger.Entry
	Key       string
	Lane      Lane
	Series    Series
	Total     bool
	Size      int // about the bytes that it takes on the wire
	CreatedAt time.Time

	number uint64 // in the order of settlement
	tried  bool   // an attempt failed of which nobody knows what Stigg did
	turns  int    // how often it was parked
}

// kind is what an operator calls it.
func (i *Item[U]) kind() string {
	switch {
	case i.Lane == Events:
		return "event"
	case i.Lane == Credits:
		return "credits"
	case i.Total:
		return "total"
	}
	return "change"
}

// Config is what a Queue needs. Store, Pace and OnRefused may be nil.
type Config[U any] struct {
	// Report makes one attempt; answers are in the batch's order.
	Report func(ctx context.Context, batch []U) ([]ledger.Ack, error)
	// Pace is how long to wait between two batches of a lane.
	Pace      func(Lane) time.Duration
	Places    int
	Store     Store[U]
	Unkept    bool // go on while the Store keeps nothing
	OnRefused func(U, error)
	Now       func() time.Time
	Logger    *slog.Logger
}

// Queue is the usage of one gate on its way to Stigg.
type Queue[U any] struct {
	Config[U]
	Keys  Keys
	store *keeper[U] // nil without a Store

	mu       sync.Mutex
	lanes    [3]lane[U]
	places   int // free places; below 0 after a start with more than there are
	reserved int // places of running requests
	closed   bool
	shutting chan struct{} // closed with closed
	idle     chan struct{} // closed when closed and nothing is left
	over     bool          // idle is closed
	last     uint64        // number of the last Item
	refusals refusals

	acknowledged, refused, retries atomic.Uint64
}

// New returns a queue. Run delivers from it.
func New[U any](c Config[U]) *Queue[U] {
	q := &Queue[U]{Config: c, Keys: newKeys(), places: c.Places, shutting: make(chan struct{}), idle: make(chan struct{})}
	for i := range q.lanes {
		l := &q.lanes[i]
		l.Queue, l.kind, l.size, l.wake = q, Lane(i), batchSize, make(chan struct{}, 1)
		if l.kind == Events {
			l.size = eventBatch
		}
	}
	if c.Store != nil {
		q.store = &keeper[U]{store: c.Store, logger: c.Logger, goOn: c.Unkept}
	}
	return q
}

// Run delivers until ctx ends.
func (q *Queue[U]) Run(ctx context.Context) {
	var wait sync.WaitGroup
	for i := range q.lanes {
		wait.Go(func() { q.lanes[i].run(ctx) })
	}
	wait.Wait()
}

// ErrClosed and ErrFull are returned by Reserve.
var (
	ErrClosed = errors.New("gate: closed")
	ErrFull   = errors.New("gate: too much usage waits to be reported")
)

// Reserve keeps n places for a request that is about to run, if the Store will keep what
// it reports. The error is ErrClosed, ErrFull or a *StoreError.
func (q *Queue[U]) Reserve(n int) error {
	if err := q.occupy(n); err != nil {
		return err
	}
	err := q.store.ready()
	if err != nil {
		q.Cancel(n)
	}
	return err
}

func (q *Queue[U]) occupy(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case q.places < n:
		return ErrFull
	}
	q.places -= n
	q.reserved += n
	return nil
}

// Cancel gives reserved places back.
func (q *Queue[U]) Cancel(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.places += n
	q.reserved -= n
	q.rest()
}

// Keep waits until the Store, if there is one, keeps the items. The error is a *StoreError;
// Put them all the same.
func (q *Queue[U]) Keep(ctx context.Context, items []Item[U]) error { return q.store.keep(ctx, items) }

// Put puts items into places reserved for them. Each Entry's book must be pinned.
func (q *Queue[U]) Put(items ...Item[U]) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= len(items)
	for i := range items {
		q.last++
		items[i].number = q.last
		l := &q.lanes[items[i].Lane]
		l.queue = append(l.queue, items[i])
		l.nudge()
	}
}

// rest closes idle once nothing more can come. Call it under the lock.
func (q *Queue[U]) rest() {
	if q.closed && q.reserved == 0 && q.queued() == 0 && !q.over {
		q.over = true
		close(q.idle)
	}
}

// queued is what waits or is under way. Call it under the lock.
func (q *Queue[U]) queued() int {
	n := 0
	for i := range q.lanes {
		n += q.lanes[i].len()
	}
	return n
}

// Shut ends Reserve; what runs may still Put. What it returns is closed when nothing is left.
func (q *Queue[U]) Shut() (idle <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.shutting)
	}
	for i := range q.lanes {
		q.lanes[i].nudge()
	}
	q.rest()
	return q.idle
}

// Stats is what a Queue counts.
type Stats struct {
	Queued   int       // put, not yet acknowledged
	Reserved int       // places of running requests
	Oldest   time.Time // CreatedAt of the oldest queued; zero without one
	Places   int       // that are free; below 1 nothing can be reserved

	Acknowledged, Refused, Retries, Unkept uint64
}

// Stats returns the counts at this moment.
func (q *Queue[U]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Queued: q.queued(), Reserved: q.reserved, Places: q.places, Acknowledged: q.acknowledged.Load(), Refused: q.refused.Load(), Retries: q.retries.Load()}
	for i := range q.lanes {
		if at := q.lanes[i].oldest(); !at.IsZero() {
			s.Oldest = earlier(s.Oldest, at)
		}
	}
	if q.store != nil {
		s.Unkept = q.store.unkept.Load()
	}
	return s
}

// Audit tells, for tests and for whoever looks for a leak, what is left; nothing when all is
// quiet.
func (q *Queue[U]) Audit() (left []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lanes {
		l := &q.lanes[i]
		if n := l.len(); n != 0 || len(l.quarantines.waiting) != 0 || len(l.parked.count) != 0 {
			left = append(left, fmt.Sprintf("%d in lane %d, %d quarantines wait, %d series are parked", n, i, len(l.quarantines.waiting), len(l.parked.count)))
		}
	}
	if q.places != q.Places || q.reserved != 0 {
		left = append(left, fmt.Sprintf("%d of %d places are free, %d reserved", q.places, q.Places, q.reserved))
	}
	return left
}

// Health is what a Queue goes without.
type Health struct {
	Failing  bool // a lane's last attempt failed
	Refusing bool // Stigg refused usage within the last minute and has not taken such usage since
	Unkept   bool // the Store keeps nothing
}

// Ready is nil, or the *StoreError because of which Reserve fails.
func (q *Queue[U]) Ready() error { return q.store.ready() }

// Health tells what is wrong at this moment.
func (q *Queue[U]) Health() (h Health) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lanes {
		l := &q.lanes[i]
		h.Failing = h.Failing || l.failing.Load()
		if at := l.quarantines.refusedAt; !at.IsZero() && q.clock().Sub(at) < time.Minute {
			h.Refusing = true
		}
	}
	h.Unkept = q.store != nil && q.store.failing.Load()
	return h
}

// clock is for waits, which are on the real clock.
func (*Queue[U]) clock() time.Time { return time.Now() } //nolint:forbidigo // see the comment

// earlier is the earlier of two times, of which the first may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
