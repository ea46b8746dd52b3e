package postgresgate

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/stiggate/gate"
)

// page is how many rows are read at once. No transaction is open between two pages.
const page = 500

// Pending is gate.Outbox's: of what this process has appended, or has taken over when it was opened.
func (b *Box) Pending(after gate.Position) iter.Seq2[gate.Kept, error] {
	return func(yield func(gate.Kept, error) bool) {
		if b.ctx.Err() != nil {
			yield(gate.Kept{}, ErrClosed)
			return
		}
		if err := b.flush(); err != nil { // what is done is not pending
			yield(gate.Kept{}, err)
			return
		}
		for at := int64(after); ; { //nolint:gosec // it is an id
			rows, err := b.read(at)
			if err != nil {
				yield(gate.Kept{}, err)
				return
			}
			for _, r := range rows {
				u, err := decode(r.usage)
				if at = r.id; err != nil {
					err = &RowError{ID: r.id, Err: err}
				}
				if !yield(gate.Kept{Usage: u, At: gate.Position(r.id)}, err) { //nolint:gosec // it is above 0
					return
				}
			}
			if len(rows) < page {
				return
			}
		}
	}
}

func (b *Box) flush() error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return b.forget(ctx)
}

// kept is a row as it is read.
type kept struct {
	id    int64
	usage string
}

func (b *Box) read(after int64) ([]kept, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	rows, err := b.pool.Query(ctx, b.tables.pending, b.own, after, page)
	if err != nil {
		return nil, wrap(err)
	}
	all, err := pgx.CollectRows(rows, scan)
	return all, wrap(err)
}

func scan(row pgx.CollectableRow) (k kept, err error) {
	err = row.Scan(&k.id, &k.usage)
	return k, err
}
