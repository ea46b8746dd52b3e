// Package postgresgate keeps usage in the application's own Postgres: an outbox whose usage may be a part
// of the application's own transactions.
//
//	err := postgresgate.Migrate(ctx, pool) // or Schema among the app's own migrations
//	box, err := postgresgate.Outbox(ctx, pool)
//	g, err := gate.New(stigg, who, gate.WithOutbox(box)) // g.Close closes box
//
// and in a handler:
//
//	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		// ... the app's own writes ...
//		return postgresgate.SettleTx(ctx, tx, gate.TicketFrom(ctx))
//	})
//
// # What is promised
//
// The usage of SettleTx exists exactly if the transaction commits, whatever the handler answers: it is
// reported after a commit and a 500, and released after a rollback and a 200. Nothing tells the gate of a
// commit, so it asks the database when the request is over. Until it knows, all counts as held: a database
// that is gone, or a transaction that is open still, gives nothing free. A transaction that outlives its
// request is asked for until it ends.
//
// What is settled without a transaction is committed before the response leaves, one transaction for all
// that comes together.
//
// All is delivered at least once, with one key, by the process that inserted it. That keeps a lease
// ([Lease]); once it has run out, or the process has closed, another one takes the usage over. A process
// that was only paused may deliver it too: Stigg counts a key once. Of totals ([gate.UsageTotal]) and what
// is reported before and after them the order is kept, whoever delivers; but for a change whose transaction
// is open while a total of its series is reported.
//
// The outbox is no fleet.Inheritance: a lease that has run out does not tell that a process has ended, and
// what it left may go to several. See there for what that costs in a fleet.
//
// # What it needs
//
// PostgreSQL 13 or later, a database whose encoding is UTF8 (or SQL_ASCII), a primary, and its durability:
// synchronous_commit off, or a standby without synchronous replication that takes over, loses the app's rows
// and their usage together. SELECT, INSERT, UPDATE and DELETE on gate_outbox and gate_outbox_owner. A process
// has one connection of the pool for LISTEN, unless there is only one, and one now and then; a pooler that
// gives each transaction another connection does not do. A handler that settles without SettleTx while its own transaction is open needs a second connection:
// give the outbox a pool of its own, then handlers that hold all connections of the app's don't wait for
// each other.
//
// A usage that Stigg refused for good stays in gate_outbox, with the reason in the column aside. To have
// it delivered again set aside to null once the cause is mended, and restart a process. Rows with done set
// are deleted after a day.
//
// NOTIFY is used by a process that closes and never in the app's transactions: there it would have all
// of the database's commits wait for one another.
package postgresgate
