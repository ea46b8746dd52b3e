package postgresgate_test

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/postgresgate"
)

// stigg counts by key, once.
type stigg struct {
	mu    sync.Mutex
	limit float64
	got   map[string]float64 // by key
	order []gate.Usage
}

func (s *stigg) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := 0.0
	for _, v := range s.got {
		sum += v
	}
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "f", Kind: gate.Metered, Granted: true, Limit: max(s.limit, 5), Usage: sum}}}, nil
}

func (s *stigg) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = make(map[string]float64)
	}
	for _, u := range batch {
		s.order = append(s.order, u)
		s.got[u.Key] = u.Value
	}
	return make([]gate.Ack, len(batch)), nil
}

func (s *stigg) counted() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// gated is a gate with an outbox in a new schema, which has a table of the app's.
func gated(t *testing.T, name string, options ...postgresgate.Option) (*gate.Gate, *pgxpool.Pool, *stigg) {
	t.Helper()
	pool := theServer(t).migrated(name)
	exec1(t, pool, "CREATE TABLE orders (key text PRIMARY KEY)")
	g, st := open(t, pool, options...)
	return g, pool, st
}

func open(t *testing.T, pool *pgxpool.Pool, options ...postgresgate.Option) (*gate.Gate, *stigg) {
	t.Helper()
	box, err := postgresgate.Outbox(t.Context(), pool, options...)
	if err != nil {
		t.Fatal(err)
	}
	st := &stigg{}
	g, err := gate.New(st, nobody{}, gate.WithOutbox(box))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeGate(t, g) })
	return g, st
}

// nobody resolves no request: tickets come from Admit.
type nobody struct{ gate.Resolver }

func closeGate(t *testing.T, g *gate.Gate) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Error(err)
	}
}

func admit(t *testing.T, g *gate.Gate, n float64) *gate.Ticket {
	t.Helper()
	ticket, d := g.Admit(t.Context(), gate.Customer{ID: "c"}, gate.Feature("f").Uses(n))
	if !d.Allowed {
		t.Fatal(d.Reason, d.Err)
	}
	return ticket
}

// free reports whether n units more are.
func free(g *gate.Gate, n float64) bool {
	return g.Check(context.Background(), gate.Customer{ID: "c"}, gate.Feature("f").Uses(n)).Allowed
}

