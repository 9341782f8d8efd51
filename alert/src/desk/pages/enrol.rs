//! 待建档设备: who sends and is in no registry; and 一键建档, which puts one there and takes its packets.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{EnterpriseId, FactorCode, Mn};
use plume_schemas::limits::{LimitRow, Limits, industry_zh};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow};
use plume_schemas::units::Quantity;
use serde::Deserialize;

use crate::desk::auth::{Signed, Visitor};
use crate::desk::enrol::{EnrolError, EnrolRefusal, Enrolment, WaitingDevice};
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::figures::Figure;
use crate::desk::view::number::when;
use crate::desk::view::sheet::{Sheet, Table, link, number, numbers, text, words};
use crate::words::Lang;

/// Letters of one field.
const FIELD_CHARS: usize = 80;
/// Enterprises offered while one types; the code of any other is written.
const OFFERED_ENTERPRISES: usize = 500;
/// The factor is not registered.
const LEFT_OUT: &str = "none";
/// The limit is the one written beside.
const PERMIT: &str = "permit";

/// What was done just before.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    #[serde(rename = "done")]
    mn: Option<Mn>,
    #[serde(default)]
    taken: u64,
    #[serde(default)]
    still: u64,
}

/// `GET /waiting`.
pub(crate) async fn list(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(done): Query<Done>,
) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let names = state.names(visitor.lang);
    let all = waiting(&state, t).await?;
    let rows = all.iter().map(|one| {
        let factors: Vec<String> = one.factors.iter().map(|code| names.factor(*code)).collect();
        vec![
            link(one.mn.to_string(), format!("/waiting/{}", one.mn)).class("mono"),
            text(one.edition.clone()),
            number(one.st.clone()),
            number(one.packets),
            text(when(one.first, now)),
            text(when(one.last, now)),
            text(cns(one)).class("mono"),
            text(factors.join(" ")),
            link(t.enrol, format!("/waiting/{}", one.mn)),
        ]
    });
    let sheet = Sheet {
        crumbs: vec![Link {
            href: "/registry".to_owned(),
            word: t.registry.to_owned(),
        }],
        title: t.enrol_waiting.to_owned(),
        about: match done.mn {
            Some(mn) => put(t.enrol_done, &[&mn, &done.taken, &done.still]),
            None => t.enrol_waiting_about.to_owned(),
        },
        figures: vec![Figure {
            value: all.len().to_string(),
            unit: String::new(),
            label: t.devices.to_owned(),
            note: String::new(),
            first: false,
            ends: None,
        }],
        tables: vec![Table {
            title: t.enrol_waiting.to_owned(),
            heads: vec![
                words("MN"),
                words(t.enrol_edition),
                numbers("ST"),
                numbers(t.enrol_packets),
                words(t.enrol_first),
                words(t.last_heard),
                words("CN"),
                words(t.factors),
                words(t.enrol),
            ],
            rows: rows.collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// Packets of each kind, `2011×3 2051×1`.
fn cns(one: &WaitingDevice) -> String {
    let cns = one.cns.iter().map(|(cn, count)| format!("{cn}×{count}"));
    cns.collect::<Vec<_>>().join(" ")
}

async fn waiting(state: &DeskState, t: &'static Texts) -> Result<Vec<WaitingDevice>, Problem> {
    state.waiting_devices().await.map_err(|error| {
        tracing::warn!(%error, hint = error.hint(), "waiting devices cannot be listed");
        Problem::Refused(why_not(&error, t))
    })
}

/// One of those that wait.
async fn found(state: &DeskState, mn: &str, t: &'static Texts) -> Result<WaitingDevice, Problem> {
    let mn = Mn::new(mn).map_err(|_| Problem::NotFound)?;
    let all = waiting(state, t).await?;
    all.into_iter().find(|one| one.mn == mn).ok_or(Problem::NotFound)
}

/// Why there is no list or no registration, in words.
fn why_not(error: &EnrolError, t: &'static Texts) -> String {
    match error {
        EnrolError::Refused(EnrolRefusal::Standby) => t.registry_standby.to_owned(),
        EnrolError::Refused(EnrolRefusal::Refused(detail)) => put(t.enrol_refused, &[detail]),
        EnrolError::Nobody | EnrolError::Late { .. } | EnrolError::Store(_) => t.registry_failed.to_owned(),
    }
}

struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    hint: &'static str,
    required: bool,
}

/// What may be said of one factor.
struct FactorRow {
    code: FactorCode,
    name: String,
    unit: String,
    /// It may have a limit.
    judged: bool,
    options: Vec<Link>,
    chosen: String,
    value: String,
    o2: String,
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage {
    shell: Shell,
    action: String,
    said: Option<String>,
    facts: Vec<[String; 2]>,
    industries: Vec<Link>,
    industry: String,
    enterprises: Vec<Link>,
    fields: Vec<Field>,
    has_password: bool,
    keeps_password: bool,
    factors: Vec<FactorRow>,
    chars: usize,
}

/// Which industry's limits are offered.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    industry: String,
}

/// `GET /waiting/{mn}`.
pub(crate) async fn form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
    Query(Asked { industry }): Query<Asked>,
) -> Result<Response, Problem> {
    let one = found(&state, &mn, visitor.lang.texts()).await?;
    let values = BTreeMap::from([
        ("industry".to_owned(), industry),
        ("password".to_owned(), "keep".to_owned()),
    ]);
    page(&state, &visitor, &one, &values, None)
}

fn page(
    state: &DeskState,
    visitor: &Visitor,
    one: &WaitingDevice,
    values: &BTreeMap<String, String>,
    said: Option<String>,
) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let limits = Limits::embedded().map_err(|_| Problem::Failed)?;
    let value = |name: &str| values.get(name).cloned().unwrap_or_default();
    let industry = value("industry");
    let option = |code: &str, word: String| Link {
        href: code.to_owned(),
        word,
    };
    let named = limits
        .industries()
        .into_iter()
        .map(|code| option(code, lang.pick(industry_zh(code), &code.replace('_', " ")).to_owned()));
    let index = state.desk().registry();
    let enterprises = index.registry().enterprises.iter().take(OFFERED_ENTERPRISES);
    html(&EnrolPage {
        shell: Shell::new(visitor, put(t.enrol_one, &[&one.mn])),
        action: format!("/waiting/{}", one.mn),
        said,
        facts: facts(state, one, t),
        industries: std::iter::once(option("", t.enrol_no_industry.to_owned()))
            .chain(named)
            .collect(),
        enterprises: enterprises
            .map(|row| option(row.id.as_str(), row.name.clone()))
            .collect(),
        fields: fields(t, value),
        has_password: one.has_password,
        keeps_password: value("password") == "keep",
        factors: one
            .factors
            .iter()
            .map(|&code| factor_row(state, (code, lang), &limits, &industry, values))
            .collect(),
        industry,
        chars: FIELD_CHARS,
    })
}

