package delivery

import (
	"slices"
	"sync/atomic"
	"time"
)

const (
	// batchSize is the most measurements, or credits, that Stigg takes in one call.
	batchSize = 100
	// eventBatch is the most events that Stigg takes in one call.
	eventBatch = 1000
	// batchBytes is about the most that one batch takes on the wire, unless one usage alone
	// takes more: a thousand events of 1 MB would never arrive within a timeout.
	batchBytes = 4 << 20
)

// lane is what may leave in one batch: the queue, and what was taken out of its way. What is
// of a quarantine takes this way, and never another: the queue, the quarantine, the parked.
type lane[U any] struct {
	*Queue[U] // and its lock, for the fields up to since

	kind        Lane
	size        int // most in one batch
	queue       []Item[U]
	routed      int // at the queue's head: known to be of no quarantine
	quarantines quarantines[U]
	parked      parked[U]
	flying      int       // taken, not yet acknowledged
	since       time.Time // CreatedAt of the first of those

	wake    chan struct{} // holds one token when there is something to do
	failing atomic.Bool   // the last attempt failed
	pacing  pacing        // the sender's own
}

// nudge wakes the sender.
func (l *lane[U]) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// len is how many wait or are under way. Call it under the lock.
func (l *lane[U]) len() int {
	return len(l.queue) + l.quarantines.queued + len(l.parked.items) + l.flying
}

// oldest is the time of the oldest of them; zero without one. Call it under the lock.
func (l *lane[U]) oldest() (oldest time.Time) {
	for _, waiting := range [][]Item[U]{l.queue, l.parked.items} {
		if len(waiting) > 0 {
			oldest = earlier(oldest, waiting[0].CreatedAt)
		}
	}
	for _, n := range l.quarantines.waiting {
		oldest = earlier(oldest, n.queue[0].CreatedAt)
	}
	if l.flying > 0 {
		oldest = earlier(oldest, l.since)
	}
	return oldest
}

// take takes the next batch out: one of the parked if it is due, or else what is
// queued or of a quarantine. The parked come first, since there may be no end to the rest.
func (l *lane[U]) take() (batch []Item[U], from *quarantine[U], parked bool) {
	asked := l.asked()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	if l.closed && !l.pacing.hurried {
		l.pacing.hurried, l.parked.due = true, now
	}
	if len(l.parked.items) > 0 && !now.Before(l.parked.due) {
		batch, parked = l.parked.take(), true
	} else if l.route(); l.quarantinesTurn(now, asked) {
		from = l.quarantines.waiting[0]
		batch = l.quarantines.take(fitting(from.queue, from.size))
	} else {
		batch = cut(&l.queue, 0, fitting(l.queue, l.size))
		l.routed = len(l.queue)
	}
	if l.flying += len(batch); len(batch) > 0 {
		l.since = batch[0].CreatedAt
	}
	for i := range batch {
		batch[i].Entry.Send()
	}
	return batch, from, parked
}

// fitting is how many of a queue go into one batch of at most size.
func fitting[U any](queue []Item[U], size int) (n int) {
	bytes := 0
	for n < min(size, len(queue)) {
		if bytes += queue[n].Size; n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	return n
}

// cut takes n items from index i on out of a queue.
func cut[U any](queue *[]Item[U], i, n int) []Item[U] {
	q := *queue
	batch := append(make([]Item[U], 0, n), q[i:i+n]...)
	if i == 0 {
		clear(q[:n])
		q = q[n:]
	} else {
		q = append(q[:i], q[i+n:]...)
		clear(q[len(q) : len(q)+n])
	}
	if len(q) == 0 {
		q = nil // let a long queue's memory go
	}
	*queue = q
	return batch
}

// route moves what is queued and of a quarantine there. Call it under the lock.
func (l *lane[U]) route() {
	if len(l.quarantines.all) == 0 {
		l.routed = len(l.queue)
		return
	}
	now, kept := l.clock(), l.queue[:l.routed]
	for _, i := range l.queue[l.routed:] {
		if n := l.quarantines.of(i.Series, now); n != nil {
			l.quarantines.add(n, i)
		} else {
			kept = append(kept, i)
		}
	}
	clear(l.queue[len(kept):])
	if l.queue, l.routed = kept, len(kept); len(kept) == 0 {
		l.queue = nil
	}
}

// withhold takes out of a batch what belongs into a quarantine, and what has to wait for one
// of the parked, and puts it behind them.
func (l *lane[U]) withhold(batch []Item[U]) []Item[U] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.parked.items) == 0 && len(l.quarantines.all) == 0 {
		return batch
	}
	free, now := batch[:0:0], l.clock()
	for _, i := range batch {
		n := l.quarantines.of(i.Series, now)
		switch {
		case n == nil && !l.parked.before(&i):
			free = append(free, i)
		case n == nil:
			l.park(i)
		default:
			l.flying--
			i.Entry.Returns()
			l.quarantines.add(n, i)
		}
	}
	return free
}

// putBack returns a batch that could not be delivered to the head of the queue.
func (l *lane[U]) putBack(batch []Item[U]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying -= len(batch)
	l.rejoin(batch)
}

// rejoin puts items before what is queued. Call it under the lock.
func (l *lane[U]) rejoin(batch []Item[U]) {
	l.queue, l.routed = slices.Concat(batch, l.queue), 0
}
