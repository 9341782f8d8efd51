//! 通报 and 温馨提示: the counts a bureau publishes as of a date, by district, on one page to print; and the reminders
//! of the three kinds in one list.

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use axum::response::Response;
use plume_schemas::ids::EnterpriseId;
use plume_schemas::time::{DAY_MS, Time};
use serde::Deserialize;

use super::numbers::{median, percent_of, sample};
use crate::accounts::{Role, Scope};
use crate::case::{Family, Outcome, State as CaseState};
use crate::desk::auth::Visitor;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::case::{Link, Making};
use crate::desk::view::number::{fixed, lasting_text, stamp, when};
use crate::desk::view::sheet::{Cell, Choice, Sheet, Table, link, number, numbers, text, words};
use crate::remind::Kind;
use crate::store::{CaseFilter, CaseRow, MAX_PAGE_ROWS, Order, Page, ProblemFilter, ReminderRow};
use crate::users::UserState;

/// Acknowledged within this time is in time.
const IN_TIME_MS: i64 = super::numbers::IN_TIME_MS;

/// Over which span.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SpanQuery {
    days: Option<i64>,
}

/// What the rows of the page are counted from.
struct Counted {
    cases: Vec<CaseRow>,
    reminders: Vec<ReminderRow>,
    registered: BTreeSet<EnterpriseId>,
    since: Time,
}

