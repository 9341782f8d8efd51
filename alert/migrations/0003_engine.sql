-- 暂停提醒: who wants to hear nothing of what, why, until when. Empty columns do not restrict.
CREATE TABLE silences (
    id TEXT NOT NULL PRIMARY KEY,
    district TEXT NOT NULL,
    enterprise TEXT NOT NULL,
    outlet TEXT NOT NULL,
    factor TEXT NOT NULL,
    family TEXT NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,
    by_role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended_by TEXT
);
CREATE INDEX silences_by_end ON silences (ends_at);

-- Who is on duty, when, for whom.
CREATE TABLE duty (
    audience TEXT NOT NULL,
    district TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    PRIMARY KEY (audience, district, starts_at, name)
);

-- Penalty publicity (行政处罚信息公示) of an enterprise: seen by it and its officers only.
CREATE TABLE publicity (
    id TEXT NOT NULL PRIMARY KEY,
    enterprise TEXT NOT NULL,
    district TEXT NOT NULL,
    document TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    minimum_until BIGINT NOT NULL,
    maximum_until BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX publicity_by_enterprise ON publicity (enterprise);

-- 温馨提示: reminders by date, one row for each stage reached.
CREATE TABLE reminders (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    enterprise TEXT NOT NULL,
    district TEXT NOT NULL,
    subject TEXT NOT NULL,
    stage_days BIGINT NOT NULL,
    due_on BIGINT NOT NULL,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX reminders_by_enterprise ON reminders (enterprise, created_at);

-- The desk's own secrets (keys of links), made once.
CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Which desk is active (D18): it consumes, notifies and escalates; others serve pages.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until_at BIGINT NOT NULL
);

-- Counts read these alone, not the rows with their judgements.
CREATE INDEX cases_by_scope ON cases (state, stream, district, enterprise, severity, acknowledged_at, due_at);
CREATE INDEX cases_by_outcome ON cases (outcome, stream, district, enterprise);
