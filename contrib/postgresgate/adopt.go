package postgresgate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stiggate/gate"
)

// RowError is a row that can't be read. It stays.
type RowError struct {
	ID  int64 // of gate_outbox
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("postgresgate: row %d: %v", e.ID, e.Err) }

// Unwrap is why.
func (e *RowError) Unwrap() error { return e.Err }

const (
	// mostClaimed is how many are taken over at once.
	mostClaimed = 300
	// poll is how long a process that waits is not told.
	poll = time.Second
	// claiming is the advisory lock under which one process after the other takes over.
	claiming = 0x67617466
)

// Adopt is gate.Adopter's: it takes over what processes whose lease has run out have left. NOTIFY tells of
// one that has closed; besides it looks each second. It has one connection of the pool, unless that is the
// only one.
func (b *Box) Adopt(ctx context.Context, take func(u ...gate.Usage) error) error {
	wait := sleep
	if b.pool.Config().MaxConns > 1 {
		conn, err := b.pool.Acquire(ctx)
		if err != nil {
			return wrap(err)
		}
		defer func() {
			_ = conn.Conn().Close(context.Background()) // it listens, and belongs to nobody else then
			conn.Release()
		}()
		if _, err := conn.Exec(ctx, "LISTEN gate_outbox"); err != nil {
			return wrap(err)
		}
		wait = func(ctx context.Context) error {
			_, err := conn.Conn().WaitForNotification(ctx)
			return err
		}
	}
	return b.adopt(ctx, take, wait)
}

func sleep(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// adopt looks after each wait, which is for a poll at most.
func (b *Box) adopt(ctx context.Context, take func(u ...gate.Usage) error, wait func(context.Context) error) error {
	for ctx.Err() == nil && b.ctx.Err() == nil {
		more, err := false, error(nil)
		if b.mayClaim() {
			switch more, err = b.claim(ctx, b.heir, take); {
			case errors.Is(err, gate.ErrClosed):
				return nil
			case err != nil && !errors.Is(err, gate.ErrQueueFull):
				return wrap(err)
			}
		}
		if more {
			continue
		}
		within, cancel := context.WithTimeout(ctx, poll)
		err = wait(within)
		over := within.Err() != nil
		cancel()
		if err != nil && !over {
			return wrap(err)
		}
	}
	return nil
}

// mayClaim reports whether this process has been in contact for a lease: after an outage of the database
// nobody's lease is renewed, and those who live have to come first.
func (b *Box) mayClaim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.steady.IsZero() && now().Sub(b.steady) >= b.lease
}

// claim takes some over for an owner of this process, and gives them to take, if it is not nil, in the
// transaction: what is not taken stays where it is. It reports whether there may be more.
func (b *Box) claim(ctx context.Context, owner string, take func(u ...gate.Usage) error) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := b.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var free bool
	if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", claiming).Scan(&free); err != nil || !free {
		return false, err // another one is at it
	}
	rows, _ := tx.Query(ctx, b.tables.claimable)
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	owners = slices.DeleteFunc(owners, func(o string) bool { return o == b.own || o == b.heir })
	if err != nil || len(owners) == 0 {
		return false, err
	}
	rows, _ = tx.Query(ctx, b.tables.claim, owner, owners, mostClaimed)
	all, err := pgx.CollectRows(rows, scan)
	if err != nil || len(all) == 0 {
		return false, err
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.id, b.id) })
	if take == nil {
		return len(all) == mostClaimed, tx.Commit(ctx)
	}
	if err := b.handOver(all, take); err != nil {
		return false, err
	}
	if err := tx.Commit(ctx); err != nil {
		for _, k := range all { // it is delivered here, and perhaps not this process's
			b.taken[k.id] = true
		}
		return false, err
	}
	for _, k := range all {
		delete(b.taken, k.id)
	}
	return len(all) == mostClaimed, nil
}

// handOver gives rows to take, but for those that it has taken already, and those that can't be read.
func (b *Box) handOver(all []kept, take func(u ...gate.Usage) error) error {
	usages := make([]gate.Usage, 0, len(all))
	for _, k := range all {
		if u, err := decode(k.usage); err == nil && !b.taken[k.id] {
			usages = append(usages, u)
		}
	}
	if len(usages) == 0 {
		return nil
	}
	return take(usages...)
}
