package delivery

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

const (
	// batchSize is the most measurements, or credits, that Stigg takes in one call.
	batchSize = 100
	// eventBatch is the most events that Stigg takes in one call.
	eventBatch = 1000
	// batchBytes is about the most that one batch takes on the wire, unless one usage alone
	// takes more: a thousand events of 1 MB would never arrive within a timeout.
	batchBytes = 4 << 20
	// mostRouted bounds how much is looked at under one hold of the lock.
	mostRouted = 1024
)

// queue is what of a lane waits in memory. It does nothing of itself; all of it is under the lock
// of Queue. Its laws:
//
//  1. The order of settlement is: the parked, the quarantines, ready, waiting, what the Store
//     alone keeps (backlog), behind. Within a series nothing overtakes a total, and no total
//     overtakes anything; otherwise order is kept as far as it costs nobody time.
//  2. What is ready is of no quarantine. What is waiting has not been looked at.
//  3. What is of a quarantine takes this way, and never another: the queue, the quarantine, the
//     parked.
//  4. behind has something only while blocked: the backlog has something, or the Store may have
//     what Replay has not read.
type queue[U any] struct {
	config      *Config[U]
	lane        Lane
	size        int // most in one batch
	ready       fifo[Item[U]]
	waiting     fifo[Item[U]]
	behind      fifo[Item[U]]
	quarantines quarantines[U]
	parked      parked[U]
	flying      int       // taken, not yet acknowledged
	since       time.Time // CreatedAt of the first of those
	blocked     func() bool
}

func (l *queue[U]) series(i *Item[U]) Series { return l.config.Series(i.Usage) }
func (l *queue[U]) total(i *Item[U]) bool    { return l.config.Header(i.Usage).Total }
func (l *queue[U]) entry(i *Item[U]) *ledger.Entry {
	return l.config.Entry(&i.Usage)
}
func (l *queue[U]) created(i *Item[U]) time.Time {
	return l.config.Header(i.Usage).CreatedAt
}

// len is how many are in memory: they wait or are under way.
func (l *queue[U]) len() int {
	return l.common() + l.behind.len() + l.quarantines.queued + len(l.parked.items) + l.flying
}

// common is how many may leave that are of no quarantine, as far as is known.
func (l *queue[U]) common() int { return l.ready.len() + l.waiting.len() }

// oldest is the time of the oldest of them; zero without one.
func (l *queue[U]) oldest() (oldest time.Time) {
	for _, f := range [...]*fifo[Item[U]]{&l.ready, &l.waiting, &l.behind} {
		if f.len() > 0 {
			oldest = earlier(oldest, l.created(f.first()))
		}
	}
	if len(l.parked.items) > 0 {
		oldest = earlier(oldest, l.created(&l.parked.items[0]))
	}
	for _, n := range l.quarantines.waiting {
		oldest = earlier(oldest, l.created(n.queue.first()))
	}
	if l.flying > 0 {
		oldest = earlier(oldest, l.since)
	}
	return oldest
}

// put puts in what was settled last.
func (l *queue[U]) put(i *Item[U]) {
	if i.behind && l.blocked() {
		l.behind.push(*i)
		return
	}
	l.waiting.push(*i)
}

// fitting is how many of a queue go into one batch of at most size.
func (l *queue[U]) fitting(f *fifo[Item[U]], size int) (n int) {
	bytes := 0
	for i := range f.each {
		if bytes += l.config.Header(i.Usage).Size; n == size || n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	return n
}

// route moves what waits to where it belongs, until a batch is ready or much was looked at: then
// it is false, and there is more to do.
func (l *queue[U]) route(now time.Time) (done bool) {
	for range mostRouted {
		if l.waiting.len() == 0 || l.ready.len() >= l.size {
			return true
		}
		i := l.waiting.takeFirst()
		if n := l.quarantineOf(&i, now); n != nil {
			l.quarantines.add(n, i)
		} else {
			l.ready.push(i)
		}
	}
	return l.waiting.len() == 0
}

// unroute has everything looked at again, since there is another quarantine.
func (l *queue[U]) unroute() { l.waiting.pushFront(l.ready.take(l.ready.len())) }

// rejoin puts items before what waits.
func (l *queue[U]) rejoin(batch []Item[U]) {
	l.unroute()
	l.waiting.pushFront(batch)
}

// takeParked, takeCommon and takeQuarantined take the next batch out.
func (l *queue[U]) takeParked() []Item[U] { return l.taken(l.takeOneParked()) }

func (l *queue[U]) takeCommon() []Item[U] {
	return l.taken(l.ready.take(l.fitting(&l.ready, l.size)))
}

func (l *queue[U]) takeQuarantined() (from *quarantine[U], batch []Item[U]) {
	from = l.quarantines.waiting[0]
	return from, l.taken(l.quarantines.take(l.fitting(&from.queue, from.size)))
}

// taken notes that a batch is under way.
func (l *queue[U]) taken(batch []Item[U]) []Item[U] {
	if l.flying += len(batch); len(batch) > 0 {
		l.since = l.created(&batch[0])
	}
	return batch
}

// putBack returns a batch that could not be delivered to the head of the queue.
func (l *queue[U]) putBack(batch []Item[U]) {
	l.flying -= len(batch)
	l.rejoin(batch)
}

// withhold takes out of a batch what belongs into a quarantine, and what has to wait for one
// of the parked, and puts it behind them.
func (l *queue[U]) withhold(batch []Item[U], now time.Time) []Item[U] {
	if len(l.parked.items) == 0 && len(l.quarantines.all) == 0 {
		return batch
	}
	free := batch[:0:0]
	for n := range batch {
		i := &batch[n]
		switch q := l.quarantineOf(i, now); {
		case q != nil:
			l.flying--
			l.entry(i).Returns()
			l.quarantines.add(q, *i)
		case l.waitsForParked(i):
			l.park(*i)
		default:
			free = append(free, *i)
		}
	}
	return free
}
