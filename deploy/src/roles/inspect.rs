//! The desk's conformance reports: what `plume conformance` prints, for the device page.

use std::sync::Arc;

use plume_alert::desk::{ClockOffset, Departure, InspectQuestion, Inspection, Interval};
use plume_alert::words::Lang as DeskLang;
use plume_ingest::hj212::conformance::Conformance;
use plume_ingest::hj212::explain::{Lang, Level};
use plume_schemas::ids::Mn;
use plume_schemas::time::{HOUR_MS, Span};
use tokio::sync::mpsc;

use super::Context;
use super::stop::Stop;
use crate::conformance::of_archive;

/// Answers until told to stop, one question after the other: each reads a day of the archive.
pub(crate) async fn answer(
    context: Context,
    mut questions: mpsc::Receiver<InspectQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    loop {
        let question = super::desk::next(&mut questions, &stop).await;
        let Some(InspectQuestion {
            mn,
            hours,
            lang,
            answer,
        }) = question
        else {
            return Ok(());
        };
        if answer.is_closed() {
            continue;
        }
        let report = report(&context, mn, hours * HOUR_MS).await;
        let told = report.map(|report| in_words(&report, lang));
        // Who asked may have left.
        drop(answer.send(told.map_err(|error| format!("{error:#}"))));
    }
}

/// The report on what a device sent in the last `last_ms`, with what waits for the archive written first.
pub(crate) async fn report(context: &Context, mn: Mn, last_ms: i64) -> anyhow::Result<Conformance> {
    super::archive::write_now(context).await?;
    let context = context.clone();
    let made = tokio::task::spawn_blocking(move || {
        let reader = super::archive::reader(&context.archive)?;
        let registry = Arc::clone(&context.registry.borrow());
        let end = context.clock.now();
        let start = end.plus(-last_ms);
        let expect = context.ingest.expect_encryption_2025;
        of_archive(&reader, &registry, mn, Span { start, end }, expect)
    });
    made.await?
}

fn in_words(report: &Conformance, lang: DeskLang) -> Inspection {
    let lang = match lang {
        DeskLang::Zh => Lang::Zh,
        DeskLang::En => Lang::En,
    };
    let departures = report.departures.iter().map(|one| Departure {
        level: one.level.word(lang).to_owned(),
        is_error: one.level == Level::Error,
        what: one.what.in_lang(lang).to_owned(),
        clause: one.clause.to_owned(),
        count: one.count,
        detail: one.detail.clone(),
        example: one.example.clone(),
        change: one.change.in_lang(lang).to_owned(),
    });
    let intervals = report.intervals.iter().map(|one| Interval {
        name: one.name.in_lang(lang).to_owned(),
        interval_s: one.interval_s,
        due: one.due,
        came: one.came,
        late: one.late,
        delay_s: one.delay_s,
    });
    Inspection {
        is_fine: report.is_fine(),
        facts: report.page(lang).facts(),
        departures: departures.collect(),
        clock: report.clock.map(|clock| ClockOffset {
            median_s: clock.median_s,
            least_s: clock.least_s,
            most_s: clock.most_s,
        }),
        intervals: intervals.collect(),
    }
}