fn facts(state: &DeskState, one: &WaitingDevice, t: &'static Texts) -> Vec<[String; 2]> {
    let now = state.now();
    let fact = |name: &str, value: String| [name.to_owned(), value];
    let minutes = one.minute_interval_min.map(|minutes| format!("{minutes} min"));
    let seconds = one.realtime_interval_s.map(|seconds| format!("{seconds} s"));
    let intervals: Vec<String> = minutes.into_iter().chain(seconds).collect();
    vec![
        fact("MN", one.mn.to_string()),
        fact(t.enrol_edition, format!("{} · ST={}", one.edition, one.st)),
        fact(t.enrol_packets, format!("{} · {}", one.packets, cns(one))),
        fact(t.enrol_first, when(one.first, now)),
        fact(t.last_heard, when(one.last, now)),
        fact(t.enrol_intervals, intervals.join(" · ")),
    ]
}

fn fields(t: &'static Texts, value: impl Fn(&str) -> String) -> Vec<Field> {
    let field = |name, label, hint, required| Field {
        name,
        label,
        value: value(name),
        hint,
        required,
    };
    vec![
        field("enterprise", t.credit_code, t.enrol_enterprise_hint, true),
        field("enterprise_name", t.enrol_enterprise_name, t.enrol_if_new, false),
        field("district", t.district, t.enrol_if_new, false),
        field("outlet", t.enrol_outlet, t.enrol_outlet_hint, true),
        field("outlet_name", t.enrol_outlet_name, t.enrol_if_new, false),
    ]
}

fn factor_row(
    state: &DeskState,
    (code, lang): (FactorCode, Lang),
    limits: &Limits,
    industry: &str,
    values: &BTreeMap<String, String>,
) -> FactorRow {
    let t = lang.texts();
    let value = |field: &str| values.get(&format!("{field}-{code}")).cloned().unwrap_or_default();
    let unit = state.desk().catalogue().unit(code);
    let judged = unit.is_some_and(|unit| unit.quantity() == Quantity::GasConcentration);
    let option = |code: &str, word: String| Link {
        href: code.to_owned(),
        word,
    };
    let mut options = vec![option("", t.enrol_no_limit.to_owned())];
    if judged {
        options.push(option(PERMIT, t.enrol_permit.to_owned()));
        options.extend(
            limits
                .find(industry, code)
                .map(|row| option(&row.id, offered(row, lang))),
        );
    }
    options.push(option(LEFT_OUT, t.enrol_left_out.to_owned()));
    FactorRow {
        code,
        name: state.names(lang).factor(code),
        unit: unit.map_or_else(String::new, |unit| unit.to_string()),
        judged,
        options,
        chosen: value("limit"),
        value: value("value"),
        o2: value("o2"),
    }
}

