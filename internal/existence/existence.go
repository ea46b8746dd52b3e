// Package existence keeps the answers to questions that another system is asked: does this exist?
// Each is asked once, however many want to know, and again when its answer has expired, while the
// old one stands. Nothing here waits: who asks may wait for the answer.
package existence

import (
	"context"
	"sync"
	"time"
)

const (
	yesFor = time.Hour
	// noFor is soon, since what is missing is made when somebody notices; and so soon at most is
	// asked again what nobody could answer.
	noFor = time.Minute
	// most is how many answers are kept, and atOnce how many questions are asked at once.
	most    = 1000
	atOnce  = 4
	timeout = 10 * time.Second
)

// Answer is what is known.
type Answer uint8

// The answers. Unknown is also what could not be found out.
const (
	Unknown Answer = iota
	Yes
	No
)

// Answers are kept by key. All methods may be called from any goroutine.
type Answers[K comparable] struct {
	now  func() time.Time
	ctx  context.Context
	stop context.CancelFunc

	places chan struct{}
	asking sync.WaitGroup

	mu     sync.Mutex
	closed bool
	kept   map[K]*entry
}

type entry struct {
	answer  Answer
	expires time.Time
	pending chan struct{} // while it is asked; closed at the end
}

// New returns Answers that expire by a clock. Close them.
func New[K comparable](now func() time.Time) *Answers[K] {
	ctx, stop := context.WithCancel(context.Background()) //nolint:gosec // Close calls stop
	return &Answers[K]{now: now, ctx: ctx, stop: stop, places: make(chan struct{}, atOnce), kept: make(map[K]*entry)}
}

// Look says what is known of a key, and whether it is to be asked: it never was, or the answer has
// expired.
func (a *Answers[K]) Look(key K) (answer Answer, ask bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.kept[key]
	if e == nil {
		return Unknown, true
	}
	return e.answer, e.pending != nil || !a.now().Before(e.expires)
}

// Ask asks about a key, unless that is under way, and gives what is closed when it is answered;
// nil if it is not asked: after Close, or if too much is kept. An error of ask's leaves what was
// known before.
func (a *Answers[K]) Ask(key K, ask func(context.Context) (bool, error)) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.kept[key]
	switch {
	case e != nil && e.pending != nil:
		return e.pending
	case a.closed, e == nil && !a.room():
		return nil
	case e == nil:
		e = &entry{}
		a.kept[key] = e
	}
	pending := make(chan struct{})
	e.pending = pending
	a.asking.Go(func() {
		answer := a.ask(ask)
		a.mu.Lock()
		defer a.mu.Unlock()
		e.pending, e.expires = nil, a.now().Add(noFor)
		if answer != Unknown {
			e.answer = answer
		}
		if answer == Yes {
			e.expires = a.now().Add(yesFor)
		}
		close(pending)
	})
	return pending
}

// ask asks when there is a place. What panics has not answered.
func (a *Answers[K]) ask(ask func(context.Context) (bool, error)) (answer Answer) {
	select {
	case a.places <- struct{}{}:
	case <-a.ctx.Done():
		return Unknown
	}
	defer func() { <-a.places }()
	ctx, cancel := context.WithTimeout(a.ctx, timeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			answer = Unknown
		}
	}()
	yes, err := ask(ctx)
	switch {
	case err != nil:
		return Unknown
	case yes:
		return Yes
	}
	return No
}

// room reports whether one more may be kept, and forgets what has expired if it must; with mu.
func (a *Answers[K]) room() bool {
	if len(a.kept) < most {
		return true
	}
	for key, e := range a.kept {
		if e.pending == nil && !a.now().Before(e.expires) {
			delete(a.kept, key)
		}
	}
	return len(a.kept) < most
}

// Close ends what is being asked, and waits for that as long as ctx allows.
func (a *Answers[K]) Close(ctx context.Context) {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.stop()
	done := make(chan struct{})
	go func() { a.asking.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
