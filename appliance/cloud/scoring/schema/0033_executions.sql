-- Runs of the pipeline and what each did per round, messages about them, and the pace of requests to providers.
-- Written by cloud/scoring/executions/, notices/ and providers/starts.py alone.

CREATE TABLE executions (
    id            TEXT PRIMARY KEY,  -- UUIDv7, also of its report
    operation     TEXT NOT NULL,     -- create, matches, round, standings, knockouts, import
    tournament_id TEXT NOT NULL,
    round         TEXT NOT NULL,     -- slug; '': every round, or none
    status        TEXT NOT NULL,     -- in_progress, completed, failed
    stage         TEXT NOT NULL,     -- of the pipeline: where a failed one ended; '': it has not failed
    input         TEXT NOT NULL,     -- JSON object: what the request gave beyond operation and round
    request_id    TEXT NOT NULL,     -- of the request that began it
    created_by    TEXT NOT NULL,
    process       TEXT NOT NULL,     -- that runs it, as in its lease
    token         INTEGER NOT NULL,  -- of the lease it was begun under
    attempt       INTEGER NOT NULL,  -- from 1; more: processes ended before it did
    repeats       TEXT,              -- the execution that it runs again; null: it is a first one
    is_from_raw   INTEGER NOT NULL CHECK (is_from_raw IN (0, 1)), -- 1: reads the answers of `repeats`, asks no provider
    started_us    INTEGER NOT NULL,
    ended_us      INTEGER,           -- null: it has not ended
    failures      INTEGER NOT NULL,  -- rounds without a result
    summary       TEXT,              -- JSON object of counts; null: it has not ended
    error         TEXT,              -- of a failed one; null: it has not failed
    warnings      TEXT,              -- JSON array of texts; null: it has not ended
    report_key    TEXT,              -- of the reports in the object store, without .json and .md; null: there is none
    updated_us    INTEGER NOT NULL,
    rev           INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX executions_in_order ON executions (started_us, id);
CREATE INDEX executions_by_tournament ON executions (tournament_id, started_us, id);
CREATE INDEX executions_by_status ON executions (status, started_us);

CREATE TABLE execution_rounds (
    execution_id TEXT NOT NULL,      -- of executions
    number       INTEGER NOT NULL,   -- from 1, in the order in which they were asked for
    round        TEXT NOT NULL,
    provider     TEXT NOT NULL,      -- whose answer was taken; '': none had one
    address      TEXT NOT NULL,      -- that it was asked at
    raw_key      TEXT,               -- of the answer as it came, in the object store; null: there is none
    priority     INTEGER NOT NULL,   -- of the provider
    is_first     INTEGER NOT NULL CHECK (is_first IN (0, 1)), -- 1: no provider was to be asked before
    error        TEXT,
    PRIMARY KEY (execution_id, number)
) STRICT;

CREATE TABLE notices (
    id           TEXT PRIMARY KEY,   -- UUIDv7
    receiver     TEXT NOT NULL,      -- slack, sentry
    subject      TEXT NOT NULL,      -- what it is about: one message to a receiver for each
    body         TEXT NOT NULL,      -- as it is sent
    status       TEXT NOT NULL,      -- pending, delivered, failed (no attempt is left)
    attempts     INTEGER NOT NULL,
    due_us       INTEGER NOT NULL,   -- when the next attempt is made
    error        TEXT,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    UNIQUE (receiver, subject)
) STRICT;
CREATE INDEX notices_due ON notices (status, receiver, due_us);

CREATE TABLE provider_starts (
    provider   TEXT PRIMARY KEY,     -- of football data
    started_us INTEGER NOT NULL      -- of the last request to it, of any process
) STRICT, WITHOUT ROWID;
