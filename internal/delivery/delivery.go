// Package delivery takes usage to Stigg: from a bounded queue, in batches, in order, again
// and again until it is acknowledged or refused for good.
//
// It knows nothing of what a usage is: an Item carries it, and Config says of it what the
// order, the size of a batch and the ledger need. Where an Item goes:
//
//	Reserve, Put        sender.send          Entry.Acknowledge
//	-----------> queue --------> on its way -----------------> gone
//	               ^                |   |
//	               | failed         |   | refused for good: Entry.Refuse, Refused
//	               +----------------+   | and what follows of its series is quarantined
//	               |                    | (quarantine.go)
//	               | answered with      v
//	               | what nobody     parked, and tried again one at a time (parked.go)
//	               +-- understands -----+
//
// What holds: every admitted request that may report has its place before it runs, so
// putting never fails; an Item leaves only acknowledged or refused for good; it keeps its
// key and time in every attempt; nothing overtakes a total of its series, and a total
// overtakes nothing of it. Each kind of batch has its own lane (a queue, and the sender that
// empties it), so that trouble with events delays no measurement.
//
// With a Store, more may wait than there are places: what the Store keeps need not be in
// memory (backlog.go). What it has of an earlier run comes first (replay.go). One that processes share hands over what those left that have ended
// (adopt.go). One that the application's transactions are part of is asked what became of them
// (entrusted.go).
//
// What is called of others (the reporter, the store, the app's function for refused usage) may
// panic, which is an error like any other, or never return: then it is left behind, which
// Health tells, and delivery goes on.
//
// Locks: Queue.mu is for the queues of all lanes and what belongs to them. Under it an Entry may
// be told (which takes the lock of its account), and the functions of Config that read a usage
// are called (Header, Series, Key), and its clock. Reporter, Store, Refused and the logger are called without
// it. journal.mu, log.mu are leaves.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// Header is what the queue must know of a usage.
type Header struct {
	Lane      Lane
	Total     bool
	Size      int // about the bytes that it takes on the wire, and in memory
	Value     float64
	CreatedAt time.Time
}

// Item is one usage on its way. It is small, since there may be hundreds of thousands.
type Item[U any] struct {
	Usage U

	number uint64 // in the order of settlement
	turns  uint32 // how often it was parked
	tried  bool   // an attempt failed of which nobody knows what Stigg did
	stays  bool   // in the Store alone, from where another one is read
	behind bool   // behind what waits there
	unkept bool   // the Store, if there is one, does not keep it
}

// Config is what a Queue needs. Store, Pace and Refused may be nil.
type Config[U any] struct {
	// Report makes one attempt; answers are in the batch's order.
	Report func(ctx context.Context, batch []U) ([]ledger.Ack, error)
	// Header, Series and Key read a usage; the key is that of Keys with the number, if that is
	// not 0. They take a copy, so that what a request settles needs no allocation.
	Header func(U) Header
	Series func(U) Series
	Key    func(U) (number uint64, key string)
	// Entry is the usage's entry in the ledger, which is a part of it.
	Entry func(*U) *ledger.Entry
	// Pace is how long to wait between two batches of a lane.
	Pace func(Lane) time.Duration
	// Places and Bytes bound what waits in memory.
	Places, Bytes int
	Store         Store[U]
	Unkept        bool // go on while the Store keeps nothing
	// Enter puts a usage into the ledger that the Store has from an earlier run, or says why it
	// can't.
	Enter func(*U) error
	// Refused is told of each usage that was refused, from one goroutine.
	Refused func(U, error)
	Now     func() time.Time
	Logger  *slog.Logger
}

// Queue is the usage of one gate on its way to Stigg.
type Queue[U any] struct {
	Keys    Keys
	config  Config[U]
	journal *journal[U] // nil without a Store
	lanes   [3]*sender[U]
	window  int // most in memory of a lane while more waits in the Store

	// free is the places that are free, below 0 while more is in memory than there are, and bytes what
	// is in memory takes. Requests reserve and cancel without the lock.
	free   atomic.Int64
	bytes  atomic.Int64
	closed atomic.Bool // set under the lock
	looked func()      // a test's, or nil: called between the look at what is free and its reservation

	mu       sync.Mutex
	taken    int           // places of what is in memory; the others that are not free are reserved
	shutting chan struct{} // closed with closed
	idle     chan struct{} // closed when closed and nothing is left
	over     bool          // idle is closed
	last     uint64        // number of the last Item
	notices  notices[U]
	// unresolved is what the Store is asked about, but for what it is asked at this moment; unknown is
	// how many usages that is in all.
	unresolved []unresolved[U]
	unknown    int
	asking     chan struct{} // holds one token when there is more to ask

	log                            *log
	adoption                       *adoption
	replay                         replay
	denied                         atomic.Uint64 // requests that found no place
	acknowledged, refused, retries atomic.Uint64
	vanished                       atomic.Uint64
	batches                        atomic.Uint64 // that were acknowledged: names each
}

// mostInWindow bounds what of a lane is in memory while more waits in the Store.
const mostInWindow = 10_000

