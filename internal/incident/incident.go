// Package incident tells the log of what lasts: an outage, a full queue, a function that hangs.
// A State is told when it begins, again after pauses that grow while it lasts, and when it is
// over; with how long it has lasted, how often it happened and what it has cost by then.
//
// It has no goroutine and no clock: who meets the trouble says so by Happens, who sees that it is
// over by Over, and what happens anyhow (a read, a delivery) calls Tick, so that what lasts is
// told again. The lines are written by whoever calls, without a lock, so a logger that hangs holds
// up that caller alone.
//
// What holds: an incident whose beginning was told has its end told, once (unless it is
// dropped), and one that was not told has none; of one State no two beginnings are told within leastPause, however often it comes
// and goes.
package incident

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// pauses are those between the lines of one that lasts; the last one stays.
var pauses = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

// leastPause is the shortest time between two beginnings that are told.
const leastPause = time.Minute

// Count is a counter that only grows; of it is told what an incident has added.
type Count struct {
	Name  string
	Value uint64
}

// Terms are how a State is told. All but Logger may be zero.
type Terms struct {
	Logger *slog.Logger
	// Quiet is for what nobody sees the end of: it is over once it did not happen for so long,
	// and told again only when it happens.
	Quiet time.Duration
	// Once tells it at its beginning and at its end only, since another State is told meanwhile.
	Once bool
	// Figures are told with every line, as they are then. Costs are counters. Both are called by
	// whoever calls the State, Costs under a lock of it.
	Figures func(now time.Time) []slog.Attr
	Costs   func() []Count
}

// State is one kind of trouble. Its methods may be called from any goroutine.
type State struct {
	level        slog.Level
	begins, ends string
	Terms

	active atomic.Bool // an incident lasts

	mu    sync.Mutex
	began time.Time // of the incident
	last  time.Time // when it happened last
	times uint64
	costs []Count     // at its beginning
	about []slog.Attr // what was said of it last
	told  bool
	lines int       // that were written of it
	wrote time.Time // the last line that said that it is so; also of an earlier incident
}

// New returns a State that is told by begins, while it lasts too, and by ends, at level INFO.
func New(level slog.Level, begins, ends string, t Terms) *State {
	return &State{level: level, begins: begins, ends: ends, Terms: t}
}

// Happens says that it is so, or happened once more. about is what is to be told of it.
func (s *State) Happens(now time.Time, about ...slog.Attr) {
	s.mu.Lock()
	over := s.quiets(now)
	if !s.active.Load() {
		s.began, s.times, s.told, s.lines, s.costs = now, 0, false, 0, nil
		if s.Costs != nil {
			s.costs = s.Costs()
		}
		s.active.Store(true)
	}
	s.times++
	s.last, s.about = now, about
	is := s.due(now)
	s.mu.Unlock()
	s.write(over, now)
	s.write(is, now)
}

// Over says that it is not so any more.
func (s *State) Over(now time.Time) {
	if !s.active.Load() {
		return
	}
	s.mu.Lock()
	over := s.end(now)
	s.mu.Unlock()
	s.write(over, now)
}

// Drop ends it without a line, since another State tells of it from now on.
func (s *State) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active.Store(false)
}

// Tick tells it again if it lasts and it is time for that, or that it is over.
func (s *State) Tick(now time.Time) {
	if !s.active.Load() {
		return
	}
	s.mu.Lock()
	l := s.quiets(now)
	if l == nil && s.Quiet == 0 { // else nobody knows whether it still lasts
		l = s.due(now)
	}
	s.mu.Unlock()
	s.write(l, now)
}

// Active reports whether it is so.
func (s *State) Active() bool { return s.active.Load() }

// line is one that is to be written.
type line struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

// due is the line that says that it is so, if it is time for one. Call it under the lock.
func (s *State) due(now time.Time) *line {
	switch {
	case !s.active.Load():
		return nil
	case !s.told && !s.wrote.IsZero() && !passed(now, s.wrote, leastPause):
		return nil
	case s.told && (s.Once || !passed(now, s.wrote, pauses[min(s.lines, len(pauses))-1])):
		return nil
	}
	attrs := append([]slog.Attr{}, s.about...)
	if lasted := now.Sub(s.began); lasted > 0 {
		attrs = append(attrs, slog.Time("since", s.began))
		attrs = s.cost(attrs, lasted)
	}
	s.told, s.wrote = true, now
	s.lines++
	return &line{s.level, s.begins, attrs}
}

// quiets is the line of the end of one that did not happen for long. Call it under the lock.
func (s *State) quiets(now time.Time) *line {
	if s.Quiet == 0 || !s.active.Load() || !passed(now, s.last, s.Quiet) {
		return nil
	}
	return s.end(s.last)
}

// end is the line of the end. Call it under the lock.
func (s *State) end(at time.Time) *line {
	told := s.told && s.active.Load()
	s.active.Store(false)
	if !told || s.ends == "" {
		return nil
	}
	return &line{slog.LevelInfo, s.ends, s.cost(nil, max(0, at.Sub(s.began)))}
}

// cost adds what it has come to. Call it under the lock.
func (s *State) cost(attrs []slog.Attr, lasted time.Duration) []slog.Attr {
	attrs = append(attrs, slog.Duration("lasted", lasted.Round(time.Millisecond)), slog.Uint64("times", s.times))
	if s.Costs != nil {
		for i, c := range s.Costs() {
			attrs = append(attrs, slog.Uint64(c.Name, c.Value-s.costs[i].Value))
		}
	}
	return attrs
}

func (s *State) write(l *line, now time.Time) {
	if l == nil {
		return
	}
	if s.Figures != nil {
		l.attrs = append(l.attrs, s.Figures(now)...)
	}
	s.Logger.LogAttrs(context.Background(), l.level, l.text, l.attrs...)
}

// passed reports whether d has passed since then, or then lies ahead, since the clock was set
// back.
func passed(now, then time.Time, d time.Duration) bool {
	return now.Sub(then) >= d || now.Before(then)
}
