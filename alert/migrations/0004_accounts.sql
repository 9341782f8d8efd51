-- Accounts of people. Only hashes of passwords, invitations and codes are kept.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    role TEXT NOT NULL,
    scope_kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    state TEXT NOT NULL,
    password TEXT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until BIGINT,
    signed_in_at BIGINT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX users_by_phone ON users (phone);
CREATE INDEX users_by_state ON users (state, scope);

-- One-time links with which a person sets their password; one row an account.
CREATE TABLE invitations (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    token_hash TEXT NOT NULL UNIQUE,
    expires_at BIGINT NOT NULL
);

-- Codes sent to telephones; one row an account.
CREATE TABLE login_codes (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    code_hash TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL
);

-- Whose session it is; empty for the demo's and the terminal's.
ALTER TABLE sessions ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_user ON sessions (user_id);

-- 操作日志: what people did besides acts on cases, which stand in the trace.
CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
INSERT INTO counters (name, value) VALUES ('audit', 0);
CREATE INDEX trace_by_actor ON trace (actor, seq);
