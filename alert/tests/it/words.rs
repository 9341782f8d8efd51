//! Every sentence, in both languages, from facts as the judge gives them.

use plume_alert::book::Purpose;
use plume_alert::case::{Case, Certainty};
use plume_alert::words::{Lang, Place, Saying, Words, bundle, exceed_ratio, headline, message};
use plume_schemas::event::{Edge, Event};
use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::{FactKey, FactValue, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};

use crate::world::{Said, at, event, exceed};

fn say(said: &Said, certainty: Certainty) -> String {
    let event: Event = said.from(1);
    let words = Words::embedded().unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let saying = match event.edge {
        Edge::Cleared => Saying::Cleared,
        Edge::Retracted => Saying::Retracted,
        Edge::Confirmed => Saying::Confirmed,
        Edge::Opened | Edge::Worsened => Saying::of(&event.judgement, certainty),
    };
    [Lang::Zh, Lang::En]
        .map(|lang| headline(&words, &event.judgement, certainty, saying, &catalogue, lang))
        .join("\n")
}

#[test]
fn near() {
    let opened = near_with_headroom(28.4);
    let cleared_early = crate::world::near("20261121142500")
        .verdict(Verdict::Fine)
        .edge(Edge::Cleared, "20261121143500");
    let ended = cleared_early.clone().pane(Pane::OnTime).decimal(FactKey::Mean, "33.9");
    let finished = |reason: &str, mean: &str| {
        event(RuleCode::NearHour, Edge::Cleared, "20261121150500")
            .window("20261121140000")
            .verdict(Verdict::Fine)
            .pane(Pane::OnTime)
            .decimal(FactKey::Mean, mean)
            .decimal(FactKey::Limit, "35")
            .text(FactKey::LimitSource, "permit")
            .text(FactKey::Reason, reason)
    };
    insta::assert_snapshot!(
        [
            say(&finished("hour_within_limit", "33.9"), Certainty::Plain),
            say(&finished("hour_exceeded", "37.1"), Certainty::Plain),
            say(&finished("too_few_valid", "33.9"), Certainty::Plain),
            say(&opened, Certainty::Plain),
            say(&near_with_headroom(-3.0), Certainty::Plain),
            say(&cleared_early, Certainty::Plain),
            say(&ended, Certainty::Plain),
            say(
                &event(RuleCode::NearHour, Edge::Cleared, "20261121142500"),
                Certainty::Plain
            ),
            say(
                &event(RuleCode::NearHour, Edge::Retracted, "20261121142500"),
                Certainty::Plain
            ),
        ]
        .join("\n\n")
    );
}

fn near_with_headroom(headroom: f64) -> Said {
    event(RuleCode::NearHour, Edge::Opened, "20261121144200")
        .fact(FactKey::Projected, FactValue::Float(37.2))
        .decimal(FactKey::Limit, "35")
        .text(FactKey::LimitSource, "permit")
        .text(FactKey::Basis, "corrected")
        .fact(FactKey::MinutesLeft, FactValue::Int(18))
        .fact(FactKey::Headroom, FactValue::Float(headroom))
}

#[test]
fn exceedance() {
    let opened = exceed("20261121150500").window("20261121140000");
    let fine = opened.clone().verdict(Verdict::Fine).decimal(FactKey::Mean, "33.9");
    let marked = opened.clone().verdict(Verdict::NotJudged(NotJudged::Marked));
    let midnight = exceed("20261122000500")
        .window("20261121230000")
        .text(FactKey::LimitSource, "GB 13223-2011 表1");
    insta::assert_snapshot!(
        [
            say(&opened, Certainty::Preliminary),
            say(
                &opened.clone().edge(Edge::Confirmed, "20261122120000"),
                Certainty::Confirmed
            ),
            say(
                &fine.clone().edge(Edge::Retracted, "20261121180000"),
                Certainty::Preliminary
            ),
            say(&marked.edge(Edge::Retracted, "20261121180000"), Certainty::NotJudged),
            say(&fine.edge(Edge::Cleared, "20261121160500"), Certainty::Preliminary),
            say(&midnight, Certainty::Preliminary),
        ]
        .join("\n\n")
    );
}