/// A row of the catalogue, with how sure it is: most are from memory, and a permit goes before them.
fn offered(row: &LimitRow, lang: Lang) -> String {
    let values = [LimitWindow::Hour, LimitWindow::Day].into_iter().filter_map(|window| {
        let value = row.value(window)?;
        Some(format!("{} {value}", lang.pick(window.zh(), window.en())))
    });
    let values: Vec<String> = values.collect();
    let oxygen = row.reference_o2_pct.map(|o2| format!(" · O₂ {o2} %"));
    format!(
        "{} {} · {}{} · {} · {} · {}",
        row.id,
        row.clause(),
        values.join(" "),
        oxygen.unwrap_or_default(),
        row.class,
        row.applies,
        row.source_status
    )
}

/// `POST /waiting/{mn}`: registers it and takes its packets, or says what is wrong.
pub(crate) async fn register(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
    Signed(values): Signed<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let one = found(&state, &mn, t).await?;
    if values.values().any(|text| text.chars().count() > FIELD_CHARS) {
        return Err(Problem::BadRequest);
    }
    let again = |said: String| -> Result<Response, Problem> {
        let page = page(&state, &visitor, &one, &values, Some(said))?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let enrolment = match enrolment(&one, &values, t) {
        Ok(enrolment) => Enrolment {
            by: visitor.viewer.name.clone(),
            ..enrolment
        },
        Err(said) => return again(said),
    };
    match state.enrol(&visitor.viewer, enrolment).await {
        Ok((taken, still)) => {
            let to = format!("/waiting?done={}&taken={taken}&still={still}", one.mn);
            Ok(Redirect::to(&to).into_response())
        }
        Err(EnrolError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(mn = %one.mn, %error, hint = error.hint(), "a waiting device is not registered");
            again(why_not(&error, t))
        }
    }
}

/// What the form says, or what is wrong with it.
fn enrolment(one: &WaitingDevice, values: &BTreeMap<String, String>, t: &'static Texts) -> Result<Enrolment, String> {
    let limits = Limits::embedded().map_err(|error| error.to_string())?;
    let value = |name: &str| values.get(name).map_or("", |text| text.trim());
    let enterprise = EnterpriseId::new(value("enterprise"));
    let enterprise = enterprise.map_err(|error| put(t.enrol_refused, &[&error]))?;
    let mut factors = Vec::new();
    for &code in &one.factors {
        let of = |field: &str| value(&format!("{field}-{code}"));
        factors.extend(setup(code, [of("limit"), of("value"), of("o2")], &limits, t)?);
    }
    Ok(Enrolment {
        mn: one.mn,
        enterprise,
        enterprise_name: value("enterprise_name").to_owned(),
        district: value("district").to_owned(),
        industry: value("industry").to_owned(),
        outlet: value("outlet").to_owned(),
        outlet_name: value("outlet_name").to_owned(),
        keep_password: value("password") == "keep",
        factors,
        by: String::new(),
    })
}

/// A factor with its limits, as chosen; nothing where it is left out.
fn setup(
    code: FactorCode,
    [chosen, value, o2]: [&str; 3],
    limits: &Limits,
    t: &'static Texts,
) -> Result<Option<FactorSetup>, String> {
    let wrong = || put(t.enrol_limit_wrong, &[&code]);
    let number = |text: &str| Decimal::parse(text.as_bytes()).ok_or_else(wrong);
    let limit = |window, value, source: &str, clause: String| Limit {
        window,
        value,
        basis: LimitBasis::Concentration,
        source: source.to_owned(),
        clause,
        valid_from: None,
        valid_to: None,
    };
    let (rows, reference_o2_pct) = match chosen {
        LEFT_OUT => return Ok(None),
        "" => (Vec::new(), None),
        PERMIT => {
            let clause = Lang::Zh.texts().code_permit.to_owned();
            let row = limit(LimitWindow::Hour, number(value)?, PERMIT, clause);
            (vec![row], (!o2.is_empty()).then(|| number(o2)).transpose()?)
        }
        id => {
            let row = limits.get(id).filter(|row| row.factor == code).ok_or_else(wrong)?;
            let windows = LimitWindow::ALL.iter().filter_map(|&window| {
                let value = row.value(window)?;
                Some(limit(window, value, &row.id, row.clause()))
            });
            (windows.collect(), row.reference_o2_pct)
        }
    };
    Ok(Some(FactorSetup {
        code,
        unit: None,
        range_low: None,
        range_high: None,
        reference_o2_pct,
        cycle_min: None,
        limits: rows,
    }))
}
