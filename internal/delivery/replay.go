package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

// What the Store has of an earlier run is taken over at the start: read once, entered into the ledger,
// and put before all that this run reports. Where the Store fails meanwhile, the rest is read again and
// again, from where it ended, until all is read or nothing may be put any more.
//
// What holds: each usage of an earlier run is taken over once, for what is read again lies behind at,
// and what this run reports lies behind all of it and is known by its key. While some is unread,
// nothing of this run waits in the Store alone, so a backlog has what is up to end only. What this run
// reports waits for the rest, but no longer than mostHeld: a Store that can be read no more holds up
// nothing for good, and order is lost to what it has.

// mostHeld is how long what this run reports waits for what an earlier run has left.
const mostHeld = time.Minute

// replay is how far the Store was read.
type replay struct {
	failing *incident.State

	// Of the one goroutine that reads:
	at          uint64 // up to it all is read
	again       bool   // this is not the first look
	taken, lost int    // lost is what can't be read
	entered     func()

	// Under the lock of Queue:
	unread bool // the Store may have more of an earlier run
	holds  bool // and what comes waits for it
}

func newReplay(l *slog.Logger) replay {
	return replay{failing: incident.New(slog.LevelError,
		"gate: the outbox can't be read to its end; what an earlier run has left there waits and is read again, and what is reported waits for it for up to a minute",
		"gate: the outbox was read to its end, and usage of an earlier run is delivered", incident.Terms{Logger: l})}
}

// Replay takes over what the Store has from an earlier run, before the first request. If the Store
// fails meanwhile, Run goes on with it. entered is called once all of it is in the ledger; never if
// some of it can't be read.
func (q *Queue[U]) Replay(entered func()) {
	if q.journal == nil {
		entered()
		return
	}
	r := &q.replay
	r.entered, r.unread, r.holds = entered, true, true
	q.look()
	if r.taken+r.lost > 0 {
		q.config.Logger.Info("gate: usage of an earlier run is delivered now", "usages", r.taken, "unreadable", r.lost)
	}
	r.again = true
}

// replayRest goes on with it until all is read, or nothing may be put any more.
func (q *Queue[U]) replayRest(ctx context.Context) {
	if !q.unread() {
		return
	}
	held := time.AfterFunc(mostHeld, q.letGo)
	defer held.Stop()
	shutting, longest := q.shutting, longestPause
	for pause := firstPause; q.unread(); pause = min(2*pause, longest) {
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
			q.look()
		case <-shutting:
			shutting, pause, longest = nil, firstPause, closingPause
		case <-q.idle:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (q *Queue[U]) unread() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.replay.unread
}

// letGo has what comes wait no longer for what is unread.
func (q *Queue[U]) letGo() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.replay.holds = false
	for _, s := range q.lanes {
		s.caughtUp()
	}
}

// look reads what is behind at.
func (q *Queue[U]) look() {
	r, ended := &q.replay, error(nil)
	err := q.journal.ask(func() error {
		for k, err := range q.config.Store.Pending(r.at) {
			if err != nil && k.At == 0 { // of nothing that is there
				ended = err
				continue
			}
			if ended != nil { // the rest followed
				q.unreadable(ended)
				r.lost++
				ended = nil
			}
			if err == nil && r.again && q.own(k.Usage) {
				return nil // this run's lies behind all of an earlier one's
			}
			if !q.takeOver(&k, err) {
				return nil
			}
		}
		return nil
	})
	if err == nil {
		err = ended
	}
	if err != nil {
		r.failing.Happens(q.config.Now(), slog.Any("error", err))
		return
	}
	q.replayed()
}

// own reports whether a usage is surely of this run.
func (q *Queue[U]) own(u U) bool {
	number, _ := q.config.Key(u)
	return number != 0
}

// takeOver takes over one that was read, or could not be. It is false if nothing may be put any more.
func (q *Queue[U]) takeOver(k *Kept[U], err error) bool {
	r := &q.replay
	switch {
	case err == nil && r.again && q.journal.has(k.Usage): // its key was given again, and counts once
		q.passOver(k)
	case !q.keepPlace():
		return false
	default:
		if err == nil {
			err = q.config.Enter(&k.Usage)
		}
		if err != nil {
			q.Cancel(1)
			r.lost++
			q.unreadable(err)
			break
		}
		q.journal.count(k.Usage, 1)
		q.putEarlier(k)
		r.taken++
	}
	r.at = k.At
	return true
}

func (q *Queue[U]) unreadable(err error) {
	q.config.Logger.Error("gate: the outbox has usage that can't be read; it stays there", "error", err)
}

// keepPlace keeps a place for one of an earlier run, whether there is one or not: until it is put, the
// queue is not idle.
func (q *Queue[U]) keepPlace() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.free.Add(-1)
	return true
}

// putEarlier puts one into its place in memory, or leaves it to the backlog.
func (q *Queue[U]) putEarlier(k *Kept[U]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free.Add(1)
	h := q.config.Header(k.Usage)
	s := q.lanes[h.Lane]
	if s.backlog.end = k.At; s.backlog.count > 0 || !s.room() {
		s.backlog.add(q.config.Series(k.Usage), &h, *q.config.Entry(&k.Usage), q.config.Now())
		s.nudge()
		return
	}
	s.backlog.read = k.At
	q.free.Add(-1)
	q.put(&Item[U]{Usage: k.Usage}, &h)
}

// passOver notes that one is not taken over.
func (q *Queue[U]) passOver(k *Kept[U]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.lanes[q.config.Header(k.Usage).Lane].backlog
	if b.end = k.At; b.count == 0 {
		b.read = k.At
		return
	}
	if b.passed == nil {
		b.passed = make(map[uint64]bool)
	}
	b.passed[k.At] = true
}

// replayed notes that all is read, and where this run begins.
func (q *Queue[U]) replayed() {
	q.journal.whole()
	if q.begins() {
		q.replay.failing.Over(q.config.Now())
		if q.replay.lost == 0 {
			q.replay.entered()
		}
	}
}

// begins is false if nothing may be put any more.
func (q *Queue[U]) begins() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &q.replay
	if q.over {
		return false
	}
	r.unread, r.holds = false, false
	for _, s := range q.lanes {
		if s.backlog.end = r.at; s.backlog.count == 0 {
			s.backlog.read = r.at
		}
		s.caughtUp()
		s.nudge()
	}
	return true
}
