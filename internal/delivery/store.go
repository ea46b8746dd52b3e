package delivery

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Store keeps usage beyond the life of the process; see gate.Outbox.
type Store[U any] interface {
	Append(ctx context.Context, u ...U) error
	Done(keys ...string) error
	SetAside(key, reason string) error
	Pending() iter.Seq2[U, error]
	Healthy() error
	Close() error
}

// StoreError says that the Store does not keep usage. Kept in memory says that it is
// delivered all the same.
type StoreError struct {
	InMemory bool
	Err      error
}

func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap returns what the Store said.
func (e *StoreError) Unwrap() error { return e.Err }

// keeper is the queue's side of its Store. It says once that the Store fails, and
// once that it works again. A nil keeper keeps nothing.
type keeper[U any] struct {
	store  Store[U]
	logger *slog.Logger
	goOn   bool // let usage in while the Store can't keep it

	mu      sync.Mutex
	foreign map[string]int // how many usages wait by a key that the app gave

	failing atomic.Bool
	unkept  atomic.Uint64 // usages that only memory has
}

// keepTimeout bounds how long a response waits for the Store.
const keepTimeout = 5 * time.Second

// ready is nil if usage may be let in.
func (k *keeper[U]) ready() error {
	if k == nil {
		return nil
	}
	err := k.store.Healthy()
	k.note(err)
	if err == nil || k.goOn {
		return nil
	}
	return &StoreError{Err: err}
}

// keep appends settled usage and waits until it is kept.
func (k *keeper[U]) keep(ctx context.Context, items []Item[U]) error {
	if k == nil || len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	usages := make([]U, len(items))
	for i := range items {
		usages[i] = items[i].Usage
		k.count(items[i].Key, 1)
	}
	err := k.store.Append(ctx, usages...)
	k.note(err)
	if err == nil {
		return nil
	}
	k.unkept.Add(uint64(len(items)))
	return &StoreError{InMemory: true, Err: err}
}

// count counts the usages that wait by a key. An app may give one key to usage of several
// customers, which Stigg tells apart and a Store does not. It returns how many are left.
func (k *keeper[U]) count(key string, n int) int {
	if generated(key) {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.foreign == nil {
		k.foreign = make(map[string]int)
	}
	left := k.foreign[key] + n
	if k.foreign[key] = left; left <= 0 {
		delete(k.foreign, key)
	}
	return left
}

func (k *keeper[U]) done(batch []Item[U]) {
	if k == nil {
		return
	}
	keys := make([]string, 0, len(batch))
	for i := range batch {
		if key := batch[i].Key; k.count(key, -1) <= 0 {
			keys = append(keys, key)
		}
	}
	if err := k.store.Done(keys...); err != nil {
		k.note(err)
	}
}

func (k *keeper[U]) setAside(key string, reason error) {
	if k == nil || k.count(key, -1) > 0 {
		return // others wait by the same key; it is set aside or done with the last
	}
	if err := k.store.SetAside(key, reason.Error()); err != nil {
		k.note(err)
	}
}

func (k *keeper[U]) note(err error) {
	switch {
	case err != nil && k.failing.CompareAndSwap(false, true):
		then := "requests that would report it are denied with 503"
		if k.goOn {
			then = "it is in memory only, and a crash loses it"
		}
		k.logger.Error("gate: the outbox does not keep usage; "+then, "error", err)
	case err == nil && k.failing.Load() && k.failing.CompareAndSwap(true, false):
		k.logger.Info("gate: the outbox keeps usage again")
	}
}

// Replay puts what the Store has from an earlier run, before the first request. item makes
// an Item of it, or says why it can't.
func (q *Queue[U]) Replay(item func(U) (Item[U], error)) {
	if q.store == nil {
		return
	}
	taken, unread := 0, 0
	for u, err := range q.store.store.Pending() {
		var i Item[U]
		if err == nil {
			i, err = item(u)
		}
		if err != nil {
			unread++
			q.Logger.Error("gate: the outbox has usage that can't be read; it stays there", "error", err)
			continue
		}
		q.store.count(i.Key, 1)
		q.mu.Lock()
		q.places--
		q.reserved++
		q.mu.Unlock()
		q.Put(i)
		taken++
	}
	if taken+unread > 0 {
		q.Logger.Info("gate: usage of an earlier run is delivered now", "usages", taken, "unreadable", unread)
	}
}

// Close ends the Store.
func (q *Queue[U]) Close() error {
	if q.store == nil {
		return nil
	}
	if err := q.store.store.Close(); err != nil {
		return fmt.Errorf("gate: close the outbox: %w", err)
	}
	return nil
}
