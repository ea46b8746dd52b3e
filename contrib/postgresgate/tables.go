package postgresgate

import "strings"

// tables are the statements, with the tables' names as they are whatever a session's search path is.
type tables struct {
	append, settle, kept, done, purge, aside, pending, beat, leave, claimable, claim string
}

// earlier is what comes before a row r in its series, and is delivered by a process that lives.
const earlier = `e.series = r.series AND e.id < r.id AND e.aside IS NULL AND e.done IS NULL AND e.owner <> ALL($2::text[]::uuid[]) AND e.owner <> $1::text::uuid`

func tablesOf(namespace string) tables {
	sql := func(text string) string {
		return strings.NewReplacer("{outbox}", namespace+".gate_outbox", "{owner}", namespace+".gate_outbox_owner").Replace(text)
	}
	return tables{
		// The order of the arrays is that of the ids.
		append: sql(`INSERT INTO {outbox} (name, series, total, usage, owner)
			SELECT name, series, total, usage::json, $5 FROM unnest($1::bytea[], $2::bigint[], $3::boolean[], $4::text[]) WITH ORDINALITY AS u(name, series, total, usage, n) ORDER BY n`),
		// Nothing is inserted where the process is not known: in another database.
		settle: sql(`WITH i AS (INSERT INTO {outbox} (name, series, total, usage, owner, asker)
			SELECT $1::bytea, $2::bigint, $3::boolean, $4::text::json, $5::text::uuid, $5::text::uuid
				WHERE EXISTS (SELECT FROM {owner} WHERE owner = $5::text::uuid) RETURNING id)
			SELECT pg_current_xact_id()::text FROM i`),
		// One statement has one snapshot: it sees the row, or that the transaction is over, at one instant.
		// Only the row says that it has committed: after a crash of the server, transactions that had begun
		// leave no trace, and others are given their ids.
		kept: sql(`SELECT EXISTS (SELECT FROM {outbox} WHERE name = k.name), coalesce(pg_visible_in_snapshot(nullif(k.top, '')::xid8, pg_current_snapshot()), true)
			FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS k(name, top, n) ORDER BY n`),
		// What another process delivers than the one that asks stays, since it may ask later.
		done: sql(`WITH n AS (SELECT unnest($1::bytea[]) AS name),
			d AS (DELETE FROM {outbox} o USING n WHERE o.name = n.name AND aside IS NULL AND done IS NULL AND (asker IS NULL OR asker = $2::text::uuid))
			UPDATE {outbox} o SET done = now() FROM n WHERE o.name = n.name AND aside IS NULL AND done IS NULL AND asker <> $2::text::uuid`),
		purge:   sql(`DELETE FROM {outbox} WHERE done < now() - interval '1 day'`),
		aside:   sql(`UPDATE {outbox} SET aside = $2 WHERE name = $1 AND aside IS NULL AND done IS NULL`),
		pending: sql(`SELECT id, usage::text FROM {outbox} WHERE owner = $1 AND id > $2 AND aside IS NULL AND done IS NULL ORDER BY id LIMIT $3`),
		beat: sql(`INSERT INTO {owner} (owner, until) SELECT o, now() + $2::interval FROM unnest($1::text[]::uuid[]) o
			ON CONFLICT (owner) DO UPDATE SET until = excluded.until`),
		leave: sql(`DELETE FROM {owner} WHERE owner = ANY($1::text[]::uuid[])`),
		// The owners of what waits, found one after the other by the index; those who live are left out.
		claimable: sql(`WITH RECURSIVE o(owner) AS (
				(SELECT owner FROM {outbox} WHERE aside IS NULL AND done IS NULL ORDER BY owner LIMIT 1)
				UNION ALL SELECT (SELECT owner FROM {outbox} WHERE aside IS NULL AND done IS NULL AND owner > o.owner ORDER BY owner LIMIT 1) FROM o WHERE o.owner IS NOT NULL)
			SELECT owner::text FROM o WHERE owner IS NOT NULL AND NOT EXISTS (SELECT FROM {owner} l WHERE l.owner = o.owner AND l.until > now())`),
		// A total waits for all that is earlier of its series and that a living process delivers, and
		// what follows a total waits for that.
		claim: sql(`UPDATE {outbox} SET owner = $1::text::uuid WHERE id IN (
				SELECT id FROM {outbox} r WHERE owner = ANY($2::text[]::uuid[]) AND aside IS NULL AND done IS NULL
					AND NOT EXISTS (SELECT FROM {outbox} e WHERE e.total AND ` + earlier + `)
					AND NOT (total AND EXISTS (SELECT FROM {outbox} e WHERE ` + earlier + `))
				ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
			RETURNING id, usage::text`),
	}
}
