package postgresgate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stiggate/gate"
)

// appending is one Append that waits.
type appending struct {
	rows []row
	done chan error // takes one
}

// mostRows bounds the rows of one statement.
const mostRows = 1000

// Append is gate.Outbox's. Those that come together are one transaction; one goroutine makes them, so
// that the ids of what is kept are in the order of the commits.
func (b *Box) Append(ctx context.Context, u ...gate.Usage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &appending{done: make(chan error, 1)}
	for i := range u {
		r, err := encode(&u[i])
		if err != nil {
			return err
		}
		a.rows = append(a.rows, r)
	}
	select {
	case <-b.ctx.Done():
		return ErrClosed
	default:
	}
	if len(u) == 0 {
		return nil
	}
	select {
	case b.appends <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ctx.Done():
		return ErrClosed
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write makes the transactions until Close.
func (b *Box) write() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case first := <-b.appends:
			all := b.gather(first)
			err := b.insert(all)
			b.note(err)
			for _, a := range all {
				a.done <- err
			}
		}
	}
}

// gather takes what waits besides.
func (b *Box) gather(first *appending) []*appending {
	all := []*appending{first}
	for n := len(first.rows); n < mostRows; n += len(all[len(all)-1].rows) {
		select {
		case a := <-b.appends:
			all = append(all, a)
		default:
			return all
		}
	}
	return all
}

// insert inserts all of some Appends in one transaction. Of each series that has a total in it a lock is
// taken first, so that of two totals the one with the greater id is the later one.
func (b *Box) insert(all []*appending) error {
	var names [][]byte
	var series, locks []int64
	var totals []bool
	var usages []string
	for _, a := range all {
		for _, r := range a.rows {
			names, series = append(names, r.name), append(series, r.series)
			totals, usages = append(totals, r.total), append(usages, r.usage)
			if r.total {
				locks = append(locks, r.series)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if len(locks) == 0 {
		_, err := b.pool.Exec(ctx, b.tables.append, names, series, totals, usages, b.own)
		return wrap(err)
	}
	slices.Sort(locks) // one order, so that no two processes wait for each other
	return wrap(pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(l) FROM unnest($1::bigint[]) l", slices.Compact(locks)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, b.tables.append, names, series, totals, usages, b.own)
		return err
	}))
}

// finished is what Done or SetAside has said of a usage.
type finished struct {
	name  []byte
	aside *string // the reason
}

// Done is gate.Outbox's. It does not wait for the database.
func (b *Box) Done(u ...gate.Usage) error {
	all := make([]finished, len(u))
	for i := range u {
		all[i].name = nameOf(&u[i])
	}
	return b.end(all...)
}

// SetAside is gate.Outbox's. It does not wait for the database. The row stays, with the reason in its
// column aside.
func (b *Box) SetAside(u gate.Usage, reason string) error {
	return b.end(finished{nameOf(&u), &reason})
}

func (b *Box) end(all ...finished) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.finished = append(b.finished, all...)
	select {
	case b.finishes <- struct{}{}:
	default:
	}
	return nil
}

// finishAgain is the pause after a failure.
const finishAgain = time.Second

// finish deletes and sets aside until Close.
func (b *Box) finish() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.finishes:
		}
		for {
			ctx, cancel := context.WithTimeout(b.ctx, patience)
			err := b.forget(ctx)
			cancel()
			if err == nil {
				break
			}
			b.note(err)
			timer := time.NewTimer(finishAgain)
			select {
			case <-b.ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// forget does what Done and SetAside have asked for, in their order as far as it matters.
func (b *Box) forget(ctx context.Context) error {
	b.mu.Lock()
	all := b.finished
	b.finished = nil
	b.mu.Unlock()
	for len(all) > 0 {
		n := 0
		var names [][]byte
		for ; n < len(all) && n < mostRows && all[n].aside == nil; n++ {
			names = append(names, all[n].name)
		}
		var err error
		if n > 0 {
			_, err = b.pool.Exec(ctx, b.tables.done, names, b.own)
		} else {
			_, err = b.pool.Exec(ctx, b.tables.aside, all[0].name, *all[0].aside)
			n = 1
		}
		if err != nil {
			b.mu.Lock()
			b.finished = append(all, b.finished...)
			b.mu.Unlock()
			return errors.Join(wrap(err))
		}
		all = all[n:]
	}
	return nil
}
