package delivery

import (
	"sync/atomic"
	"time"
)

// hangsAfter is when a function of the app's that has not returned is said to hang.
const hangsAfter = 10 * time.Second

// notice is usage that was refused, to be told to the app.
type notice[U any] struct {
	usage U
	err   error
}

// notices are those that wait, under the queue's lock. One goroutine tells them, in order, while
// there are any, so that a function that is slow, or never returns, delays no delivery. They keep
// their places: what waits for the app is bounded with what waits for Stigg.
type notices[U any] struct {
	waiting fifo[notice[U]]
	telling bool         // the goroutine runs, and one of its own is counted by len
	since   atomic.Int64 // when its present call began, in nanoseconds; 0 between two
}

func (n *notices[U]) len() int {
	if n.telling {
		return n.waiting.len() + 1
	}
	return 0
}

func (n *notices[U]) hang(now time.Time) bool {
	since := n.since.Load()
	return since != 0 && now.UnixNano()-since >= int64(hangsAfter)
}

// add is called under the lock.
func (n *notices[U]) add(one notice[U], q *Queue[U]) {
	n.waiting.push(one)
	if !n.telling {
		n.telling = true
		go q.tell()
	}
}

// tell tells all notices.
func (q *Queue[U]) tell() {
	for {
		one, more := q.nextNotice()
		if !more {
			return
		}
		q.notices.since.Store(q.clock().UnixNano())
		if err := safely("the function for refused usage", func() error { q.config.Refused(one.usage, one.err); return nil }); err != nil {
			q.config.Logger.Error("gate: an application's function panicked", "error", err)
		}
		q.notices.since.Store(0)
		q.told(one.usage)
	}
}

func (q *Queue[U]) nextNotice() (one notice[U], more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.notices.waiting.len() == 0 {
		q.notices.telling = false
		q.rest()
		return one, false
	}
	return q.notices.waiting.takeFirst(), true
}

func (q *Queue[U]) told(u U) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(u)
	q.readMore()
}
