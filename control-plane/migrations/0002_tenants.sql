-- Plans, people, restrictions of keys, and what callers and proxies leave behind.

-- Decides how many keys a project may have. What was made before plans is bound by none.
ALTER TABLE accounts ADD COLUMN plan TEXT NOT NULL DEFAULT 'enterprise';
-- What an issuer of JWTs calls the account (Clerk: `org_id`).
ALTER TABLE accounts ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX accounts_by_external_id ON accounts (external_id) WHERE external_id IS NOT NULL;

-- A person who left keeps the row, for the audit log's sake, and loses the address.
ALTER TABLE users ADD COLUMN removed_at INTEGER;
CREATE UNIQUE INDEX users_by_email ON users (account, email) WHERE removed_at IS NULL;

-- Who a user is to an issuer of JWTs. One subject may be a user of several accounts.
CREATE TABLE identities (
    issuer  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts (no),
    user    INTEGER NOT NULL REFERENCES users (no),
    PRIMARY KEY (issuer, subject, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_user ON identities (user);

-- Number of the account, whichever way it owns the key: lists of an account walk an index of their own.
ALTER TABLE keys ADD COLUMN account INTEGER REFERENCES accounts (no);
UPDATE keys SET account = (SELECT account FROM projects WHERE no = keys.project) WHERE project IS NOT NULL;
CREATE INDEX keys_by_account ON keys (account, id) WHERE project IS NOT NULL;
CREATE INDEX tokens_by_account ON keys (account, id) WHERE user IS NOT NULL;

-- A JSON object of the owner's own.
ALTER TABLE keys ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata));
ALTER TABLE keys ADD COLUMN revoke_reason TEXT;
-- The key that took this one's place.
ALTER TABLE keys ADD COLUMN replaced_by INTEGER REFERENCES keys (no);
-- After how many milliseconds without a request a rotated key is revoked, and since when they count.
ALTER TABLE keys ADD COLUMN idle_limit INTEGER CHECK (idle_limit IS NULL OR idle_limit > 0);
ALTER TABLE keys ADD COLUMN idle_since INTEGER;
-- When a proxy last saw the key, whatever it decided.
ALTER TABLE keys ADD COLUMN last_seen_at INTEGER;
CREATE INDEX keys_retiring ON keys (idle_since) WHERE idle_limit IS NOT NULL AND state <> 3;
-- What a plan's cap counts.
CREATE INDEX keys_unrevoked ON keys (project) WHERE state <> 3;

-- Where keys that are being replaced were seen, as proxies report it. Bounded for each key.
CREATE TABLE key_sources (
    key           INTEGER NOT NULL REFERENCES keys (no),
    -- IPv6, or IPv4 mapped into it.
    source        BLOB    NOT NULL CHECK (length(source) = 16),
    count         INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    PRIMARY KEY (key, source)
) STRICT, WITHOUT ROWID;

-- The same counts as in usage_daily by the hour (hours since 1970 UTC), kept for days only.
CREATE TABLE usage_hourly (
    key    INTEGER NOT NULL REFERENCES keys (no),
    hour   INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (key, hour, reason)
) STRICT, WITHOUT ROWID;
-- For what looks at a range of all keys, and for forgetting the oldest.
CREATE INDEX usage_hourly_by_hour ON usage_hourly (hour);
CREATE INDEX usage_daily_by_day ON usage_daily (day);

ALTER TABLE admin_keys ADD COLUMN access TEXT NOT NULL DEFAULT 'write' CHECK (access IN ('read', 'write'));

-- The audit log by object, account, actor and time, each newest first. Every index ends with the row's number.
DROP INDEX audit_by_object;
DROP INDEX audit_by_account;
CREATE INDEX audit_by_object ON audit (object_id, at);
CREATE INDEX audit_by_account ON audit (account, at);
CREATE INDEX audit_by_actor ON audit (actor_id, at);
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE (ABORT, 'the audit log is append-only');
END;

-- Answers to POST requests, to be given again to who sends the same request again. An answer may carry a secret, so it is
-- encrypted under a key that only the caller can make again; here is only what finds it. A row takes about a kilobyte,
-- so it stays in the order of its coming, and the index of ids small.
CREATE TABLE idempotency (
    -- Made of the caller's credential, the Idempotency-Key and the path.
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    -- Digest of method, path, query and body, keyed like the answer.
    request    BLOB    NOT NULL CHECK (length(request) = 32),
    salt       BLOB    NOT NULL CHECK (length(salt) = 32),
    answer     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
