package postgresgate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate/contrib/postgresgate"
)

func TestWhatIsWrongWithADatabaseIsSaid(t *testing.T) {
	s := theServer(t)
	schema := schemaOf(t.Name())
	pool := s.migrated(schema)
	if err := postgresgate.Migrate(t.Context(), pool); err != nil {
		t.Errorf("the second Migrate: %v", err)
	}
	exec1(t, pool, "CREATE SCHEMA half; SET search_path = half; "+postgresgate.Schema()+"; ALTER TABLE half.gate_outbox DROP COLUMN aside; RESET search_path")
	exec1(t, pool, "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA "+schema+" TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA "+schema+" TO reader")
	exec1(t, pool, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	if err := postgresgate.Migrate(t.Context(), s.pool("latin")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, user string
		settings   []string
		want       error
		says       string
	}{
		{"there are no tables", "postgres", []string{"search_path=nowhere"}, postgresgate.ErrSchema, "gate_outbox.id"},
		{"a column is missing", "postgres", []string{"search_path=half"}, postgresgate.ErrSchema, "gate_outbox.aside"},
		{"it is read-only", "postgres", []string{"search_path=" + schema, "default_transaction_read_only=on"}, postgresgate.ErrReadOnly, ""},
		{"the user may only read", "reader", []string{"search_path=" + schema}, postgresgate.ErrUnauthorized, "gate_outbox: INSERT"},
		{"its encoding lacks most letters", "postgres", []string{"dbname=latin"}, postgresgate.ErrEncoding, "UTF8"},
		{"the user is unknown", "nobody", []string{"search_path=" + schema}, postgresgate.ErrUnauthorized, ""},
		{"the database is unknown", "postgres", []string{"dbname=nothing"}, postgresgate.ErrUnreachable, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := strings.Replace(s.url("postgres"), "//postgres@", "//"+test.user+"@", 1) + "&" + strings.Join(test.settings, "&")
			pool, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			_, err = postgresgate.Outbox(t.Context(), pool)
			var setup *postgresgate.SetupError
			if !errors.Is(err, test.want) || !errors.As(err, &setup) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, err := postgresgate.Outbox(t.Context(), nil); err == nil {
		t.Error("a nil pool is taken")
	}
	if _, err := postgresgate.Outbox(t.Context(), pool, postgresgate.Lease(1)); err == nil {
		t.Error("a short lease is taken")
	}
}
