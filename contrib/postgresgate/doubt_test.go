package postgresgate

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestWhatMayBeInsertedLateIsForgottenAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"the insertion is known to be done", nil, 0},
		{"the server refused it", &pgconn.PgError{Code: "53100"}, 0},
		{"the server was ending", wrap(&pgconn.PgError{Code: "57P01"}), 1},
		{"the time was up", wrap(context.DeadlineExceeded), 1},
		{"the connection died", wrap(errors.New("reset by peer")), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &Box{doubts: newDoubts(), finishes: make(chan struct{}, 1)}
			rows := []row{{name: []byte("a")}}
			b.inserts(rows)
			if err := b.end(finished{name: rows[0].name}); err != nil {
				t.Fatal(err)
			}
			if all := b.forgettable(); len(all) > 0 {
				t.Errorf("%d are forgotten while the insertion is under way", len(all))
			}
			b.inserted(rows, test.err)
			all := b.forgettable()
			if len(all) != 1 {
				t.Fatalf("%d are forgotten after it, want 1", len(all))
			}
			b.forgotten(all)
			for range 2 {
				b.sayAgain()
				if all = b.forgettable(); len(all) != test.want {
					t.Errorf("%d are forgotten at the next beat, want %d", len(all), test.want)
				}
				b.forgotten(all)
			}
		})
	}
}
