package delivery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

// A Store may be shared by processes: what one of them has left there that has ended is taken over
// by one that runs. It is delivered as what the Store has of an earlier run is, but only as far as
// memory has room for it: what waits in this process comes first, and the Store offers the rest
// again.

const (
	// An Adopt that fails is called again after a pause that doubles up to the longest; one that
	// has lasted for adoptionWorks has worked.
	adoptionWorks = 10 * time.Second
	firstAdoption = time.Second
	mostAdoption  = time.Minute
)

// adoption is what is told of it.
type adoption struct {
	failing *incident.State
	taking  *incident.State // ended by quiet
	taken   atomic.Uint64
}

func newAdoption(l *slog.Logger) *adoption {
	a := new(adoption)
	a.failing = incident.New(slog.LevelWarn, "gate: the outbox does not hand over usage of processes that have ended; it stays there and is asked for again",
		"gate: the outbox hands over usage of processes that have ended again", incident.Terms{Logger: l})
	a.taking = incident.New(slog.LevelInfo, "gate: usage of another process that has ended is delivered now",
		"gate: usage of other processes that have ended was taken over", incident.Terms{Logger: l, Quiet: logQuiet, Costs: func() []incident.Count {
			return []incident.Count{{Name: "usages", Value: a.taken.Load()}}
		}})
	return a
}

// tick has what lasts told again.
func (a *adoption) tick(now time.Time) {
	a.failing.Tick(now)
	a.taking.Tick(now)
}

// adopt takes usage over until ctx ends, or a Shut begins.
func (q *Queue[U]) adopt(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-q.shutting:
			cancel()
		case <-ctx.Done():
		}
	}()
	for pause := firstAdoption; ; pause = min(2*pause, mostAdoption) {
		began := q.clock()
		works := time.AfterFunc(adoptionWorks, func() { q.adoption.failing.Over(q.config.Now()) })
		err := q.journal.ask(func() error { return q.config.Store.Adopt(ctx, q.take) })
		works.Stop()
		if err == nil || ctx.Err() != nil {
			return
		}
		if q.clock().Sub(began) >= adoptionWorks {
			pause = firstAdoption
		}
		q.adoption.failing.Happens(q.config.Now(), slog.Any("error", err))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// take takes over all or none of some usage. The error is ErrClosed or ErrFull.
func (q *Queue[U]) take(usages ...U) error {
	if err := q.reserveFor(usages); err != nil {
		return err
	}
	q.adoption.taken.Add(uint64(len(usages)))
	q.adoption.taking.Happens(q.config.Now())
	items := make([]Item[U], 0, len(usages))
	for _, u := range usages {
		if err := q.config.Enter(&u); err != nil {
			q.unreadable(err)
			continue
		}
		q.journal.count(u, 1)
		items = append(items, Item[U]{Usage: u, behind: true})
	}
	q.Cancel(len(usages) - len(items))
	q.Put(items...)
	return nil
}

// reserveFor keeps places, if there is room for what comes of another process.
func (q *Queue[U]) reserveFor(usages []U) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed.Load() {
		return ErrClosed
	}
	for _, u := range usages {
		s := q.lanes[q.config.Header(u).Lane]
		if n := s.queue.len(); s.blocked() || n > 0 && (n >= q.window || !q.roomy()) {
			return ErrFull
		}
	}
	q.free.Add(-int64(len(usages)))
	return nil
}
