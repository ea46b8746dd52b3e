package postgresgate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// What may be wrong with a database, to be found by errors.Is.
var (
	ErrUnreachable   = errors.New("it can't be reached")
	ErrUnauthorized  = errors.New("it refuses the user, the password or a right")
	ErrReadOnly      = errors.New("it is read-only: a standby, or a session that may not write")
	ErrSchema        = errors.New("tables or columns are missing: run Migrate")
	ErrServerVersion = errors.New("it is older than PostgreSQL 13")
	ErrEncoding      = errors.New("its encoding is neither UTF8 nor SQL_ASCII, and has not all that clients may send")
	ErrFull          = errors.New("it has no room or no connections left")
	ErrFailed        = errors.New("it failed")
)

// What SettleTx and the others refuse; nothing is inserted then.
var (
	// ErrOtherOutbox says that the ticket's gate keeps its usage in an outbox of another kind.
	ErrOtherOutbox = errors.New("postgresgate: the gate's outbox is none of this package's")
	// ErrOtherDatabase says that the transaction is in another database than the outbox.
	ErrOtherDatabase = errors.New("postgresgate: the transaction is not in the outbox's database")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("postgresgate: the outbox is closed")
)

// Error is what went wrong in Postgres. It holds nothing of a customer's.
type Error struct {
	Kind error  // one of the above
	Code string // the SQLSTATE, if the server answered
	Err  error  // beneath: a *pgconn.PgError, whose texts may tell of rows and are in no text of this one
}

func (e *Error) Error() string {
	switch {
	case e.Code != "":
		return fmt.Sprintf("postgresgate: Postgres: %v (SQLSTATE %s)", e.Kind, e.Code)
	case e.Err != nil:
		return fmt.Sprintf("postgresgate: Postgres: %v (%v)", e.Kind, e.Err)
	}
	return "postgresgate: Postgres: " + e.Kind.Error()
}

// Unwrap lets errors.Is find both.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// SetupError is why Outbox or Migrate does not use a database.
type SetupError struct {
	Missing []string // tables, columns or rights
	Err     error    // an *Error
}

func (e *SetupError) Error() string {
	if len(e.Missing) > 0 {
		return fmt.Sprintf("postgresgate: the database can't be used: %v: %v", e.Err, e.Missing)
	}
	return fmt.Sprintf("postgresgate: the database can't be used: %v", e.Err)
}

// Unwrap is the *Error.
func (e *SetupError) Unwrap() error { return e.Err }

// wrap names what an error of the client's or of Postgres' means.
func wrap(err error) error {
	var own *Error
	var answer *pgconn.PgError
	switch {
	case err == nil, errors.As(err, &own), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &answer):
		return &Error{Kind: kindOf(answer.Code), Code: answer.Code, Err: err}
	}
	return &Error{Kind: ErrUnreachable, Err: err}
}

// kindOf reads a SQLSTATE.
func kindOf(code string) error {
	switch code {
	case "25006", "57P04":
		return ErrReadOnly
	case "42P01", "42703", "3F000":
		return ErrSchema
	case "42501", "28000", "28P01":
		return ErrUnauthorized
	case "3D000", "57P01", "57P02", "57P03":
		return ErrUnreachable
	}
	switch code[:min(2, len(code))] {
	case "08":
		return ErrUnreachable
	case "53":
		return ErrFull
	}
	return ErrFailed
}
