-- What proxies are told beside what they enforce: an account's name and external id, and chosen metadata of keys.

-- A policy may carry metadata. A constraint cannot be changed, so the table is made anew; numbers stay, so no key is touched.
CREATE TABLE new_policies (
    no       INTEGER PRIMARY KEY AUTOINCREMENT CHECK (no BETWEEN 1 AND 4294967295),
    revision INTEGER NOT NULL UNIQUE,
    -- Joined by single spaces, sorted.
    scopes   TEXT    NOT NULL,
    -- 17 bytes each, as in the sync feed.
    networks BLOB    NOT NULL CHECK (length(networks) % 17 = 0),
    -- Pairs, as in the sync feed, in the order of their names.
    metadata BLOB    NOT NULL,
    UNIQUE (scopes, networks, metadata)
) STRICT;
INSERT INTO new_policies SELECT no, revision, scopes, networks, x'' FROM policies;
DROP TABLE policies;
ALTER TABLE new_policies RENAME TO policies;
CREATE TRIGGER policies_never_change BEFORE UPDATE ON policies BEGIN
    SELECT RAISE (ABORT, 'policies never change');
END;
-- Finds the policies that no key refers to any more.
CREATE INDEX keys_by_policy ON keys (policy) WHERE policy IS NOT NULL;

-- Names of the metadata that policies were made for, as a JSON array. When the setting differs, keys get other policies.
ALTER TABLE meta ADD COLUMN proxy_metadata TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(proxy_metadata));

-- Proxies that are here already hear the names of the accounts.
UPDATE accounts SET revision = meta.revision + ranked.place
FROM meta, (SELECT no, row_number() OVER (ORDER BY revision) AS place FROM accounts) AS ranked
WHERE ranked.no = accounts.no;
UPDATE meta SET revision = revision + (SELECT count(*) FROM accounts);
