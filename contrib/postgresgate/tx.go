package postgresgate

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/stiggate/gate"
)

// Tx is a transaction of the app's: a pgx.Tx.
type Tx interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// SettleTx puts the usage of a ticket into a transaction, in one INSERT for each feature: the usage exists
// exactly if the transaction commits, whatever the handler answers (gate.Ticket.SettleIn). It may be
// called again in the next attempt of a transaction that was rolled back.
//
// Where nothing is to be reported it does nothing: without a gate, too. The error is an *Error,
// ErrOtherOutbox, ErrOtherDatabase, gate.ErrNoTxOutbox or gate.ErrSettled. After one roll back: the ticket
// is as it was before.
func SettleTx(ctx context.Context, tx Tx, t *gate.Ticket) error {
	return settle(t, func(b *Box, args ...any) (top string, err error) {
		err = tx.QueryRow(ctx, b.tables.settle, args...).Scan(&top)
		return top, err
	})
}

// SQLTx is a transaction of database/sql, with any driver of Postgres.
type SQLTx interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// SettleSQLTx is SettleTx for database/sql.
func SettleSQLTx(ctx context.Context, tx SQLTx, t *gate.Ticket) error {
	return settle(t, func(b *Box, args ...any) (top string, err error) {
		err = tx.QueryRowContext(ctx, b.tables.settle, args...).Scan(&top)
		return top, err
	})
}

func settle(t *gate.Ticket, insert func(b *Box, args ...any) (top string, err error)) error {
	return t.SettleIn(func(o gate.TxOutbox, usages []gate.Usage) error {
		b, ok := o.(*Box)
		if !ok {
			return ErrOtherOutbox
		}
		if b.ctx.Err() != nil {
			return ErrClosed
		}
		inserted := make(map[string]string, len(usages))
		for i := range usages {
			r, err := encode(&usages[i])
			if err != nil {
				return err
			}
			top, err := insert(b, r.name, r.series, r.total, r.usage, b.own)
			switch {
			case errors.Is(err, pgx.ErrNoRows), errors.Is(err, sql.ErrNoRows):
				return ErrOtherDatabase
			case err != nil:
				return wrap(err)
			}
			inserted[string(r.name)] = top
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for name, top := range inserted {
			b.open[name] = append(b.open[name], top)
		}
		return nil
	})
}

// Kept is gate.TxOutbox's.
func (b *Box) Kept(ctx context.Context, u ...gate.Usage) (kept, over []bool, err error) {
	var which []int // usage each transaction is asked for
	var all [][]byte
	var tops []string
	names := make([][]byte, len(u))
	b.mu.Lock()
	for i := range u {
		names[i] = nameOf(&u[i])
		in := b.open[string(names[i])]
		if len(in) == 0 {
			in = []string{""}
		}
		for _, top := range in {
			which, all, tops = append(which, i), append(all, names[i]), append(tops, top)
		}
	}
	b.mu.Unlock()
	rows, err := b.pool.Query(ctx, b.tables.kept, all, tops)
	if err != nil {
		return nil, nil, wrap(err)
	}
	answers, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a [2]bool, err error) {
		err = row.Scan(&a[0], &a[1])
		return a, err
	})
	if err != nil || len(answers) != len(all) {
		return nil, nil, errors.Join(wrap(err), ctx.Err())
	}
	kept, over = make([]bool, len(u)), make([]bool, len(u))
	for i := range over {
		over[i] = true
	}
	for n, i := range which { // over if all attempts are
		kept[i] = kept[i] || answers[n][0]
		over[i] = over[i] && answers[n][1]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range u {
		if kept[i] || over[i] {
			delete(b.open, string(names[i]))
		}
	}
	return kept, over, nil
}
