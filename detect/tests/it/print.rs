//! Judgements and events as lines a person can check.

use std::fmt::Write as _;

use plume_detect::Out;
use plume_schemas::event::Event;
use plume_schemas::judgement::{FactValue, Judgement, Verdict};
use plume_schemas::time::{SECOND_MS, Time};

fn moment(at: Time) -> String {
    let c = at.civil();
    let seconds = if at.0 % (60 * SECOND_MS) == 0 {
        String::new()
    } else {
        format!(":{:02}", c.second)
    };
    format!("{:02}T{:02}:{:02}{seconds}", c.day, c.hour, c.minute)
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Fine => "fine".to_owned(),
        Verdict::Breach(severity) => format!("BREACH {severity}"),
        Verdict::NotJudged(reason) => format!("not judged: {reason}"),
    }
}

pub(crate) fn judgement(j: &Judgement) -> String {
    let mut line = format!(
        "{} {} {} {}..{} {}: {}",
        moment(j.judged_at),
        j.rule,
        j.factor.map_or("-".to_owned(), |factor| factor.to_string()),
        moment(j.window.start),
        moment(j.window.end),
        j.pane,
        verdict(j.verdict),
    );
    if let Some(previous) = j.previous {
        write!(line, " (was {})", verdict(previous)).unwrap();
    }
    if j.late {
        line.push_str(" LATE");
    }
    for fact in &j.evidence {
        let value = match fact.value {
            FactValue::Decimal(decimal) => decimal.to_string(),
            FactValue::Float(value) => format!("{value:.3}"),
            FactValue::Int(value) => value.to_string(),
            FactValue::Time(at) => moment(at),
            FactValue::Text(text) => format!("`{text}`"),
        };
        write!(line, " {}={value}", fact.key).unwrap();
    }
    line
}

pub(crate) fn event(e: &Event) -> String {
    let case = e.case.to_string();
    format!(
        "{}   => {} {} {} case {}{}",
        moment(e.at),
        e.edge,
        e.judgement.rule,
        e.judgement.factor.map_or("-".to_owned(), |factor| factor.to_string()),
        case.get(..8).unwrap_or_default(),
        if e.preliminary { " preliminary" } else { "" },
    )
}

/// What one step gave, judgements first.
pub(crate) fn step(out: &Out) -> Vec<String> {
    out.judgements
        .iter()
        .map(judgement)
        .chain(out.events.iter().map(event))
        .collect()
}
