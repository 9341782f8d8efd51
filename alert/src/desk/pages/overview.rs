//! 辖区概况, 数采仪与监测设备, 判定规则: what there is, district by district, device by device, rule by rule.

use axum::extract::State;
use axum::response::Response;
use plume_schemas::ids::EnterpriseId;
use plume_schemas::registry::{Enterprise, Outlet};
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::DAY_MS;

use crate::accounts::Action;
use crate::case::{Family, Outcome, State as CaseState};
use crate::desk::auth::Visitor;
use crate::desk::problem::Problem;
use crate::desk::pulse::Life;
use crate::desk::state::DeskState;
use crate::desk::text::Speaks;
use crate::desk::view::number::when;
use crate::desk::view::sheet::{Cell, Sheet, Table, link, number, numbers, text, words};
use crate::store::CaseFilter;

/// Days that the effect of a rule is counted over.
const EFFECT_DAYS: i64 = 30;

/// `GET /overview`.
pub(crate) async fn overview(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let registry = state.desk().registry();
    let of = |district: &str| -> Vec<&Enterprise> {
        let all = registry.registry().enterprises.iter();
        all.filter(|enterprise| enterprise.district == district).collect()
    };
    let mut rows = Vec::new();
    for district in state.districts(&visitor.viewer) {
        let enterprises = of(&district);
        let ids: Vec<EnterpriseId> = enterprises.iter().map(|enterprise| enterprise.id).collect();
        let outlets = registry
            .registry()
            .outlets
            .iter()
            .filter(|outlet| ids.contains(&outlet.enterprise))
            .count();
        let mut row = vec![
            link(
                district.clone(),
                format!("/?district={}", super::filter::encode(&district)),
            ),
            number(enterprises.len()),
            number(outlets),
        ];
        for families in [
            vec![Family::Near],
            vec![Family::Exceed],
            vec![Family::Quality, Family::Offline],
        ] {
            let filter = CaseFilter {
                states: vec![CaseState::Open],
                families,
                district: Some(district.clone()),
                ..CaseFilter::default()
            };
            row.push(counted(state.count(&visitor.viewer, &filter).await?, "near"));
        }
        let overdue = CaseFilter {
            overdue_at: Some(state.now()),
            district: Some(district),
            ..CaseFilter::default()
        };
        row.push(counted(state.count(&visitor.viewer, &overdue).await?, "over"));
        rows.push(row);
    }
    let sheet = Sheet {
        title: t.overview.to_owned(),
        tables: vec![Table {
            title: t.by_district.to_owned(),
            note: t.open_now.to_owned(),
            heads: vec![
                words(t.district),
                numbers(t.enterprises),
                numbers(t.outlets),
                numbers(t.about_to_exceed),
                numbers(t.exceeding),
                numbers(t.data_trouble),
                numbers(t.overdue),
            ],
            rows,
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// A count that is grey where it is nothing.
fn counted(n: u64, class: &'static str) -> Cell {
    let cell = number(n);
    match (n, class) {
        (0, _) => cell.class("num quiet"),
        (_, "over") => cell.class("num over"),
        _ => cell.class("num near"),
    }
}

/// `GET /devices`.
pub(crate) async fn devices(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let names = state.names(visitor.lang);
    let registry = state.desk().registry();
    let mut rows: Vec<(Life, Vec<Cell>)> = Vec::new();
    for source in &registry.registry().sources {
        if !source.validity().covers(now) || !state.sees(&visitor.viewer, source.outlet) {
            continue;
        }
        let (life, heard) = state.life_of(source);
        let (word, class) = match life {
            Life::Online => (t.online, "good"),
            Life::Late => (t.late, "near"),
            Life::Offline => (t.offline, "over"),
        };
        let enterprise = registry.outlet(source.outlet).map(|outlet: &Outlet| outlet.enterprise);
        rows.push((
            life,
            vec![
                link(source.mn.to_string(), format!("/devices/{}", source.mn)).class("mono"),
                text(word).class(class),
                text(heard.map_or_else(|| t.dash.to_owned(), |at| when(at, now))),
                text(enterprise.map_or_else(String::new, |id| names.enterprise(id))),
                link(
                    names.outlet(source.outlet).full(),
                    format!("/outlets/{}", source.outlet),
                ),
                number(source.minute_interval_min.unwrap_or(1)),
            ],
        ));
    }
    rows.sort_by_key(|(life, _)| *life);
    let sheet = Sheet {
        title: t.devices_page.to_owned(),
        tables: vec![Table {
            title: t.devices.to_owned(),
            note: String::new(),
            heads: vec![
                words("MN"),
                words(t.state),
                words(t.last_heard),
                words(t.enterprise),
                words(t.outlet),
                numbers(t.interval_min),
            ],
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// `GET /rules`.
pub(crate) async fn rules(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let since = state.now().plus(-EFFECT_DAYS * DAY_MS);
    let leads = visitor.viewer.may(Action::ViewLeads);
    let mut rows = Vec::new();
    for &rule in RuleCode::ALL
        .iter()
        .filter(|rule| leads || rule.stream() != Stream::Lead)
    {
        let filter = CaseFilter {
            rule: Some(rule),
            opened_from: Some(since),
            ..CaseFilter::default()
        };
        let all = state.count(&visitor.viewer, &filter).await?;
        let with = async |change: fn(&mut CaseFilter)| {
            let mut filter = filter.clone();
            change(&mut filter);
            state.count(&visitor.viewer, &filter).await
        };
        let family = Family::of(rule);
        rows.push(vec![
            text(rule.code()).class("mono"),
            text(lang.pick(rule.zh(), rule.en())),
            text(lang.pick(family.zh(), family.en())).class("quiet"),
            text(lang.pick(rule.order().zh(), rule.order().en())).class("quiet"),
            number(all),
            number(with(|filter| filter.severity_min = Some(Severity::Urgent)).await?),
            number(with(|filter| filter.outcome = Some(Outcome::Complied)).await?),
            number(with(|filter| filter.outcome = Some(Outcome::FalseAlarm)).await?),
        ]);
    }
    let sheet = Sheet {
        title: t.rules.to_owned(),
        about: t.rules_about.to_owned(),
        tables: vec![Table {
            title: t.rules.to_owned(),
            note: t.last_30_days.to_owned(),
            heads: vec![
                words(t.code),
                words(t.name),
                words(t.kind),
                words(t.order),
                numbers(t.alerts),
                numbers(t.urgent_or_graver),
                numbers(t.outcome_complied),
                numbers(t.outcome_false),
            ],
            rows,
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}
