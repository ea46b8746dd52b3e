package delivery

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

// Store keeps usage beyond the life of the process; see gate.Outbox. Done and SetAside name usage
// by its series and key.
type Store[U any] interface {
	Append(ctx context.Context, u []U) error
	Done(u []U) error
	SetAside(u U, reason string) error
	Pending(after uint64) iter.Seq2[Kept[U], error]
	// Adopt is gate.Adopter's; it returns nil if this Store is none.
	Adopt(ctx context.Context, take func(...U) error) error
	// Kept is gate.TxOutbox's; it is not called of a Store that is none.
	Kept(ctx context.Context, u []U) (kept, over []bool, err error)
	Healthy() error
	Close() error
}

// Kept is a usage in a Store, with its position there.
type Kept[U any] struct {
	Usage U
	At    uint64
}

// StoreError says that the Store does not keep usage. InMemory says that it is delivered all the
// same.
type StoreError struct {
	InMemory bool
	Err      error
}

func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap returns what the Store said.
func (e *StoreError) Unwrap() error { return e.Err }

// journal is the queue's side of its Store. A nil journal keeps nothing.
type journal[U any] struct {
	config *Config[U]
	store  Store[U]

	mu      sync.Mutex
	appKeys named // the usages that wait by a key that the app gave
	seen    named // those that ever did, until Replay has read all of the Store

	deadline atomic.Pointer[deadline]

	failing *incident.State
	unkept  atomic.Uint64 // usages that only memory has
	denied  atomic.Uint64 // requests that were not let in
}

const (
	// keepTimeout bounds how long a response waits for the Store.
	keepTimeout = 5 * time.Second
	// sharedFor is for how long what is kept shares a deadline.
	sharedFor = 250 * time.Millisecond
)

// deadline is shared by what is kept until then: a timer and a context for each usage would cost as
// much as its part of the Store's commit.
type deadline struct {
	context.Context
	until time.Time
}

// soon returns a context that ends after keepTimeout, or up to sharedFor sooner.
func (j *journal[U]) soon() context.Context {
	now := time.Now() //nolint:forbidigo // waits are on the real clock
	d := j.deadline.Load()
	if d == nil || !now.Before(d.until) {
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(keepTimeout))
		context.AfterFunc(ctx, cancel)
		d = &deadline{ctx, now.Add(sharedFor)}
		j.deadline.Store(d)
	}
	return d.Context
}

func newJournal[U any](c *Config[U]) *journal[U] {
	j := &journal[U]{config: c, store: c.Store, appKeys: newNamed(), seen: newNamed()}
	then := "requests that would report it are answered 503"
	if c.Unkept {
		then = "it is in memory only, and a crash loses it"
	}
	j.failing = incident.New(slog.LevelError, "gate: the outbox does not keep usage; "+then, "gate: the outbox keeps usage again", incident.Terms{
		Logger: c.Logger,
		Costs: func() []incident.Count {
			return []incident.Count{{Name: "refused", Value: j.denied.Load()}, {Name: "unkept", Value: j.unkept.Load()}}
		},
	})
	return j
}

// ask asks the Store, which may panic.
func (*journal[U]) ask(do func() error) error { return safely("the outbox", do) }

// ready is nil if usage may be let in.
func (j *journal[U]) ready() error {
	if j == nil {
		return nil
	}
	err := j.ask(j.store.Healthy)
	j.note(err)
	if err == nil || j.config.Unkept {
		return nil
	}
	return &StoreError{Err: err}
}

// keep appends settled usage and waits until it is kept.
func (j *journal[U]) keep(ctx context.Context, items []Item[U]) error {
	if ctx == context.Background() { // as of each request, which may be over
		ctx = j.soon()
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, keepTimeout)
		defer cancel()
	}
	usages := make([]U, len(items))
	for i := range items {
		usages[i] = items[i].Usage
		j.count(usages[i], 1)
	}
	err := j.ask(func() error { return j.store.Append(ctx, usages) })
	j.note(err)
	if err == nil {
		return nil
	}
	j.unkept.Add(uint64(len(items)))
	return &StoreError{InMemory: true, Err: err}
}

// count counts the usages that wait by series and key, if the key is the app's: it may give one
// twice, and the Store is told once, with the last of them. It returns how many are left.
func (j *journal[U]) count(u U, n int32) int32 {
	number, key := j.config.Key(u)
	if number != 0 || generated(key) {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if n > 0 && j.seen.count != nil {
		j.seen.add(j.config.Series(u), key, n)
	}
	return j.appKeys.add(j.config.Series(u), key, n)
}

// has reports whether a usage by a key of the app's was counted since the start.
func (j *journal[U]) has(u U) bool {
	_, key := j.config.Key(u)
	j.mu.Lock()
	defer j.mu.Unlock()
	return !generated(key) && j.seen.has(j.config.Series(u), key)
}

// whole says that has is not asked any more.
func (j *journal[U]) whole() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen.count = nil
}

// done says that a batch is acknowledged.
func (j *journal[U]) done(batch []Item[U]) {
	if j == nil {
		return
	}
	usages := make([]U, 0, len(batch))
	for i := range batch {
		if j.count(batch[i].Usage, -1) <= 0 {
			usages = append(usages, batch[i].Usage)
		}
	}
	if err := j.ask(func() error { return j.store.Done(usages) }); err != nil {
		j.note(err)
	}
}

// setAside says that one is refused for good.
func (j *journal[U]) setAside(u U, reason error) {
	if j == nil || j.count(u, -1) > 0 {
		return // the app gave the same usage again: Stigg's answer to the last of them counts
	}
	if err := j.ask(func() error { return j.store.SetAside(u, reason.Error()) }); err != nil {
		j.note(err)
	}
}

func (j *journal[U]) note(err error) {
	switch {
	case err != nil:
		j.failing.Happens(j.config.Now(), slog.Any("error", err))
	case j.failing.Active(): // else a request need not look at the clock
		j.failing.Over(j.config.Now())
	}
}

func (j *journal[U]) close() error {
	if j == nil {
		return nil
	}
	if err := j.ask(j.store.Close); err != nil {
		return fmt.Errorf("gate: close the outbox: %w", err)
	}
	return nil
}
