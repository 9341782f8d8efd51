//! `plume chart --checks`: zero and span checks from a sheet, judged one by one and drawn.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_detect::Lang;
use plume_detect::chart::Side;
use plume_detect::chart::checks::{Checked, Point, parse};
use plume_detect::chart::control::{Federal, FederalControl, Grade, Limits, Standing};
use plume_detect::chart::draw::{Limit, Line, Mark, MarkKind, Panel, Picture, Style};
use plume_detect::chart::instrument::{Assessed, Instrument, assess};
use plume_detect::chart::qal3::Finding;
use plume_detect::chart::slope::DaysLeft;
use plume_schemas::time::{HOUR_MS, Span, Time};
use serde_json::{Value, json};

use super::drawing;
use crate::cli::chart::{ChartArgs, Kind, Standard};
use crate::out;

/// Judges, prints and draws the checks of a sheet.
pub(crate) fn run(args: &ChartArgs, sheet: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(sheet).with_context(|| format!("read the checks of {}", sheet.display()))?;
    let name = sheet.display().to_string();
    let checks = parse(&name, &text).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{error}\n  hint: {}", error.hint()))
            .collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    let ours = |check: &Checked| check.outlet == args.outlet && check.factor == args.factor;
    let checks: Vec<Checked> = checks.into_iter().filter(ours).collect();
    let Some(full_scale) = args.full_scale.filter(|_| !checks.is_empty()) else {
        bail!(
            "{name} 中没有 {} {} 的零点或跨度检查 / holds no check of it",
            args.outlet,
            args.factor
        );
    };
    let instrument = Instrument {
        full_scale,
        sd: args.sd_pct.map(|sd| sd * full_scale / 100.0),
        limits: limits(args.kind),
    };
    let lang = if args.lang == "en" { Lang::En } else { Lang::Zh };
    let within = |one: &Assessed| {
        args.from.is_none_or(|from| one.check.at >= from) && args.to.is_none_or(|to| one.check.at < to)
    };
    let judged = federal(args, assess(&instrument, &checks));
    let judged: Vec<(Assessed, Beside)> = judged.into_iter().filter(|(one, _)| within(one)).collect();
    for (one, beside) in &judged {
        if args.json {
            out::line(row(one, *beside));
        } else {
            out::line(words(one, lang) + &beside_words(*beside, lang));
        }
    }
    let assessed: Vec<Assessed> = judged.into_iter().map(|(one, _)| one).collect();
    if !args.json {
        let path = args.out.clone().unwrap_or_else(|| PathBuf::from("checks.svg"));
        let title = format!("{} · {}", args.outlet, args.factor);
        let svg = picture(&instrument, &assessed, title, lang).svg();
        drawing::write(&path, &svg)?;
        out::line(path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the American rule says, where one is asked: which, and since when it is out of control.
type Beside = Option<(&'static str, Option<Time>)>;

/// Asks the American rule of each check, zero and span apart; the analyser is out where either is.
fn federal(args: &ChartArgs, assessed: Vec<Assessed>) -> Vec<(Assessed, Beside)> {
    let (rule, name) = match args.standard {
        Standard::Hj75 => return assessed.into_iter().map(|one| (one, None)).collect(),
        Standard::Cfr60 => (Federal::Part60, "40 CFR 60"),
        Standard::Cfr75 => (Federal::Part75, "40 CFR 75"),
    };
    let mut points = [FederalControl::new(rule, args.spec_pct); 2];
    let mut out_since = [None; 2];
    let mut judge = |one: &Assessed| {
        let place = usize::from(one.check.point == Point::Span);
        let full_scale = args.full_scale.unwrap_or(1.0);
        let (point, since) = (&mut points[place], &mut out_since[place]);
        *since = point.check(one.check.at, one.drift_pct);
        // What it shows after an adjustment is the check that may end it.
        if let (true, Some(after)) = (one.check.adjusted, one.check.after) {
            *since = point.check(one.check.at, (after - one.check.gas) / full_scale * 100.0);
        }
        let both: [Option<Time>; 2] = out_since;
        Some((name, both.into_iter().flatten().min()))
    };
    let judged = assessed.into_iter().map(|one| {
        let beside = judge(&one);
        (one, beside)
    });
    judged.collect()
}

fn beside_words(beside: Beside, lang: Lang) -> String {
    let (zh, en) = match beside {
        None => return String::new(),
        Some((rule, None)) => (format!(" | {rule}: 受控"), format!(" | {rule}: in control")),
        Some((rule, Some(since))) => (
            format!(" | {rule}: 失控 自 {}", moment(since)),
            format!(" | {rule}: out of control since {}", moment(since)),
        ),
    };
    if lang == Lang::Zh { zh } else { en }
}

fn limits(kind: Kind) -> Limits {
    match kind {
        Kind::GasAuto => Limits::GAS_AUTO,
        Kind::GasExtractive => Limits::GAS_EXTRACTIVE_MANUAL,
        Kind::GasDirect => Limits::GAS_DIRECT_MANUAL,
        Kind::PmAuto => Limits::PM_AUTO,
        Kind::PmManual => Limits::PM_MANUAL,
    }
}

fn moment(at: Time) -> String {
    format!("{} {}", at.date(), at.hour_minute())
}

/// Code, Chinese and English of a QAL3 finding.
fn finding(found: Finding) -> (&'static str, &'static str, &'static str) {
    match found {
        Finding::Fine => ("fine", "正常", "in control"),
        Finding::PrecisionLost { .. } => ("precision_lost", "精密度丧失", "precision lost"),
        Finding::Drifted { side: Side::High, .. } => ("drifted_high", "向上漂移", "drifted up"),
        Finding::Drifted { side: Side::Low, .. } => ("drifted_low", "向下漂移", "drifted down"),
    }
}

fn standing(standing: Standing) -> (&'static str, &'static str, &'static str) {
    match standing {
        Standing::Unknown => ("unknown", "未知", "unknown"),
        Standing::InControl => ("in_control", "受控", "in control"),
        Standing::Recalibrate => ("recalibrate", "需校准", "recalibrate"),
        Standing::OutOfControl(_) => ("out_of_control", "失控", "out of control"),
    }
}

fn words(one: &Assessed, lang: Lang) -> String {
    let pick = |(_, zh, en): (&'static str, &'static str, &'static str)| match lang {
        Lang::Zh => zh,
        Lang::En => en,
    };
    let point = pick(("", one.check.point.zh(), one.check.point.code()));
    let drift = pick(("", "漂移", "drift"));
    let state = match one.standing {
        Standing::OutOfControl(since) => {
            format!(
                "{} {} {}",
                pick(standing(one.standing)),
                pick(("", "自", "since")),
                moment(since)
            )
        }
        other => pick(standing(other)).to_owned(),
    };
    let charted = one.charts.map_or_else(
        || pick(("", "未判定（未给出 --sd-pct）", "not judged (no --sd-pct)")).to_owned(),
        |charts| {
            let beyond =
                |name, (value, beyond): (f64, bool)| format!("{name} {value:+.2}{}", if beyond { "!" } else { "" });
            let (shewhart, ewma) = (beyond("Shewhart", charts.shewhart), beyond("EWMA", charts.ewma));
            format!("{} · {shewhart} · {ewma}", pick(finding(charts.qal3)))
        },
    );
    let left = match one.days_left {
        DaysLeft::Passed => pick(("", "已超限", "passed")).to_owned(),
        DaysLeft::Days(days) => format!("{days:.1} {}", pick(("", "天", "days"))),
        DaysLeft::Undetermined => pick(("", "未判定", "not determined")).to_owned(),
    };
    let left_word = pick(("", "距限值", "until the limit"));
    let warns = if one.warns {
        pick(("", "  【预警】", "  [WARNING]"))
    } else {
        ""
    };
    let at = moment(one.check.at);
    format!(
        "{at} {point} {drift} {:+.2}% FS | HJ 75: {state} | QAL3: {charted} | {left_word}: {left}{warns}",
        one.drift_pct
    )
}

fn row(one: &Assessed, beside: Beside) -> Value {
    let (days_left, left) = match one.days_left {
        DaysLeft::Passed => (Some(0.0), "passed"),
        DaysLeft::Days(days) => (Some(days), "days"),
        DaysLeft::Undetermined => (None, "undetermined"),
    };
    let since = match one.standing {
        Standing::OutOfControl(since) => Some(since.to_string()),
        _ => None,
    };
    json!({
        "line": one.check.line,
        "at": one.check.at.to_string(),
        "point": one.check.point.code(),
        "drift_pct": one.drift_pct,
        "adjusted": one.check.adjusted,
        "grade": match one.grade { Grade::Good => "good", Grade::Poor => "poor", Grade::Out => "out" },
        "standing": standing(one.standing).0,
        "out_since": since,
        "invalid_from": one.invalid.map(|span| span.start.to_string()),
        "invalid_to": one.invalid.map(|span| span.end.to_string()),
        "qal3": one.charts.map(|charts| finding(charts.qal3).0),
        "shewhart_sd": one.charts.map(|charts| charts.shewhart.0),
        "shewhart_action": one.charts.map(|charts| charts.shewhart.1),
        "ewma_sd": one.charts.map(|charts| charts.ewma.0),
        "ewma_signal": one.charts.map(|charts| charts.ewma.1),
        "slope_pct_per_day": one.slope.map(|slope| slope.per_day),
        "left": left,
        "days_left": days_left,
        "ramp_pct_per_day": one.ramp.map(|ramp| ramp.per_day),
        "ramp_since_days": one.ramp.map(|ramp| ramp.since_days),
        "warns": one.warns,
        "standard": beside.map(|(rule, _)| rule),
        "standard_out_since": beside.and_then(|(_, since)| since).map(|since| since.to_string()),
    })
}

fn picture(instrument: &Instrument, assessed: &[Assessed], title: String, lang: Lang) -> Picture {
    let pick = |zh: &'static str, en: &'static str| if lang == Lang::Zh { zh } else { en };
    let pct = |value: f64| value / instrument.full_scale * 100.0;
    let panel = |point: Point, required: f64, out: f64| {
        let of = || assessed.iter().filter(move |one| one.check.point == point);
        let after = |one: &Assessed| one.check.after.filter(|_| one.check.adjusted);
        let both = |name: &str, value: f64| {
            [value, -value].map(|value| Limit {
                name: format!("{name} {value:+.1}%"),
                value,
            })
        };
        let (required, out) = (both(pick("要求", "required"), required), both(pick("失控", "out"), out));
        Panel {
            title: format!("{} (% FS)", if lang == Lang::Zh { point.zh() } else { point.code() }),
            height: 160.0,
            lines: vec![
                Line {
                    name: pick("校准前漂移", "as found").to_owned(),
                    style: Style::Dots,
                    points: of().map(|one| (one.check.at, Some(one.drift_pct))).collect(),
                },
                Line {
                    name: pick("调整后", "adjusted").to_owned(),
                    style: Style::Squares,
                    points: of()
                        .map(|one| (one.check.at, after(one).map(|shown| pct(shown - one.check.gas))))
                        .collect(),
                },
            ],
            limits: required.into_iter().chain(out).collect(),
        }
    };
    let ([zero, span], [zero_out, span_out]) = (instrument.limits.required_pct, instrument.limits.out_pct);
    let signalled = |one: &&Assessed| one.warns || one.charts.is_some_and(|charts| charts.qal3 != Finding::Fine);
    let (first, last) = (assessed.first(), assessed.last());
    let at = |one: Option<&Assessed>| one.map_or(Time(0), |one| one.check.at);
    Picture {
        title,
        words: last.map_or_else(String::new, |one| words(one, lang)),
        span: Span {
            start: at(first),
            end: at(last).plus(HOUR_MS),
        },
        panels: vec![panel(Point::Zero, zero, zero_out), panel(Point::Span, span, span_out)],
        marks: assessed
            .iter()
            .filter(signalled)
            .map(|one| Mark {
                at: one.check.at,
                kind: MarkKind::Signal,
                text: words(one, lang),
            })
            .collect(),
    }
}
