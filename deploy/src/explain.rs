//! Finding an event by its id, for `plume explain`: in the log while it is there, else in the archive; what the desk
//! found itself, in its database.

use anyhow::Context as _;
use plume_alert::store::Store;
use plume_archive::{Field, Location, QuerySpec, Table};
use plume_bus::{Bus, Topic};
use plume_detect::{Lang, explain_event};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, FactorCode, Inline, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Span, Time};
use plume_schemas::wire;
use serde_json::Value as Json;

use crate::roles;

use crate::roles::{READ_LIMIT, at};

/// An event in words, in both languages or one. `None` where neither log nor archive has it.
pub(crate) async fn explain(bus: &Bus, archive: &Location, id: &str, lang: &str) -> anyhow::Result<Option<String>> {
    let found = match in_log(bus, id).await? {
        Some(event) => Some(event),
        None => in_archive(archive, id)?,
    };
    let catalogue = Catalogue::embedded()?;
    Ok(found.map(|event| in_words(&event, &catalogue, lang)))
}

/// A lead that the desk itself found (TWIN), in words: it stands on no line of the log. `None` where it has none such.
pub(crate) async fn explain_found(store: &Store, id: &str, lang: &str) -> anyhow::Result<Option<String>> {
    let Some(id) = ContentId::parse(id).ok() else {
        return Ok(None);
    };
    let found = store
        .found(id)
        .await?
        .filter(|event| event.judgement.rule == RuleCode::Twin);
    let catalogue = Catalogue::embedded()?;
    Ok(found.map(|event| in_words(&event, &catalogue, lang)))
}

fn in_words(event: &Event, catalogue: &Catalogue, lang: &str) -> String {
    match lang {
        "zh" => explain_event(event, catalogue, Lang::Zh),
        "en" => explain_event(event, catalogue, Lang::En),
        _ => {
            let zh = explain_event(event, catalogue, Lang::Zh);
            format!("{zh}\n{}", explain_event(event, catalogue, Lang::En))
        }
    }
}

async fn in_log(bus: &Bus, id: &str) -> anyhow::Result<Option<Event>> {
    for partition in 0..bus.partitions() {
        let line = at(Topic::Events, partition);
        let range = bus.range(line).await?;
        let mut next = range.start;
        while next < range.end {
            let records = bus.read(line, next, READ_LIMIT).await?;
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            let events = records
                .iter()
                .filter_map(|record| wire::decode_event(&record.payload).ok());
            if let Some(event) = events.into_iter().find(|event| event.id.to_string() == id) {
                return Ok(Some(event));
            }
        }
    }
    Ok(None)
}

/// The columns of an event's row, in the order in which [`Row`] reads them.
const COLUMNS: [&str; 19] = [
    "event_id",
    "case_id",
    "edge",
    "happened_at",
    "preliminary",
    "outlet",
    "factor",
    "rule",
    "window_start",
    "window_end",
    "pane",
    "verdict",
    "severity",
    "reason",
    "evidence",
    "late",
    "judged_at",
    "cause_partition",
    "cause_offset",
];

fn in_archive(archive: &Location, id: &str) -> anyhow::Result<Option<Event>> {
    let reader = roles::archive::reader(archive)?;
    let spec = QuerySpec {
        columns: COLUMNS.iter().map(|&name| name.to_owned()).collect(),
        ..QuerySpec::all(Table::Events)
    };
    for row in reader.query(&spec)? {
        let row = Row(row?);
        if row.text("event_id") == id {
            let event = row.event();
            return event
                .map(Some)
                .with_context(|| format!("the archive's row of event {id} is not readable by this version"));
        }
    }
    Ok(None)
}

/// A row of the archive's events.
struct Row(Vec<Field>);

impl Row {
    fn field(&self, name: &str) -> Option<&Field> {
        let place = COLUMNS.iter().position(|&column| column == name)?;
        self.0.get(place)
    }

    fn text(&self, name: &str) -> String {
        self.field(name).map(ToString::to_string).unwrap_or_default()
    }

    fn time(&self, name: &str) -> Option<Time> {
        match self.field(name)? {
            Field::Time(at) => Some(*at),
            _ => None,
        }
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        match self.field(name)? {
            Field::Int(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let (severity, reason) = (self.text("severity"), self.text("reason"));
        match self.text("verdict").as_str() {
            "fine" => Some(Verdict::Fine),
            "breach" => Severity::from_code(&severity).map(Verdict::Breach),
            _ => NotJudged::from_code(&reason).map(Verdict::NotJudged),
        }
    }

    fn event(&self) -> Option<Event> {
        let factor = Some(self.text("factor")).filter(|code| !code.is_empty());
        let facts: serde_json::Map<String, Json> = serde_json::from_str(&self.text("evidence")).ok()?;
        let judgement = Judgement {
            rule: RuleCode::from_code(&self.text("rule"))?,
            outlet: OutletId::new(&self.text("outlet")).ok()?,
            factor: factor.map(|code| FactorCode::new(&code)).transpose().ok()?,
            window: Span {
                start: self.time("window_start")?,
                end: self.time("window_end")?,
            },
            pane: Pane::from_code(&self.text("pane"))?,
            verdict: self.verdict()?,
            previous: None,
            cause: LogPosition {
                partition: self.number("cause_partition")?,
                offset: self.number("cause_offset")?,
            },
            ordinal: 0,
            judged_at: self.time("judged_at")?,
            late: matches!(self.field("late"), Some(Field::Bool(true))),
            evidence: facts.iter().filter_map(|(key, value)| fact(key, value)).collect(),
        };
        Some(Event {
            id: ContentId::parse(&self.text("event_id")).ok()?,
            case: ContentId::parse(&self.text("case_id")).ok()?,
            edge: Edge::from_code(&self.text("edge"))?,
            at: self.time("happened_at")?,
            preliminary: matches!(self.field("preliminary"), Some(Field::Bool(true))),
            judgement,
        })
    }
}

/// A fact from its JSON: decimals were written as text to keep their digits, and so were times, which are shown as
/// they stand.
fn fact(key: &str, value: &Json) -> Option<Fact> {
    let key = FactKey::from_code(key)?;
    let value = match value {
        Json::Number(number) => match number.as_i64() {
            Some(whole) => FactValue::Int(whole),
            None => FactValue::Float(number.as_f64()?),
        },
        Json::String(text) => match Decimal::parse(text.as_bytes()) {
            Some(decimal) => FactValue::Decimal(decimal),
            None => FactValue::Text(Inline::new(text)?),
        },
        _ => return None,
    };
    Some(Fact { key, value })
}
