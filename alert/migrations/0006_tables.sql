-- Tables that the bureau edits on screen: routes, sentences, holidays, guidance. One row a table, the newest text of it;
-- without a row the table that comes with plume holds. `version` counts over all of them.
CREATE TABLE edited_tables (
    name TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('tables', 0);

-- By which id a gateway will say that a message arrived: its own, or the key it was sent with.
ALTER TABLE notices ADD COLUMN receipt_id TEXT NOT NULL DEFAULT '';
CREATE INDEX notices_by_receipt ON notices (receipt_id);

-- 报告设备异常: one row a report, with its number and the clock of the repair.
CREATE TABLE fault_reports (
    number BIGINT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    case_id TEXT NOT NULL REFERENCES cases (id),
    enterprise TEXT NOT NULL,
    district TEXT NOT NULL,
    outlet TEXT NOT NULL,
    factor TEXT NOT NULL,
    text TEXT NOT NULL,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    repaired_at BIGINT,
    repaired_by TEXT
);
CREATE INDEX fault_reports_by_case ON fault_reports (case_id);

-- Manual samples taken while an instrument is out of order.
CREATE TABLE manual_samples (
    report BIGINT NOT NULL REFERENCES fault_reports (number),
    factor TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    value TEXT NOT NULL,
    by_name TEXT NOT NULL,
    entered_at BIGINT NOT NULL,
    PRIMARY KEY (report, factor, taken_at)
);