#[test]
fn instrument_and_link() {
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121142500")
        .fact(FactKey::LastedMinutes, FactValue::Int(62))
        .decimal(FactKey::Value, "12.30")
        .fact(FactKey::FlowChange, FactValue::Float(18.2));
    let no_flow = event(RuleCode::Const, Edge::Opened, "20261121142500")
        .fact(FactKey::LastedMinutes, FactValue::Int(62))
        .decimal(FactKey::Value, "12.30");
    let narrow = no_flow.clone().text(FactKey::Reason, "narrow_range");
    let silent = |reason: &str| {
        event(RuleCode::Miss, Edge::Opened, "20261121142500")
            .factor(None)
            .text(FactKey::Name, "010000A8900016F000169DC0")
            .text(FactKey::Reason, reason)
            .fact(FactKey::LastedMinutes, FactValue::Int(30))
            .fact(FactKey::Since, FactValue::Time(at("20261121135500")))
    };
    let back = |reason: &str| {
        silent(reason)
            .verdict(Verdict::Fine)
            .edge(Edge::Cleared, "20261121150000")
    };
    insta::assert_snapshot!(
        [
            say(&stuck, Certainty::Plain),
            say(&no_flow, Certainty::Plain),
            say(&narrow, Certainty::Plain),
            say(
                &stuck.verdict(Verdict::Fine).edge(Edge::Cleared, "20261121150000"),
                Certainty::Plain
            ),
            say(&silent("offline"), Certainty::Plain),
            say(&silent("hour"), Certainty::Plain),
            say(&silent("minute"), Certainty::Plain),
            say(&back("data_again"), Certainty::Plain),
            say(&back("excused"), Certainty::Plain),
        ]
        .join("\n\n")
    );
}

/// Every rule has a sentence for every edge, even when the judge gives no facts at all.
#[test]
fn nothing_is_left_unsaid() {
    let mut all = String::new();
    for &rule in RuleCode::ALL {
        for edge in [Edge::Opened, Edge::Confirmed, Edge::Cleared, Edge::Retracted] {
            let said = event(rule, edge, "20261121142500");
            let said = if matches!(edge, Edge::Cleared | Edge::Retracted) {
                said.verdict(Verdict::Fine)
            } else {
                said
            };
            all.extend([rule.code(), " ", edge.code(), "\n", &say(&said, Certainty::Plain), "\n"]);
        }
    }
    assert!(!all.contains(['{', '}', '[', ']']), "{all}");
    insta::assert_snapshot!(all);
}

/// Rounding never says that something is within the limit when it is not, nor promises too much room.
#[test]
fn numbers_stay_true() {
    let mean = |value: f64, limit: &str| {
        let said = event(RuleCode::ExceedHour, Edge::Opened, "20261121142500")
            .fact(FactKey::Mean, FactValue::Float(value))
            .decimal(FactKey::Limit, limit);
        say(&said, Certainty::Plain).lines().next().unwrap().to_owned()
    };
    assert!(mean(35.04, "35").contains("均值 35.04 mg/m³"), "{}", mean(35.04, "35"));
    assert!(mean(35.06, "35").contains("均值 35.1 mg/m³"));
    assert!(
        mean(0.104, "0.1").contains("均值 0.104 mg/m³"),
        "{}",
        mean(0.104, "0.1")
    );
    let room = say(&near_with_headroom(28.49), Certainty::Plain);
    assert!(room.contains("不高于 28.4 mg/m³"), "{room}");
    assert_eq!(exceed_ratio(0.36), "0.36");
    assert_eq!(exceed_ratio(0.003), "0.003");
    assert_eq!(exceed_ratio(12.0), "12.00");
}

fn case_of(event: &Event) -> Case {
    let tags = plume_alert::case::Tags {
        enterprise: plume_schemas::ids::EnterpriseId::new("91330100MA27X0AB1C").unwrap(),
        district: String::new(),
        industry: String::new(),
        officer: String::new(),
        trial: false,
    };
    let patience = plume_alert::book::Patience {
        outcome_ms: 0,
        close_ms: 0,
    };
    plume_alert::book::apply(None, event, &tags, patience).unwrap().case
}

#[test]
fn whole_messages() {
    let words = Words::embedded().unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let place = Place {
        enterprise: "甲热电<有限>公司\r\nBcc: x".into(),
        outlet: "DA001（1号锅炉烟囱）".into(),
    };
    let warned = case_of(&near_with_headroom(28.4).from(1));
    let over = case_of(&exceed("20261121150500").window("20261121140000").from(2));
    let make = |case: &Case, purpose, lang| message(&words, case, purpose, "", &place, &catalogue, lang);
    let first = make(&warned, Purpose::First, Lang::Zh);
    assert!(!first.subject.contains(['\r', '\n']));
    assert!(!first.html.contains("<有限>"));
    let shown = [
        first.clone(),
        make(&warned, Purpose::Escalated, Lang::Zh),
        make(&over, Purpose::First, Lang::Zh),
        make(&over, Purpose::First, Lang::En),
        make(&warned, Purpose::Retracted, Lang::Zh),
    ];
    let mut text: Vec<String> = shown
        .iter()
        .map(|m| format!("{}\n---\n{}", m.subject, m.text))
        .collect();
    text.push(first.html.clone());
    let both = bundle(&[&first, &shown[2]], Lang::Zh);
    text.push(format!("{}\n---\n{}", both.subject, both.text));
    insta::assert_snapshot!(text.join("\n=====\n"));
    assert_eq!(warned.severity, Severity::Urgent);
}
