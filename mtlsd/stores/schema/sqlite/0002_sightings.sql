-- Which certificates got a client its tokens, so that an operator sees where it stands in its rotation. Clients
-- of files have sightings too, so there is no reference to the table of clients. Nothing rests on these rows.

CREATE TABLE client_sighting (
    client_id TEXT NOT NULL,
    x5t_s256 TEXT NOT NULL,
    subject TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, x5t_s256)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER client_deleted_with_sightings AFTER DELETE ON client
BEGIN
    DELETE FROM client_sighting WHERE client_id = OLD.client_id;
END;
