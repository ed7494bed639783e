-- The first schema. Migrations are append-only: a released file never changes.
--
-- Every synced row (account, project, user, policy, key) has
--   no        a number that other rows and the sync feed refer to; AUTOINCREMENT, so that it is never given twice,
--   id        16 bytes, UUID version 7,
--   revision  of its last synced change, unique over all tables, because each change takes the next one of `meta`.
-- Times are milliseconds since 1970 UTC.

CREATE TABLE meta (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    epoch      BLOB    NOT NULL CHECK (length(epoch) = 16),
    revision   INTEGER NOT NULL CHECK (revision >= 0),
    -- Key rows in the feed: all but those that are gone.
    live_keys  INTEGER NOT NULL CHECK (live_keys >= 0),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    no         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (no BETWEEN 1 AND 4294967295),
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    revision   INTEGER NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    no          INTEGER PRIMARY KEY AUTOINCREMENT CHECK (no BETWEEN 1 AND 4294967295),
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    revision    INTEGER NOT NULL UNIQUE,
    account     INTEGER NOT NULL REFERENCES accounts (no),
    name        TEXT    NOT NULL,
    prefix_live TEXT    NOT NULL,
    prefix_test TEXT    NOT NULL CHECK (prefix_test <> prefix_live),
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX projects_by_account ON projects (account, id);

-- People of an account: owners of personal access tokens.
CREATE TABLE users (
    no         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (no BETWEEN 1 AND 4294967295),
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    revision   INTEGER NOT NULL UNIQUE,
    account    INTEGER NOT NULL REFERENCES accounts (no),
    email      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_account ON users (account, id);

-- What many keys share. A policy is its content: it never changes and needs no id; keys point to another instead.
CREATE TABLE policies (
    no       INTEGER PRIMARY KEY AUTOINCREMENT CHECK (no BETWEEN 1 AND 4294967295),
    revision INTEGER NOT NULL UNIQUE,
    -- Joined by single spaces, sorted.
    scopes   TEXT    NOT NULL,
    -- 17 bytes each, as in the sync feed.
    networks BLOB    NOT NULL CHECK (length(networks) % 17 = 0),
    UNIQUE (scopes, networks)
) STRICT;
CREATE TRIGGER policies_never_change BEFORE UPDATE ON policies BEGIN
    SELECT RAISE (ABORT, 'policies never change');
END;

CREATE TABLE keys (
    no           INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    revision     INTEGER NOT NULL UNIQUE,
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    mask         TEXT    NOT NULL,
    -- A project's key, or a user's personal access token.
    project      INTEGER REFERENCES projects (no),
    user         INTEGER REFERENCES users (no),
    -- 1 live, 2 test, as on the wire.
    environment  INTEGER NOT NULL CHECK (environment IN (1, 2)),
    name         TEXT    NOT NULL,
    policy       INTEGER REFERENCES policies (no),
    flags        INTEGER NOT NULL DEFAULT 0 CHECK (flags BETWEEN 0 AND 65535),
    -- 1 active, 2 disabled, 3 revoked, as on the wire.
    state        INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    -- When the row left the feed; from then on the feed has a tombstone of it.
    gone_at      INTEGER,
    CHECK ((project IS NULL) <> (user IS NULL)),
    CHECK ((state = 3) = (revoked_at IS NOT NULL)),
    CHECK (gone_at IS NULL OR state = 3)
) STRICT;
-- Lists: newest first in a project, of one environment or of both. A page costs the same at any depth.
CREATE INDEX keys_by_project ON keys (project, id);
CREATE INDEX keys_by_environment ON keys (project, environment, id);
CREATE INDEX keys_by_user ON keys (user, id) WHERE user IS NOT NULL;
-- What the sweeper looks for.
CREATE INDEX keys_revoked ON keys (revoked_at) WHERE state = 3 AND gone_at IS NULL;

-- Who may call the management API on the operator's behalf.
CREATE TABLE admin_keys (
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    mask       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Which proxies may read the feed. Two may be valid at once, so that a token can be replaced without a gap.
CREATE TABLE proxy_tokens (
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    mask       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE TRIGGER two_proxy_tokens BEFORE INSERT ON proxy_tokens
WHEN (SELECT count(*) FROM proxy_tokens WHERE revoked_at IS NULL) >= 2 BEGIN
    SELECT RAISE (ABORT, 'two proxy tokens are valid already');
END;

-- Who did what to which object, from where, when. Written in the transaction of the change.
CREATE TABLE audit (
    no          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    -- 'admin_key' or 'system'; others come with other callers.
    actor_kind  TEXT    NOT NULL,
    actor_id    BLOB    CHECK (actor_id IS NULL OR length(actor_id) = 16),
    -- Such as 'key.revoke'.
    action      TEXT    NOT NULL,
    object_kind TEXT    NOT NULL,
    object_id   BLOB    CHECK (object_id IS NULL OR length(object_id) = 16),
    -- The account that the object belongs to; NULL for the operator's own.
    account     INTEGER REFERENCES accounts (no),
    request_id  BLOB    CHECK (request_id IS NULL OR length(request_id) = 16),
    -- Address of the caller.
    source      TEXT,
    -- A JSON object with what changed. Never a secret.
    detail      TEXT    NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX audit_by_object ON audit (object_id, no);
CREATE INDEX audit_by_account ON audit (account, no);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN
    SELECT RAISE (ABORT, 'the audit log is append-only');
END;

-- The last usage batch of each worker, so that a batch whose answer was lost counts once.
CREATE TABLE usage_workers (
    worker   BLOB    PRIMARY KEY CHECK (length(worker) = 16),
    sequence INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_workers_by_age ON usage_workers (seen_at);

-- How often a key was allowed or refused on a day (days since 1970 UTC), by the reason's number on the wire.
CREATE TABLE usage_daily (
    key    INTEGER NOT NULL REFERENCES keys (no),
    day    INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (key, day, reason)
) STRICT, WITHOUT ROWID;
