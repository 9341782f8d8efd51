//! Zero and span checks: what people wrote down on its way into the log, and what was judged on its way to the pages.
//! Checks that devices send are reports like any other and do not come by here.

mod picture;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use plume_alert::desk::{CheckedFactor, ChecksQuestion};
use plume_alert::words::Lang as DeskLang;
use plume_archive::{Field, Location, QuerySpec, Table};
use plume_bus::{Bus, NewRecord, Topic};
use plume_detect::Lang;
use plume_detect::chart::checks::{Checked, parse};
use plume_schemas::check::{Check, CheckSource};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::partition::partition_of;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};
use plume_schemas::wire;
use serde_json::Value;
use tokio::sync::mpsc;

use self::picture::Judged;
use super::stop::Stop;
use super::{Context, at};

/// Most checks of one import, as of the desk's: a sheet of a year is given in one piece.
const MAX_CHECKS: usize = 10_000;
/// How far ahead of our clock a check may be: what somebody's watch is off.
const AHEAD_MS: i64 = 5 * MINUTE_MS;
/// The pages show so many days.
const SHOWN_DAYS: i64 = 180;
/// Most judgements of one page: daily zero and span of ten factors.
const MAX_ROWS: usize = 10_000;
const COLUMNS: [&str; 6] = [
    "factor",
    "window_start",
    "verdict",
    "evidence",
    "log_partition",
    "log_offset",
];

/// Appends the checks of a CSV text in order of time, all or none, and says how many. Errors: every row that cannot be
/// taken.
pub(crate) async fn import(
    bus: &Bus,
    registry: &RegistryIndex,
    (name, text): (&str, &str),
    now: Time,
) -> anyhow::Result<String> {
    let checks = parse(name, text).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{error}\n  hint: {}", error.hint()))
            .collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    if checks.len() > MAX_CHECKS {
        bail!(
            "{} checks in one file, at most {MAX_CHECKS}: import it in pieces",
            checks.len()
        );
    }
    let wrong: Vec<String> = checks
        .iter()
        .filter_map(|check| Some(format!("{name}:{}: {}", check.line, wrong(check, registry, now)?)))
        .collect();
    if !wrong.is_empty() {
        bail!(
            "{}\n  hint: nothing was taken; correct these lines and try again",
            wrong.join("\n")
        );
    }
    let count = checks.len();
    append(bus, checks.into_iter().map(|check| of_sheet(&check, now)).collect()).await?;
    Ok(format!("{count} 次零点/跨度检查已记录 / {count} check(s) recorded"))
}

/// What of a check does not fit the registry or the clock.
fn wrong(check: &Checked, registry: &RegistryIndex, now: Time) -> Option<String> {
    if registry.outlet(check.outlet).is_none() {
        return Some(format!("outlet: `{}` is not in the registry", check.outlet));
    }
    if registry.factor(check.outlet, check.factor).is_none() {
        return Some(format!(
            "factor: `{}` is not registered for {}",
            check.factor, check.outlet
        ));
    }
    (check.at.since(now) > AHEAD_MS).then(|| format!("time: {} is in the future", check.at))
}

fn of_sheet(check: &Checked, now: Time) -> Check {
    Check {
        outlet: check.outlet,
        factor: check.factor,
        point: Some(check.point),
        at: check.at,
        gas: check.gas,
        before: check.before,
        after: check.after,
        adjusted: check.adjusted,
        source: CheckSource::Sheet,
        by: String::new(),
        note: String::new(),
        received_at: now,
    }
}

/// Appends checks to the partitions of their outlets, behind what was measured before them.
async fn append(bus: &Bus, checks: Vec<Check>) -> anyhow::Result<()> {
    let records = checks.into_iter().map(|check| NewRecord {
        to: at(Topic::Reports, partition_of(check.outlet, bus.partitions())),
        key: check.outlet.to_string(),
        payload: Bytes::from(wire::encode_entry(&EntryBody::Check(Box::new(check)))),
    });
    let records: Vec<NewRecord> = records.collect();
    if !records.is_empty() {
        bus.append(records).await.context("append the checks to the log")?;
    }
    Ok(())
}

/// Answers the pages until told to stop, one question after the other.
pub(crate) async fn answer(
    context: Context,
    mut questions: mpsc::Receiver<ChecksQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    while let Some(question) = super::desk::next(&mut questions, &stop).await {
        // Whoever asked may have left; what they brought is in the log all the same.
        match question {
            ChecksQuestion::Record { checks, answer } => {
                let appended = append(&context.bus, checks).await;
                drop(answer.send(appended.map_err(|error| format!("{error:#}"))));
            }
            ChecksQuestion::Show { answer, .. } if answer.is_closed() => {}
            ChecksQuestion::Show {
                outlet,
                fresh,
                lang,
                answer,
            } => {
                let shown = show(&context, outlet, fresh, lang).await;
                drop(answer.send(shown.map_err(|error| format!("{error:#}"))));
            }
        }
    }
    Ok(())
}

async fn show(context: &Context, outlet: OutletId, fresh: bool, lang: DeskLang) -> anyhow::Result<Vec<CheckedFactor>> {
    if fresh {
        super::archive::write_now(context).await?;
    }
    let (archive, now) = (context.archive.clone(), context.clock.now());
    let lang = match lang {
        DeskLang::Zh => Lang::Zh,
        DeskLang::En => Lang::En,
    };
    tokio::task::spawn_blocking(move || of_archive(&archive, outlet, now, lang)).await?
}

/// The checks of an outlet as they were judged, by factor.
fn of_archive(archive: &Location, outlet: OutletId, now: Time, lang: Lang) -> anyhow::Result<Vec<CheckedFactor>> {
    let reader = super::archive::reader(archive)?;
    let spec = QuerySpec {
        outlet: Some(outlet),
        rule: Some(RuleCode::Drift),
        from: Some(now.plus(-SHOWN_DAYS * DAY_MS)),
        columns: COLUMNS.map(str::to_owned).to_vec(),
        limit: MAX_ROWS,
        ..QuerySpec::all(Table::Judgements)
    };
    let mut found: Vec<(FactorCode, Judged)> = Vec::new();
    for row in reader.query(&spec)? {
        found.extend(judged(&row?));
    }
    found.sort_by_key(|(factor, judged)| (*factor, judged.at, judged.said));
    let analysers = found.chunk_by(|(one, _), (other, _)| one == other);
    Ok(analysers
        .filter_map(|rows| {
            let (factor, _) = rows.first()?;
            let checks: Vec<&Judged> = rows.iter().map(|(_, judged)| judged).collect();
            Some(CheckedFactor {
                factor: *factor,
                svg: picture::picture(&checks, lang).svg(),
                standing: picture::standing(&checks, now, lang),
                rows: checks.iter().rev().map(|judged| judged.row(lang)).collect(),
            })
        })
        .collect())
}

/// A row of the archive as a check; what is no judgement of a check (an analyser that left the registry) is none.
fn judged(row: &[Field]) -> Option<(FactorCode, Judged)> {
    let [factor, Field::Time(at), verdict, evidence, partition, offset] = row else {
        return None;
    };
    let int = |field: &Field| match field {
        Field::Int(number) => *number,
        _ => 0,
    };
    let facts: Value = serde_json::from_str(&evidence.to_string()).ok()?;
    facts.get("as_found")?;
    let judged = Judged {
        at: *at,
        verdict: verdict.to_string(),
        facts,
        said: (int(partition), int(offset)),
    };
    Some((FactorCode::new(&factor.to_string()).ok()?, judged))
}
