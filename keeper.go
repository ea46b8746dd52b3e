package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// keeper is the delivery's side of the outbox. It says once that the outbox fails, and
// once that it works again.
type keeper struct {
	outbox Outbox
	logger *slog.Logger
	goOn   bool // let usage in while the outbox can't keep it

	mu      sync.Mutex
	foreign map[string]int // how many usages wait by a key that the app gave

	failing atomic.Bool
	unkept  atomic.Uint64 // usages that only memory has
}

// keepTimeout bounds how long a response waits for the outbox.
const keepTimeout = 5 * time.Second

// OutboxError says that the outbox does not keep usage.
type OutboxError struct {
	// Taken says that the usage is delivered from memory all the same; a crash may lose
	// it. Otherwise it was refused.
	Taken bool
	Err   error // what the outbox said
}

func (e *OutboxError) Error() string {
	taken := ""
	if e.Taken {
		taken = " (it is delivered from memory)"
	}
	return "gate: the outbox does not keep usage" + taken + ": " + e.Err.Error()
}

// Unwrap returns what the outbox said.
func (e *OutboxError) Unwrap() error { return e.Err }

// ready is nil if usage may be let in.
func (k *keeper) ready() error {
	if k == nil {
		return nil
	}
	err := k.outbox.Healthy()
	k.note(err)
	if err == nil || k.goOn {
		return nil
	}
	return &OutboxError{Err: err}
}

// keep appends settled usage and waits until it is kept.
func (k *keeper) keep(ctx context.Context, parcels []parcel) error {
	if k == nil || len(parcels) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	usages := make([]Usage, len(parcels))
	for i := range parcels {
		usages[i] = parcels[i].Usage
		k.count(usages[i].Key, 1)
	}
	err := k.outbox.Append(ctx, usages...)
	k.note(err)
	if err == nil {
		return nil
	}
	k.unkept.Add(uint64(len(parcels)))
	return &OutboxError{Taken: true, Err: err}
}

// count counts the usages that wait by a key. An app may give one key to usage of several
// customers, which Stigg tells apart and an outbox does not. It returns how many are left.
func (k *keeper) count(key string, n int) int {
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

func (k *keeper) done(batch []parcel) {
	keys := make([]string, 0, len(batch))
	for i := range batch {
		if key := batch[i].Key; k.count(key, -1) <= 0 {
			keys = append(keys, key)
		}
	}
	if err := k.outbox.Done(keys...); err != nil {
		k.note(err)
	}
}

func (k *keeper) setAside(p *parcel, reason error) {
	if k.count(p.Key, -1) > 0 {
		return // others wait by the same key; it is set aside or done with the last
	}
	if err := k.outbox.SetAside(p.Key, reason.Error()); err != nil {
		k.note(err)
	}
}

func (k *keeper) note(err error) {
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

// takeOver queues what the outbox has from an earlier run, before the first request.
func (d *delivery) takeOver(l *ledger) {
	if d.keeper == nil {
		return
	}
	taken, unread := 0, 0
	for u, err := range d.keeper.outbox.Pending() {
		if err == nil && u.Key == "" {
			err = errors.New("a usage without a key")
		}
		if err != nil {
			unread++
			d.logger.Error("gate: the outbox has usage that can't be read; it stays there", "error", err)
			continue
		}
		d.keeper.count(u.Key, 1)
		d.mu.Lock()
		d.places--
		d.kept++
		d.mu.Unlock()
		d.enqueue(d.late(l.open(u.Customer), u, nil))
		taken++
	}
	if taken+unread > 0 {
		d.logger.Info("gate: usage of an earlier run is delivered now", "usages", taken, "unreadable", unread)
	}
}

// close ends the outbox.
func (k *keeper) close() error {
	if err := k.outbox.Close(); err != nil {
		return fmt.Errorf("gate: close the outbox: %w", err)
	}
	return nil
}
