-- What outlives a request: codes, tokens, sessions and the like. The key is a SHA-256, never the secret itself.
-- Instants are microseconds since 1970-01-01T00:00:00Z. Clients of files have artifacts too, so there is no
-- reference to the table of clients.

CREATE TABLE artifact (
    -- No number is ever given twice, not even after the newest row was deleted: removed_client rests on that.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key BLOB NOT NULL CHECK (length(key) = 32),
    client_id TEXT,
    grant_id TEXT,
    counts_as TEXT, -- as many rows with one text here are kept as the bound allows; NULL where nothing bounds it
    content TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    UNIQUE (kind, key)
) STRICT;

CREATE INDEX artifact_by_expiry ON artifact (expires_at);

CREATE INDEX artifact_by_client ON artifact (client_id) WHERE client_id IS NOT NULL;

CREATE INDEX artifact_by_grant ON artifact (grant_id, expires_at) WHERE grant_id IS NOT NULL;

CREATE INDEX artifact_by_bound ON artifact (counts_as) WHERE counts_as IS NOT NULL;

-- Removing a grant or a client is one row here, however many artifacts it has. From then on they are not found;
-- their rows are deleted in the background.

CREATE TABLE removed_grant (
    grant_id TEXT NOT NULL PRIMARY KEY,
    until_at INTEGER NOT NULL, -- so long nothing of this grant is kept any more
    emptied INTEGER NOT NULL DEFAULT 0 CHECK (emptied IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_grant_by_end ON removed_grant (until_at);

CREATE INDEX removed_grant_not_emptied ON removed_grant (grant_id) WHERE emptied = 0;

CREATE TABLE removed_client (
    client_id TEXT NOT NULL PRIMARY KEY,
    up_to_id INTEGER NOT NULL -- the client's artifacts with this id and below are removed
) STRICT, WITHOUT ROWID;

CREATE TRIGGER client_deleted_with_artifacts AFTER DELETE ON client
BEGIN
    INSERT OR REPLACE INTO removed_client (client_id, up_to_id)
    SELECT OLD.client_id, coalesce(max(id), 0) FROM artifact;
END;

CREATE TRIGGER client_disabled_with_artifacts AFTER UPDATE OF disabled ON client WHEN NEW.disabled = 1
BEGIN
    INSERT OR REPLACE INTO removed_client (client_id, up_to_id)
    SELECT NEW.client_id, coalesce(max(id), 0) FROM artifact;
END;