// New returns a queue. Run delivers from it.
func New[U any](c Config[U]) *Queue[U] {
	q := &Queue[U]{
		Keys: newKeys(), config: c, window: min(max(c.Places/2, 1), mostInWindow),
		shutting: make(chan struct{}), idle: make(chan struct{}), asking: make(chan struct{}, 1),
	}
	q.free.Store(int64(c.Places))
	q.log, q.adoption, q.replay = q.newLog(), newAdoption(c.Logger), newReplay(c.Logger)
	for i := range q.lanes {
		q.lanes[i] = newSender(q, Lane(i))
	}
	if c.Store != nil {
		q.journal = newJournal(&q.config)
	}
	return q
}

// Run delivers until ctx ends.
func (q *Queue[U]) Run(ctx context.Context) {
	var wait sync.WaitGroup
	for _, s := range q.lanes {
		wait.Go(func() { s.run(ctx) })
		if q.journal != nil {
			wait.Go(func() { s.readBack(ctx) })
		}
	}
	if q.journal != nil {
		wait.Go(func() { q.resolve(ctx) })
		for _, run := range [...]func(context.Context){q.adopt, q.replayRest} {
			over := make(chan struct{})
			go func() { defer close(over); run(ctx) }()
			defer awaitGrace(over)
		}
	}
	wait.Wait()
}

// awaitGrace waits for what should end now. If it doesn't, it is left behind.
func awaitGrace(done <-chan struct{}) {
	grace := time.NewTimer(reportGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
	}
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
		if errors.Is(err, ErrFull) {
			q.denied.Add(1)
			q.log.full.Happens(q.config.Now())
		}
		return err
	}
	err := q.journal.ready()
	if err != nil {
		q.Cancel(n)
		q.journal.denied.Add(1)
	}
	return err
}

// occupy takes places, never more than there are. What Shut has not seen reserved sees the Shut.
func (q *Queue[U]) occupy(n int) error {
	for {
		free := q.free.Load()
		if q.closed.Load() {
			return ErrClosed
		}
		if free < int64(n) || q.bytes.Load() >= int64(q.config.Bytes) {
			return ErrFull
		}
		if q.looked != nil {
			q.looked()
		}
		if q.free.CompareAndSwap(free, free-int64(n)) {
			if q.closed.Load() { // since
				q.Cancel(n)
				return ErrClosed
			}
			return nil
		}
	}
}

// reserved is the places of running requests. Call it under the lock.
func (q *Queue[U]) reserved() int { return q.config.Places - int(q.free.Load()) - q.taken }

// Cancel gives reserved places back.
func (q *Queue[U]) Cancel(n int) {
	if n == 0 {
		return
	}
	if q.free.Add(int64(n)); q.closed.Load() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.rest()
	}
}

// Keep waits until the Store, if there is one, keeps the items. The error is a *StoreError;
// Put them all the same.
func (q *Queue[U]) Keep(ctx context.Context, items []Item[U]) error {
	if q.journal == nil || len(items) == 0 {
		return nil
	}
	all := slices.Clone(items) // those of a request that has no Store are on its stack
	q.spill(all)
	err := q.journal.keep(ctx, all)
	if err != nil {
		q.recall(all)
		for i := range all {
			all[i].unkept = true
		}
	} else {
		q.arrived(all)
	}
	copy(items, all)
	return err
}

// Put puts items into places reserved for them. The book of each Entry must be pinned.
func (q *Queue[U]) Put(items ...Item[U]) {
	for i := range items {
		q.settled(&items[i], q.config.Header(items[i].Usage))
	}
}

func (q *Queue[U]) settled(i *Item[U], h Header) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(i, &h)
	q.rest() // what stays in the Store may have come and gone
}

// put is Put of one. Call it under the lock.
func (q *Queue[U]) put(i *Item[U], h *Header) {
	s := q.lanes[h.Lane]
	if i.stays {
		q.free.Add(1)
		s.nudge()
		return
	}
	q.holds(h.Size)
	i.number = q.last
	if s.queue.put(i); s.wakes() {
		s.nudge()
	}
}

// holds counts one in memory, whose place is not free any more. Call it under the lock.
func (q *Queue[U]) holds(size int) {
	q.last++
	q.taken++
	q.bytes.Add(int64(size))
}

// Shut ends Reserve; what runs may still Put. What it returns is closed when nothing is left.
func (q *Queue[U]) Shut() (idle <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed.Swap(true) {
		close(q.shutting)
	}
	for _, s := range q.lanes {
		s.nudge()
	}
	signal(q.asking)
	q.rest()
	return q.idle
}

// rest closes idle once nothing more can come. Call it under the lock.
func (q *Queue[U]) rest() {
	if q.closed.Load() && q.reserved() == 0 && q.queued() == 0 && q.notices.len() == 0 && !q.over {
		q.over = true
		close(q.idle)
	}
}

// queued is what waits or is under way. Call it under the lock.
func (q *Queue[U]) queued() int {
	n := 0
	for _, s := range q.lanes {
		n += s.queue.len() + s.backlog.count
	}
	return n
}

// Close ends the Store. Nothing may be called after it.
func (q *Queue[U]) Close() error { return q.journal.close() }

// clock is for waits, which are on the real clock.
func (*Queue[U]) clock() time.Time { return time.Now() } //nolint:forbidigo // see the comment

// earlier is the earlier of two times, of which the first may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
