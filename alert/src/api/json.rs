//! Rows as JSON: codes for programs, names beside them where a person may read it. Moments are milliseconds since 1970
//! UTC.

use plume_schemas::time::Time;
use serde_json::{Value, json};

use crate::Desk;
use crate::case::By;
use crate::mute::silence::Silence;
use crate::problem::{Problem, Rectification};
use crate::store::{CaseRow, Counts, NoticeRow, ReminderRow, TraceRow, judgement_json};
use crate::words::{Lang, Place, Saying, headline, severity_word};

fn moment(at: Option<Time>) -> Value {
    at.map_or(Value::Null, |at| json!(at.0))
}

fn by(by: Option<&By>) -> Value {
    by.map_or(Value::Null, |by| json!({ "name": by.name, "at": by.at.0 }))
}

pub(super) fn case(row: &CaseRow, desk: &Desk) -> Value {
    let registry = desk.registry();
    let place = Place::of(row.outlet, &registry);
    let saying = Saying::of(&row.judgement, row.certainty);
    let say = |lang| {
        headline(
            &desk.tables().words,
            &row.judgement,
            row.certainty,
            saying,
            desk.catalogue(),
            lang,
        )
    };
    json!({
        "id": row.id.to_string(),
        "version": row.version,
        "change": row.changed_seq,
        "stream": row.stream.code(),
        "family": row.family.code(),
        "rule": row.rule.code(),
        "outlet": { "id": row.outlet.as_str(), "name": place.outlet },
        "enterprise": { "id": row.tags.enterprise.as_str(), "name": place.enterprise },
        "district": row.tags.district,
        "industry": row.tags.industry,
        "factor": row.factor.map(|factor| factor.as_str().to_owned()),
        "severity": row.severity.code(),
        "severity_word": severity_word(row.severity, row.certainty, Lang::Zh),
        "state": row.state.code(),
        "certainty": row.certainty.code(),
        "outcome": row.outcome.map(crate::case::Outcome::code),
        "late": row.late,
        "trial": row.tags.trial,
        "window": { "start": row.window.start.0, "end": row.window.end.0 },
        "opened_at": row.opened_at.0,
        "updated_at": row.updated_at.0,
        "resolved_at": moment(row.resolved_at),
        "closed_at": moment(row.closed_at),
        "due_at": moment(row.due_at),
        "acknowledged": by(row.acknowledged.as_ref()),
        "answered": by(row.answered.as_ref()),
        "assigned_to": row.assigned_to,
        "headline": { "zh": say(Lang::Zh), "en": say(Lang::En) },
        "judgement": judgement_json(&row.judgement),
    })
}

pub(super) fn trace(row: &TraceRow) -> Value {
    json!({
        "change": row.seq,
        "at": row.at.0,
        "kind": row.kind.code(),
        "kind_word": row.kind.zh(),
        "actor": row.actor,
        "role": row.role.map(crate::accounts::Role::code),
        "text": row.text,
        "judgement": row.judgement.as_ref().map(judgement_json),
    })
}

pub(super) fn notice(row: &NoticeRow) -> Value {
    json!({
        "id": row.id.to_string(),
        "audience": row.audience,
        "receiver": row.receiver,
        "channel": row.channel,
        "address": row.address,
        "purpose": row.purpose,
        "state": row.state,
        "reason": row.reason,
        "subject": row.subject,
        "created_at": row.created_at.0,
        "attempts": row.attempts,
        "sent_at": moment(row.sent_at),
        "delivered_at": moment(row.delivered_at),
        "opened_at": moment(row.opened_at),
        "acknowledged_at": moment(row.acknowledged_at),
        "error": row.error,
    })
}

pub(super) fn counts(counts: &Counts) -> Value {
    let open: serde_json::Map<_, _> = counts
        .open
        .iter()
        .map(|(severity, n)| (severity.code().to_owned(), json!(n)))
        .collect();
    let outcomes: serde_json::Map<_, _> = counts
        .outcomes
        .iter()
        .map(|(outcome, n)| (outcome.code().to_owned(), json!(n)))
        .collect();
    json!({
        "change": counts.seq,
        "open": open,
        "unacknowledged": counts.unacknowledged,
        "resolved": counts.resolved,
        "retracting": counts.retracting,
        "overdue": counts.overdue,
        "outcomes": outcomes,
    })
}

pub(super) fn problem(problem: &Problem) -> Value {
    let rounds: Vec<Value> = problem
        .rounds
        .iter()
        .map(|round| {
            json!({
                "submitted_at": round.submitted_at.0,
                "submitted_by": round.submitted_by,
                "cause": round.cause,
                "measures": round.measures,
                "review_due_at": round.review_due_at.0,
                "review": round.review.as_ref().map(|review| json!({
                    "at": review.at.0,
                    "by": review.by,
                    "verdict": review.verdict.code(),
                    "guidance": review.guidance,
                })),
            })
        })
        .collect();
    json!({
        "id": problem.id.to_string(),
        "version": problem.version,
        "source": problem.source.code(),
        "case": problem.case.map(|case| case.to_string()),
        "enterprise": problem.enterprise.as_str(),
        "district": problem.district,
        "outlet": problem.outlet.map(|outlet| outlet.as_str().to_owned()),
        "rule": problem.rule.map(plume_schemas::rule::RuleCode::code),
        "title": problem.title,
        "found_at": problem.found_at.0,
        "found_by": problem.found_by,
        "due_at": problem.due_at.0,
        "reviewer": problem.reviewer,
        "state": problem.state.code(),
        "closed_at": moment(problem.closed_at),
        "rounds": rounds,
    })
}

pub(super) fn rectification(counted: Rectification) -> Value {
    json!({
        "found": counted.found,
        "passed": counted.passed,
        "overdue": counted.overdue,
        "review_overdue": counted.review_overdue,
        "rate_pct": counted.rate_pct(),
    })
}

pub(super) fn reminder(row: &ReminderRow) -> Value {
    let reminder = &row.reminder;
    json!({
        "id": reminder.id.to_string(),
        "kind": reminder.kind.code(),
        "enterprise": reminder.enterprise.as_str(),
        "district": reminder.district,
        "subject": reminder.subject,
        "stage_days": reminder.stage_days,
        "due_on": reminder.due_on.date(),
        "text": { "zh": reminder.text.0, "en": reminder.text.1 },
        "created_at": row.created_at.0,
    })
}

pub(super) fn silence(silence: &Silence) -> Value {
    let matcher = &silence.matcher;
    json!({
        "id": silence.id.to_string(),
        "district": silence.district,
        "enterprise": matcher.enterprise.map(|own| own.as_str().to_owned()),
        "outlet": matcher.outlet.map(|own| own.as_str().to_owned()),
        "factor": matcher.factor.map(|own| own.as_str().to_owned()),
        "family": matcher.family.map(crate::case::Family::code),
        "rule": matcher.rule.map(plume_schemas::rule::RuleCode::code),
        "reason": silence.reason,
        "by": silence.by,
        "starts_at": silence.starts_at.0,
        "ends_at": silence.ends_at.0,
    })
}
