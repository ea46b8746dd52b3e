package postgresgate

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Schema is the SQL that Migrate runs, for an app that has migrations of its own. It may be run again.
func Schema() string { return schema }

// Beginner begins a transaction: a *pgxpool.Pool or a *pgx.Conn.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// migration is the advisory lock under which one process after the other migrates.
const migration = 0x67617465 // "gate"

// Migrate makes the tables, in the first schema of the search path, if they are not there. Several
// processes may call it at once. Its user must be allowed to make tables; Outbox's need not. The error is
// a *SetupError.
func Migrate(ctx context.Context, db Beginner) error {
	tx, err := db.Begin(ctx)
	if err == nil {
		defer func() { _ = tx.Rollback(ctx) }()
		_, err = tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migration)
	}
	if err == nil {
		_, err = tx.Exec(ctx, schema)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return &SetupError{Err: wrap(err)}
	}
	return nil
}

// columns are what must be there.
var columns = []string{
	"gate_outbox.id", "gate_outbox.name", "gate_outbox.series", "gate_outbox.total", "gate_outbox.usage", "gate_outbox.owner",
	"gate_outbox.asker", "gate_outbox.aside", "gate_outbox.done", "gate_outbox_owner.owner", "gate_outbox_owner.until",
}

const checkSQL = `SELECT current_setting('server_version_num')::int, getdatabaseencoding() IN ('UTF8', 'SQL_ASCII'), pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
	ARRAY(SELECT c FROM unnest($1::text[]) c WHERE NOT EXISTS (
		SELECT FROM pg_attribute WHERE attrelid = to_regclass(split_part(c, '.', 1)) AND attname = split_part(c, '.', 2) AND NOT attisdropped)),
	ARRAY(SELECT t || ': ' || r FROM unnest(ARRAY['gate_outbox', 'gate_outbox_owner']) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r
		WHERE to_regclass(t) IS NOT NULL AND NOT has_table_privilege(to_regclass(t), r)),
	coalesce((SELECT quote_ident(nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = to_regclass('gate_outbox')), '')`

// check looks whether the database can be used, and where the tables are.
func check(ctx context.Context, db querier) (namespace string, err error) {
	var version int
	var encodes, readOnly bool
	var missing, rights []string
	if err := db.QueryRow(ctx, checkSQL, columns).Scan(&version, &encodes, &readOnly, &missing, &rights, &namespace); err != nil {
		return "", &SetupError{Err: wrap(err)}
	}
	switch {
	case version < 130000:
		return "", &SetupError{Err: &Error{Kind: ErrServerVersion}}
	case !encodes:
		return "", &SetupError{Err: &Error{Kind: ErrEncoding}}
	case readOnly:
		return "", &SetupError{Err: &Error{Kind: ErrReadOnly}}
	case len(missing) > 0:
		return "", &SetupError{Missing: missing, Err: &Error{Kind: ErrSchema}}
	case len(rights) > 0:
		return "", &SetupError{Missing: rights, Err: &Error{Kind: ErrUnauthorized}}
	}
	return namespace, nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
