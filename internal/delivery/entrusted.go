package delivery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Usage may be entrusted to a transaction of the application's that the Store is a part of: it is
// kept if that commits. Nobody is told, so the Store is asked, once when the request is over, and if
// it gives no answer again and again, until it does. Meanwhile the usage has its places.

// unresolved is usage of which it is not known yet whether it is kept.
type unresolved[U any] struct {
	usages []U
	known  func(kept func(i int) bool)
}

// mostAsked bounds the usages that the Store is asked about at once.
const mostAsked = 1000

var errAnswers = errors.New("the outbox does not answer for all usages that it was asked about")

// Resolve asks the Store what became of usages that places are reserved for, and calls known with the
// answer: now, or later on a goroutine of its own.
func (q *Queue[U]) Resolve(usages []U, known func(kept func(i int) bool)) {
	all := []unresolved[U]{{usages, known}}
	now := func(_ *unresolved[U], known func()) { known() }
	if left, _ := q.ask(context.Background(), all, now); len(left) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unresolved = append(q.unresolved, all...)
	q.unknown += len(usages)
	signal(q.asking)
}

// Kept says that the Store has items whose places are reserved: they take their turn behind what it
// has alone, and are not given to it again.
func (*Queue[U]) Kept(items []Item[U]) {
	for i := range items {
		items[i].behind = true
	}
}

// ask asks the Store once about some, has call tell of those that are decided, and returns the others.
func (q *Queue[U]) ask(ctx context.Context, all []unresolved[U], call func(one *unresolved[U], known func())) (left []unresolved[U], err error) {
	var usages []U
	for i := range all {
		usages = append(usages, all[i].usages...)
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	var kept, over []bool
	if len(usages) > 0 {
		err = q.journal.ask(func() (err error) { kept, over, err = q.config.Store.Kept(ctx, usages); return err })
		if err == nil && (len(kept) != len(usages) || len(over) != len(usages)) {
			err = errAnswers
		}
	}
	if err != nil {
		q.journal.note(err)
		return all, err
	}
	end := 0
	for i := range all {
		one, first := &all[i], end
		end += len(one.usages)
		if !decided(kept[first:end], over[first:end]) {
			left = append(left, *one)
			continue
		}
		call(one, func() { one.known(func(i int) bool { return kept[first+i] }) })
	}
	return left, nil
}

// decided reports whether the answer is final for all usages of one request.
func decided(kept, over []bool) bool {
	for i := range kept {
		if !kept[i] && !over[i] {
			return false
		}
	}
	return true
}

// resolve asks about what is not known until ctx ends: after a pause that grows while nothing becomes
// known, and is short again when there is more.
func (q *Queue[U]) resolve(ctx context.Context) {
	for pause := firstPause; ; {
		select {
		case <-ctx.Done():
			return
		case <-q.asking:
			pause = firstPause
		}
		for q.await(ctx, &pause) {
			if q.askAll(ctx) {
				pause = firstPause
			}
		}
	}
}

// await waits for the next time to ask. It is false if there is nothing to ask about, or ctx has ended.
func (q *Queue[U]) await(ctx context.Context, pause *time.Duration) bool {
	q.mu.Lock()
	left, closed := len(q.unresolved), q.closed.Load()
	q.mu.Unlock()
	if left == 0 {
		return false
	}
	wait := *pause/2 + rand.N(*pause/2+1)
	if *pause = min(2**pause, longestPause); closed {
		*pause = min(*pause, closingPause)
	}
	if !sleep(ctx, wait, q.asking) { // there is more: it is asked soon, and not as often as more comes
		*pause = 2 * firstPause
		sleep(ctx, firstPause, nil)
	}
	return ctx.Err() == nil
}

// sleep waits for a time, until something comes or ctx ends. It reports whether it was the time.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
	case <-ctx.Done():
	}
	return false
}

// askAll asks about all, some at a time, and reports whether something has become known.
func (q *Queue[U]) askAll(ctx context.Context) (some bool) {
	all := q.takeUnresolved()
	for len(all) > 0 {
		n, usages := 0, 0
		for ; n < len(all) && (n == 0 || usages+len(all[n].usages) <= mostAsked); n++ {
			usages += len(all[n].usages)
		}
		left, err := q.ask(ctx, all[:n], q.resolved)
		some = some || len(left) < n
		if all = all[n:]; err != nil {
			left, all = append(left, all...), nil // the others would wait as long
		}
		q.putUnresolved(left)
	}
	return some
}

// resolved tells of one that has become known. That may call observers, which may panic or never return.
func (q *Queue[U]) resolved(one *unresolved[U], known func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unknown -= len(one.usages)
	go func() {
		if err := safely("what is told of a request", func() error { known(); return nil }); err != nil {
			q.config.Logger.Error("gate: an application's function panicked", "error", err)
		}
	}()
}

func (q *Queue[U]) takeUnresolved() []unresolved[U] {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.unresolved
	q.unresolved = nil
	return all
}

func (q *Queue[U]) putUnresolved(left []unresolved[U]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unresolved = append(q.unresolved, left...)
}
