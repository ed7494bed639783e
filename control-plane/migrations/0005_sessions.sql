-- Who is signed in to the dashboard. Nothing here is synced to proxies.

CREATE TABLE sessions (
    -- SHA-256 of what the browser holds.
    digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- What was signed in with; it is looked at again at each request.
    kind       TEXT    NOT NULL CHECK (kind IN ('admin_key', 'personal_token', 'user')),
    -- Id of that admin key, personal access token or user.
    credential BLOB    NOT NULL CHECK (length(credential) = 16),
    -- Who it is: id of the admin key or of the user. All sessions of one can be ended at once.
    holder     BLOB    NOT NULL CHECK (length(holder) = 16),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_holder ON sessions (holder, seen_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX sessions_by_use ON sessions (seen_at);
