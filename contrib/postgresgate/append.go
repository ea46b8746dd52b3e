package postgresgate

import (
	"context"
	"slices"

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
	b.inserts(a.rows)
	select {
	case b.appends <- a:
	case <-ctx.Done():
		b.inserted(a.rows, nil)
		return ctx.Err()
	case <-b.ctx.Done():
		b.inserted(a.rows, nil)
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
				b.inserted(a.rows, err)
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
