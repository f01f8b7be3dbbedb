-- Registered clients, and which client each certificate identity belongs to.
-- Metadata is JSON (RFC 7591 section 2) without `disabled`. Instants are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE client (
    client_id TEXT NOT NULL PRIMARY KEY,
    metadata TEXT NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- One subject under one anchor group belongs to one client: the primary key is what makes two concurrent
-- registrations agree on who came first.
CREATE TABLE client_subject (
    anchor_group TEXT NOT NULL,
    member TEXT NOT NULL,
    key TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    PRIMARY KEY (anchor_group, member, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_subject_by_client ON client_subject (client_id);

-- One pinned certificate belongs to one client.
CREATE TABLE client_pin (
    sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    client_id TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX client_pin_by_client ON client_pin (client_id);

-- A client_id that was removed is never given to another client: tokens and logs still name it.
CREATE TABLE retired_client_id (
    client_id TEXT NOT NULL PRIMARY KEY,
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER client_id_is_never_given_again BEFORE INSERT ON client
WHEN EXISTS (SELECT 1 FROM retired_client_id WHERE client_id = NEW.client_id)
BEGIN
    SELECT RAISE(ABORT, 'this client_id was removed and is never given again');
END;

-- Changes with every change to a client, whoever makes it: a daemon, a command, or a person with a shell.
CREATE TABLE client_generation (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL
) STRICT;

INSERT INTO client_generation (only_row, generation) VALUES (1, 0);

CREATE TRIGGER client_inserted AFTER INSERT ON client
BEGIN
    UPDATE client_generation SET generation = generation + 1;
END;

CREATE TRIGGER client_updated AFTER UPDATE ON client
BEGIN
    UPDATE client_generation SET generation = generation + 1;
END;

CREATE TRIGGER client_deleted AFTER DELETE ON client
BEGIN
    UPDATE client_generation SET generation = generation + 1;
END;
