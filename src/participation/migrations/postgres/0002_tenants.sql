-- Tenants that are made at run time. Times are microseconds since 1970. The same table as in SQLite.

CREATE TABLE tenants (
    -- Numbers all changes of all tenants; the last one of this.
    change        BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    -- Told, so that no node takes an older version for the present one; nothing else of it is left.
    deleted       BOOLEAN NOT NULL,
    id            TEXT NOT NULL PRIMARY KEY,
    -- JSON, without secrets.
    settings      TEXT NOT NULL,
    -- JSON, each sealed.
    secrets       TEXT NOT NULL
);

CREATE UNIQUE INDEX tenants_change ON tenants (change);
