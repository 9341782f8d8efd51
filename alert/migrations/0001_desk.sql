-- The desk's database. The same text runs on SQLite and on PostgreSQL: moments are milliseconds since 1970 UTC in
-- BIGINT, truth is 0 or 1 in BIGINT, ids from content are 32 hex digits, and words are the codes of the closed enums.
-- BLOB is read as BYTEA on PostgreSQL.

-- Counters handed out inside a transaction: on PostgreSQL the row's lock also puts all writers in one order.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('trace', 0), ('receipt', 0);

-- One case per (outlet, factor, rule family). Tags (enterprise, district, industry, officer) are as of opening.
CREATE TABLE cases (
    id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    changed_seq BIGINT NOT NULL,
    stream TEXT NOT NULL,
    family TEXT NOT NULL,
    rule TEXT NOT NULL,
    outlet TEXT NOT NULL,
    factor TEXT NOT NULL,
    enterprise TEXT NOT NULL,
    district TEXT NOT NULL,
    industry TEXT NOT NULL,
    officer TEXT NOT NULL,
    severity BIGINT NOT NULL,
    state TEXT NOT NULL,
    certainty TEXT NOT NULL,
    outcome TEXT,
    late BIGINT NOT NULL,
    trial BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    window_end BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    resolved_at BIGINT,
    closed_at BIGINT,
    settle_at BIGINT,
    due_at BIGINT,
    acknowledged_by TEXT,
    acknowledged_at BIGINT,
    answered_by TEXT,
    answered_at BIGINT,
    assigned_to TEXT,
    judgement TEXT NOT NULL
);
CREATE INDEX cases_by_state ON cases (state, severity, updated_at);
CREATE INDEX cases_by_update ON cases (updated_at);
CREATE INDEX cases_by_enterprise ON cases (enterprise, updated_at);
CREATE INDEX cases_by_outlet ON cases (outlet, factor, family, state);
CREATE INDEX cases_by_window ON cases (outlet, factor, window_start);
CREATE INDEX cases_by_seq ON cases (changed_seq);
CREATE INDEX cases_by_settle ON cases (settle_at);

-- The breaches a case is made of: one row per case id that the judge gave. Several are one case where they joined.
CREATE TABLE members (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES cases (id),
    rule TEXT NOT NULL,
    state TEXT NOT NULL,
    severity BIGINT NOT NULL,
    preliminary BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    window_end BIGINT NOT NULL,
    cause_partition BIGINT NOT NULL,
    cause_offset BIGINT NOT NULL,
    cause_ordinal BIGINT NOT NULL
);
CREATE INDEX members_by_case ON members (case_id);

-- What happened to a case, by whom, when and why. Append-only.
CREATE TABLE trace (
    seq BIGINT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES cases (id),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT,
    text TEXT NOT NULL,
    detail TEXT NOT NULL,
    event_id TEXT
);
CREATE INDEX trace_by_case ON trace (case_id, seq);

-- Events already applied: a repeat harms nobody.
CREATE TABLE applied_events (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX applied_events_by_time ON applied_events (at);

-- Next offset to read, written in the transaction of the effect.
CREATE TABLE consumed_offsets (
    partition_no BIGINT NOT NULL PRIMARY KEY,
    next_offset BIGINT NOT NULL
);

-- Messages sent to many at once: a digest, a circular, a reminder.
CREATE TABLE notice_batches (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- One message to one receiver, with the named reason: the log of what was said to whom.
CREATE TABLE notices (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT REFERENCES cases (id),
    batch_id TEXT REFERENCES notice_batches (id),
    enterprise TEXT NOT NULL,
    stream TEXT NOT NULL,
    audience TEXT NOT NULL,
    receiver TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    purpose TEXT NOT NULL,
    step BIGINT NOT NULL,
    lang TEXT NOT NULL,
    severity BIGINT NOT NULL,
    subject TEXT NOT NULL,
    body_text TEXT NOT NULL,
    body_html TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    stale_at BIGINT,
    waits_for_morning BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    sent_at BIGINT,
    delivered_at BIGINT,
    opened_at BIGINT,
    acknowledged_at BIGINT,
    error TEXT
);
CREATE INDEX notices_by_case ON notices (case_id, created_at);
CREATE INDEX notices_by_receiver ON notices (channel, address, sent_at);
CREATE INDEX notices_by_batch ON notices (batch_id);

-- What still has to be sent: a row lives from the effect's transaction to the last attempt.
CREATE TABLE outbox (
    notice_id TEXT NOT NULL PRIMARY KEY REFERENCES notices (id),
    next_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);
CREATE INDEX outbox_by_time ON outbox (next_at, notice_id);

-- What has to be put right, found by whatever means: an alert, an inspection, a self-check, a directive.
CREATE TABLE problems (
    id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    source TEXT NOT NULL,
    case_id TEXT REFERENCES cases (id),
    enterprise TEXT NOT NULL,
    district TEXT NOT NULL,
    outlet TEXT,
    rule TEXT,
    title TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    found_by TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    reviewer TEXT,
    state TEXT NOT NULL,
    result TEXT,
    closed_at BIGINT
);
CREATE INDEX problems_by_enterprise ON problems (enterprise, state);
CREATE INDEX problems_by_due ON problems (state, due_at);
CREATE INDEX problems_by_case ON problems (case_id);

-- One round of rectification: submitted by the enterprise, reviewed by the bureau by a deadline of its own.
CREATE TABLE problem_rounds (
    problem_id TEXT NOT NULL REFERENCES problems (id),
    round BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    submitted_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    measures TEXT NOT NULL,
    review_due_at BIGINT NOT NULL,
    reviewed_at BIGINT,
    reviewed_by TEXT,
    result TEXT,
    guidance TEXT,
    PRIMARY KEY (problem_id, round)
);

-- What somebody thinks of a closed item: a case, a problem, a notice batch.
CREATE TABLE evaluations (
    id TEXT NOT NULL PRIMARY KEY,
    item_kind TEXT NOT NULL,
    item_id TEXT NOT NULL,
    score BIGINT NOT NULL,
    text TEXT NOT NULL,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX evaluations_by_item ON evaluations (item_kind, item_id);

-- One store for all uploads, by content; links say what each belongs to.
CREATE TABLE files (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    content BLOB NOT NULL,
    uploaded_by TEXT NOT NULL,
    uploaded_at BIGINT NOT NULL
);
CREATE TABLE file_links (
    file_id TEXT NOT NULL REFERENCES files (id),
    item_kind TEXT NOT NULL,
    item_id TEXT NOT NULL,
    linked_by TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (file_id, item_kind, item_id)
);
CREATE INDEX file_links_by_item ON file_links (item_kind, item_id);

-- 片区负责人 of an enterprise, where the desk overrides the registry.
CREATE TABLE officers (
    enterprise TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL
);

-- Who is looking. Only a hash of the token is kept.
CREATE TABLE sessions (
    token_hash TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scope_kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    demo BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
