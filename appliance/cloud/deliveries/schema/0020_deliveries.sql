-- Webhooks: who wants which messages, the messages, and each delivery with its attempts.
-- Written by cloud/deliveries/store.py and queue.py alone.

CREATE TABLE subscriptions (
    id                TEXT PRIMARY KEY,  -- UUIDv7
    url               TEXT NOT NULL,     -- where messages are sent
    types             TEXT NOT NULL,     -- JSON array of types of messages
    scope             TEXT NOT NULL,     -- JSON array, as in league:ID; []: everything
    secret            TEXT NOT NULL,     -- whsec_...: signs every message
    previous_secret   TEXT,              -- signs beside it until previous_until_us; null: there is none
    previous_until_us INTEGER,           -- database time
    created_by        TEXT NOT NULL,     -- name of the token that made it
    created_us        INTEGER NOT NULL,  -- database time, as every instant here
    updated_us        INTEGER NOT NULL,
    rev               INTEGER NOT NULL DEFAULT 1, -- counts changes of the row
    disabled_us       INTEGER,           -- when the receiver answered 410; null: it is sent to
    deleted_us        INTEGER            -- null: it was not deleted
) STRICT;
CREATE INDEX subscriptions_in_order ON subscriptions (created_us, id);

CREATE TABLE messages (
    id         TEXT PRIMARY KEY,         -- msg_UUIDv7: webhook-id, the same for every attempt and receiver
    type       TEXT NOT NULL,            -- as in breakdown.available
    body       TEXT NOT NULL,            -- JSON, these bytes are signed and sent
    created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
    id              TEXT PRIMARY KEY,    -- UUIDv7
    message_id      TEXT NOT NULL,       -- of messages
    subscription_id TEXT NOT NULL,       -- of subscriptions
    type            TEXT NOT NULL,
    status          TEXT NOT NULL,       -- pending, delivered, failed (no attempt is left), cancelled
    attempts        INTEGER NOT NULL DEFAULT 0, -- that were made
    due_us          INTEGER NOT NULL,    -- when the next attempt is made; of one that is not pending: was made
    error           TEXT,                -- of the last attempt; null: none, or it succeeded
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL,
    rev             INTEGER NOT NULL DEFAULT 1,
    deleted_us      INTEGER              -- with its subscription
) STRICT;
CREATE INDEX deliveries_in_order ON deliveries (created_us, id);
CREATE INDEX deliveries_due ON deliveries (status, subscription_id, due_us);
CREATE INDEX deliveries_by_message ON deliveries (message_id);

CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL,           -- of deliveries
    number      INTEGER NOT NULL,        -- from 1
    started_us  INTEGER NOT NULL,        -- of the attempt
    took_us     INTEGER NOT NULL,        -- until the receiver's status, or the failure
    http_status INTEGER,                 -- of the receiver; null: it did not answer
    error       TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;
