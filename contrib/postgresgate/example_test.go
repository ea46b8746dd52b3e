package postgresgate_test

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/postgresgate"
)

// A handler creates a campaign and settles what it used in one transaction: there is no campaign without
// its usage, and no usage without a campaign.
func ExampleSettleTx() {
	create := func(pool *pgxpool.Pool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO campaigns (name) VALUES ($1)", r.FormValue("name")); err != nil {
					return err
				}
				return postgresgate.SettleTx(ctx, tx, gate.TicketFrom(ctx))
			})
			if err != nil {
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusCreated)
		}
	}
	start := func(ctx context.Context, pool *pgxpool.Pool, stigg gate.Source, who gate.Resolver) (*gate.Gate, error) {
		if err := postgresgate.Migrate(ctx, pool); err != nil {
			return nil, err
		}
		box, err := postgresgate.Outbox(ctx, pool)
		if err != nil {
			return nil, err
		}
		return gate.New(stigg, who, gate.WithOutbox(box))
	}
	_, _ = create, start
}
