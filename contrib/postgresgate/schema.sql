-- The tables of contrib/postgresgate. Migrate runs this; it may be run again.

CREATE TABLE IF NOT EXISTS gate_outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    bytea   NOT NULL,           -- a hash of what the usage is known by: customer, feature, key and so on
    series  bigint  NOT NULL,           -- a hash of the same, without the key: within it order matters
    total   boolean NOT NULL,           -- a total of the series, in place of a change
    usage   json    NOT NULL,
    owner   uuid    NOT NULL,           -- the process that delivers it
    asker   uuid,                       -- the process that asks what became of its transaction, if one does
    aside   text,                       -- why Stigg refused it; null: it did not
    done    timestamptz,                -- when it was delivered, if not by asker, which may still ask: a day long
    created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS gate_outbox_name ON gate_outbox (name);
CREATE INDEX IF NOT EXISTS gate_outbox_owner_id ON gate_outbox (owner, id) WHERE aside IS NULL AND done IS NULL;
CREATE INDEX IF NOT EXISTS gate_outbox_series ON gate_outbox (series, id) WHERE aside IS NULL AND done IS NULL;
CREATE INDEX IF NOT EXISTS gate_outbox_totals ON gate_outbox (series, id) WHERE total AND aside IS NULL AND done IS NULL;
CREATE INDEX IF NOT EXISTS gate_outbox_done ON gate_outbox (done) WHERE done IS NOT NULL;

-- The processes that deliver, and until when each is known to live.
CREATE TABLE IF NOT EXISTS gate_outbox_owner (
    owner  uuid PRIMARY KEY,
    until  timestamptz NOT NULL
);