func begin(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func TestTheUsageExistsExactlyIfTheTransactionCommits(t *testing.T) {
	type world struct {
		t      *testing.T
		pool   *pgxpool.Pool
		ticket *gate.Ticket
	}
	settle := func(w world, tx postgresgate.Tx) {
		w.t.Helper()
		if err := postgresgate.SettleTx(w.t.Context(), tx, w.ticket); err != nil {
			w.t.Fatal(err)
		}
	}
	must := func(w world, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		do   func(w world)
		want int
	}{
		"it commits":        {func(w world) { tx := begin(w.t, w.pool); settle(w, tx); must(w, tx.Commit(w.t.Context())) }, 1},
		"it is rolled back": {func(w world) { tx := begin(w.t, w.pool); settle(w, tx); must(w, tx.Rollback(w.t.Context())) }, 0},
		"a savepoint of it is rolled back, and it commits": {func(w world) {
			tx := begin(w.t, w.pool)
			inner, err := tx.Begin(w.t.Context())
			must(w, err)
			settle(w, inner)
			must(w, inner.Rollback(w.t.Context()))
			must(w, tx.Commit(w.t.Context()))
		}, 0},
		"a savepoint is released, and it commits": {func(w world) {
			tx := begin(w.t, w.pool)
			inner, err := tx.Begin(w.t.Context())
			must(w, err)
			settle(w, inner)
			must(w, inner.Commit(w.t.Context()))
			must(w, tx.Commit(w.t.Context()))
		}, 1},
		"its connection is lost": {func(w world) {
			tx := begin(w.t, w.pool)
			settle(w, tx)
			_, _ = w.pool.Exec(w.t.Context(), "SELECT pg_terminate_backend($1)", tx.Conn().PgConn().PID())
		}, 0},
		"the first attempt is rolled back, the second commits": {func(w world) {
			tx := begin(w.t, w.pool)
			settle(w, tx)
			must(w, tx.Rollback(w.t.Context()))
			tx = begin(w.t, w.pool)
			settle(w, tx)
			must(w, tx.Commit(w.t.Context()))
		}, 1},
		"both attempts commit": {func(w world) {
			for range 2 {
				tx := begin(w.t, w.pool)
				settle(w, tx)
				must(w, tx.Commit(w.t.Context()))
			}
		}, 1},
		"it commits, and another process has delivered it before anybody asks": {func(w world) {
			tx := begin(w.t, w.pool)
			settle(w, tx)
			must(w, tx.Commit(w.t.Context()))
			exec1(w.t, w.pool, "UPDATE gate_outbox SET done = now()")
		}, 1},
		"by database/sql, it commits": {func(w world) {
			db := stdlib.OpenDBFromPool(w.pool)
			tx, err := db.BeginTx(w.t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
			must(w, err)
			must(w, postgresgate.SettleSQLTx(w.t.Context(), tx, w.ticket))
			must(w, tx.Commit())
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g, pool, st := gated(t, schemaOf(name))
			w := world{t, pool, admit(t, g, 5)}
			test.do(w)
			if free(g, 1) {
				t.Error("what is held is given out again before the request is over")
			}
			w.ticket.Release()
			for until := time.Now().Add(10 * time.Second); test.want == 0 && !free(g, 5) && time.Now().Before(until); {
				time.Sleep(10 * time.Millisecond)
			}
			if test.want == 0 && !free(g, 5) || test.want == 1 && free(g, 1) {
				t.Errorf("5 units are free: %t", free(g, 5))
			}
			closeGate(t, g)
			if n := st.counted(); n != test.want {
				t.Errorf("%d usages are counted, want %d", n, test.want)
			}
			if n := count(t, pool, "SELECT count(*) FROM gate_outbox WHERE done IS NULL"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

// TestAnOpenTransactionIsNotTakenForARollback ends the request before the transaction.
func TestAnOpenTransactionIsNotTakenForARollback(t *testing.T) {
	g, pool, st := gated(t, "tx_open")
	ticket, tx := admit(t, g, 5), begin(t, pool)
	if err := postgresgate.SettleTx(t.Context(), tx, ticket); err != nil {
		t.Fatal(err)
	}
	ticket.Release()
	if free(g, 1) {
		t.Error("it is free, and the transaction may yet commit")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeGate(t, g)
	if st.counted() != 1 {
		t.Errorf("%d usages are counted", st.counted())
	}
}

func TestSettleTxWhereItCanNot(t *testing.T) {
	g, pool, st := gated(t, "tx_refused")
	other := theServer(t).migrated("tx_elsewhere")
	none, err := gate.New(&stigg{}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeGate(t, none)
	third, err := gate.New(&stigg{}, nobody{}, gate.WithOutbox(foreign{}))
	if err != nil {
		t.Fatal(err)
	}
	database := theServer(t).database("tx_database")
	exec1(t, database, "CREATE SCHEMA tx_refused")
	exec1(t, database, "SET search_path = tx_refused; "+postgresgate.Schema())
	settled := admit(t, g, 1)
	settled.Release()
	for name, test := range map[string]struct {
		ticket *gate.Ticket
		pool   *pgxpool.Pool
		want   error
	}{
		"the gate has no outbox":                  {admit(t, none, 1), pool, gate.ErrNoTxOutbox},
		"the gate's outbox is another one":        {admit(t, third, 1), pool, postgresgate.ErrOtherOutbox},
		"the transaction is of another database":  {admit(t, g, 1), database, postgresgate.ErrOtherDatabase},
		"another search path does no harm":        {admit(t, g, 1), other, nil},
		"the ticket is settled":                   {settled, pool, gate.ErrSettled},
		"there is no ticket: nothing is reported": {nil, pool, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tx := begin(t, test.pool)
			if err := postgresgate.SettleTx(t.Context(), tx, test.ticket); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Error(err)
			}
			if test.ticket != nil {
				_ = test.ticket.Settle()
			}
		})
	}
	if n := count(t, database, "SELECT count(*) FROM tx_refused.gate_outbox") + count(t, other, "SELECT count(*) FROM gate_outbox"); n != 0 {
		t.Errorf("%d rows are where they don't belong", n)
	}
	closeGate(t, g)
	if st.counted() != 2 { // what a transaction refused is settled without one
		t.Errorf("%d usages are counted", st.counted())
	}
}

// foreign is an outbox of another kind.
type foreign struct{ gate.TxOutbox }

func (foreign) Append(context.Context, ...gate.Usage) error { return nil }
func (foreign) Done(...gate.Usage) error                    { return nil }
func (foreign) Healthy() error                              { return nil }
func (foreign) Close() error                                { return nil }
func (foreign) Pending(gate.Position) iter.Seq2[gate.Kept, error] {
	return func(func(gate.Kept, error) bool) {}
}

// TestErrorsTellNothingOfACustomerAndKeepWhatPostgresSaid has a transaction that is aborted already, and
// rows that a constraint refuses, as an app may have some of its own.
func TestErrorsTellNothingOfACustomerAndKeepWhatPostgresSaid(t *testing.T) {
	g, pool, st := gated(t, schemaOf(t.Name()))
	exec1(t, pool, "ALTER TABLE gate_outbox ADD CHECK (usage->>'customer' <> 'c' OR total)")
	for _, code := range []string{"23514", "25P02"} {
		ticket, tx := admit(t, g, 1), begin(t, pool)
		if code == "25P02" {
			_, _ = tx.Exec(t.Context(), "SELECT 1/0")
		}
		err := postgresgate.SettleTx(t.Context(), tx, ticket)
		var answer *pgconn.PgError
		if !errors.As(err, &answer) || answer.Code != code || !errors.Is(err, postgresgate.ErrFailed) {
			t.Errorf("got %v, want SQLSTATE %s", err, code)
		} else if text := err.Error(); !strings.Contains(text, code) || strings.Contains(text, "customer") || strings.Contains(text, "row") {
			t.Errorf("it says %q", text)
		}
		ticket.Release() // as before: nothing is reported
	}
	if closeGate(t, g); st.counted() != 0 {
		t.Errorf("%d usages are counted", st.counted())
	}
}

// TestAnOutageOfTheDatabaseIsToldAndEnds has it end all connections and take no more for a while.
func TestAnOutageOfTheDatabaseIsToldAndEnds(t *testing.T) {
	s := newServer(t)
	pool := s.migrated(schemaOf(t.Name()))
	box, err := postgresgate.Outbox(t.Context(), pool, postgresgate.Lease(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	health := func(well bool) {
		t.Helper()
		for until := time.Now().Add(30 * time.Second); (box.Healthy() == nil) != well; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("Healthy: %v", box.Healthy())
			}
		}
	}
	health(true)
	s.kill()
	health(false)
	if !errors.Is(box.Healthy(), postgresgate.ErrUnreachable) {
		t.Error(box.Healthy())
	}
	s.start()
	health(true)
	if err := box.Close(); err != nil {
		t.Error(err)
	}
}
