-- From where the dashboard is used, so that people know their own sessions. Nothing here is synced to proxies.

-- The address of the last use, and the browser as it named itself at sign-in.
ALTER TABLE sessions ADD COLUMN source TEXT;
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