/// `GET /bulletin`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let days = query.days.filter(|days| [7, 30, 90].contains(days)).unwrap_or(30);
    let since = now.plus(-days * DAY_MS);
    let users = state.store().users().await?;
    let active = users
        .iter()
        .filter(|user| user.state == UserState::Active && user.role == Role::Enterprise);
    let counted = Counted {
        cases: sample(&state, &visitor, since).await?,
        reminders: state.store().reminders(&visitor.viewer).await?,
        registered: active
            .filter_map(|user| match &user.scope {
                Scope::Enterprise(id) => Some(*id),
                _ => None,
            })
            .collect(),
        since,
    };
    let mut rows = Vec::new();
    for district in state.districts(&visitor.viewer) {
        rows.push(row(&state, &visitor, &counted, Some(&district)).await?);
    }
    rows.push(row(&state, &visitor, &counted, None).await?);
    let heads = [
        t.enterprises,
        t.registered,
        t.coverage_pct,
        t.told_data,
        t.told_permit,
        t.told_publicity,
        t.problems_found,
        t.problems_passed,
        t.rate_pct,
        t.in_time_pct,
        t.handling_time,
        t.complied_pct,
    ];
    let choices = [(7, t.seven_days), (30, t.thirty_days), (90, t.ninety_days)];
    let sheet = Sheet {
        title: t.bulletin.to_owned(),
        about: put(t.bulletin_about, &[&stamp(since), &stamp(now)]),
        choices: choices
            .into_iter()
            .map(|(choice, word)| Choice {
                link: Link {
                    href: format!("/bulletin?days={choice}"),
                    word: word.to_owned(),
                },
                here: choice == days,
            })
            .collect(),
        tables: vec![Table {
            title: t.by_district.to_owned(),
            note: t.bulletin_note.to_owned(),
            heads: std::iter::once(words(t.district)).chain(heads.map(numbers)).collect(),
            rows,
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// One district, or all that the visitor sees.
async fn row(
    state: &DeskState,
    visitor: &Visitor,
    counted: &Counted,
    district: Option<&str>,
) -> Result<Vec<Cell>, Problem> {
    let t = visitor.lang.texts();
    let registry = state.desk().registry();
    let mine = state.districts(&visitor.viewer);
    let within = |own: &str| district.map_or_else(|| mine.iter().any(|known| known == own), |wanted| wanted == own);
    let enterprises = registry
        .registry()
        .enterprises
        .iter()
        .filter(|known| within(&known.district));
    let all: BTreeSet<EnterpriseId> = enterprises.map(|known| known.id).collect();
    let registered = counted.registered.intersection(&all).count();
    let cases: Vec<&CaseRow> = counted
        .cases
        .iter()
        .filter(|case| within(&case.tags.district))
        .collect();
    let told = |families: &[Family]| {
        let of = cases.iter().filter(|case| families.contains(&case.family));
        of.map(|case| case.tags.enterprise).collect::<BTreeSet<_>>().len()
    };
    let reminded = |kind: Kind| {
        let of = counted
            .reminders
            .iter()
            .filter(|row| row.reminder.kind == kind && row.created_at >= counted.since);
        let of = of.filter(|row| within(&row.reminder.district));
        of.map(|row| row.reminder.enterprise).collect::<BTreeSet<_>>().len()
    };
    let filter = ProblemFilter {
        district: district.map(str::to_owned),
        ..ProblemFilter::default()
    };
    let problems = state
        .store()
        .rectification(&visitor.viewer, &filter, state.now())
        .await?;
    let Worked {
        in_time,
        handled,
        complied,
        decided,
    } = worked(&cases);
    let share = |part, of| number(percent_of(part, of).unwrap_or_else(|| t.dash.to_owned()));
    Ok(vec![
        text(district.unwrap_or(t.all)),
        number(all.len()),
        number(registered),
        share(registered, all.len()),
        number(told(&[Family::Near, Family::Exceed, Family::Frequency])),
        number(reminded(Kind::Permit)),
        number(reminded(Kind::Publicity)),
        number(problems.found),
        number(problems.passed),
        number(
            problems
                .rate_pct()
                .map_or_else(|| t.dash.to_owned(), |pct| fixed(pct, 1)),
        ),
        share(in_time, cases.len()),
        number(handled.map_or_else(|| t.dash.to_owned(), |ms| lasting_text(ms, t))),
        share(complied, decided),
    ])
}

/// How well it went.
struct Worked {
    in_time: usize,
    handled: Option<i64>,
    complied: usize,
    decided: usize,
}

fn worked(cases: &[&CaseRow]) -> Worked {
    let waits = cases
        .iter()
        .filter_map(|case| Some(case.acknowledged.as_ref()?.at.since(case.opened_at)));
    let in_time = waits.filter(|&ms| ms <= IN_TIME_MS).count();
    let closed = cases.iter().filter(|case| case.state == CaseState::Closed);
    let handled = median(
        closed
            .filter_map(|case| Some(case.closed_at?.since(case.opened_at)))
            .collect(),
    );
    let with = |outcome| cases.iter().filter(|case| case.outcome == Some(outcome)).count();
    let complied = with(Outcome::Complied) + with(Outcome::FellBack);
    let decided = complied + with(Outcome::Exceeded);
    Worked {
        in_time,
        handled,
        complied,
        decided,
    }
}

/// `GET /reminders`: 温馨提示, the three kinds in one list; each says what to do.
pub(crate) async fn reminders(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let (t, lang, now) = (visitor.lang.texts(), visitor.lang, state.now());
    let names = state.names(lang);
    let making = Making {
        visitor: &visitor,
        names: &names,
        now,
    };
    let filter = CaseFilter {
        states: vec![CaseState::Open],
        families: vec![Family::Frequency, Family::Near, Family::Exceed],
        ..CaseFilter::default()
    };
    let page = Page {
        order: Order::Latest,
        offset: 0,
        limit: MAX_PAGE_ROWS,
    };
    let cases = state.store().cases(&visitor.viewer, &filter, page).await?.rows;
    let mut rows: Vec<(Time, Vec<Cell>)> = Vec::new();
    for case in &cases {
        rows.push((
            case.opened_at,
            vec![
                text(when(case.opened_at, now)),
                text(t.told_data),
                text(names.enterprise(case.tags.enterprise)),
                link(making.title(case), making.href(case)),
                text(state.sentence(case, lang)),
            ],
        ));
    }
    for row in state.store().reminders(&visitor.viewer).await? {
        let reminder = &row.reminder;
        rows.push((
            row.created_at,
            vec![
                text(when(row.created_at, now)),
                text(lang.pick(reminder.kind.zh(), reminder.kind.en())),
                text(names.enterprise(reminder.enterprise)),
                text(reminder.subject.clone()),
                text(lang.pick(&reminder.text.0, &reminder.text.1)),
            ],
        ));
    }
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let sheet = Sheet {
        title: t.reminders.to_owned(),
        about: t.reminders_about.to_owned(),
        tables: vec![Table {
            title: t.reminders.to_owned(),
            note: String::new(),
            heads: [t.time, t.kind, t.enterprise, t.what, t.text].map(words).into(),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}
