//! The checks of one analyser as the pages show them: rows in words, and charts of drift, QAL3's sums and EWMA with
//! their limits, the points of signal and the days left. Everything comes from the evidence of the judgements.

use plume_alert::desk::CheckedRow;
use plume_detect::Lang;
use plume_detect::chart::draw::{Limit, Line, Mark, MarkKind, Panel, Picture, Style};
use plume_detect::chart::qal3::Qal3;
use plume_schemas::check::CheckPoint;
use plume_schemas::judgement::FactKey;
use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};
use serde_json::Value;

/// A check with what was said of it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// When it was made.
    pub(super) at: Time,
    /// `fine`, `breach`, `not_judged`.
    pub(super) verdict: String,
    /// The evidence.
    pub(super) facts: Value,
    /// Where it was said in the log: partition, offset.
    pub(super) said: (i64, i64),
}

/// A word in both languages.
fn pick(lang: Lang, zh: &'static str, en: &'static str) -> &'static str {
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

impl Judged {
    fn number(&self, key: FactKey) -> Option<f64> {
        self.facts.get(key.code())?.as_f64()
    }

    fn word(&self, key: FactKey) -> &str {
        self.facts.get(key.code()).and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, point: CheckPoint) -> bool {
        self.word(FactKey::Point) == point.code()
    }

    /// It wants something done, or QAL3 signals.
    fn signals(&self) -> bool {
        self.is_over() || !matches!(self.word(FactKey::Qal3), "" | "fine")
    }

    fn is_over(&self) -> bool {
        self.verdict == "breach"
    }

    fn standing(&self, lang: Lang) -> String {
        // As written in the evidence: 2026-11-21T08:30:00.000+08:00.
        let since = self
            .word(FactKey::Since)
            .get(..16)
            .unwrap_or_default()
            .replace('T', " ");
        match self.word(FactKey::Standing) {
            "out_of_control" => format!("{} {since}", pick(lang, "失控，数据无效，自", "out of control since")),
            "recalibrate" => pick(lang, "需校准", "to be recalibrated").to_owned(),
            "in_control" if !since.is_empty() => {
                format!(
                    "{} {since}",
                    pick(
                        lang,
                        "恢复受控；此前数据无效，自",
                        "in control again; no data count from"
                    )
                )
            }
            "in_control" => pick(lang, "受控", "in control").to_owned(),
            _ => pick(lang, "未判定：未登记量程", "not judged: no measuring range registered").to_owned(),
        }
    }

    fn finding(&self, lang: Lang) -> String {
        let word = match self.word(FactKey::Qal3) {
            "fine" => pick(lang, "正常", "in control"),
            "precision_lost" => pick(lang, "精密度丧失，请检修", "precision lost: a defect"),
            "drifted_up" => pick(lang, "向上漂移，建议校准", "drifted up: recalibrate"),
            "drifted_down" => pick(lang, "向下漂移，建议校准", "drifted down: recalibrate"),
            _ => pick(lang, "未判定", "not judged"),
        };
        match self.number(FactKey::AdjustBy) {
            Some(by) => format!("{word}{}{by:+.2}", pick(lang, "，建议调整 ", ", adjust by ")),
            None => word.to_owned(),
        }
    }

    /// Days until the drift that is required, or that nothing can be said.
    fn left(&self, lang: Lang) -> String {
        match self.number(FactKey::Days) {
            Some(days) if days <= 0.0 => pick(lang, "已超出", "passed").to_owned(),
            Some(days) if days < 1_000.0 => format!("{days:.1} {}", pick(lang, "天", "days")),
            Some(_) => pick(lang, "1000 天以上", "over 1000 days").to_owned(),
            None => pick(lang, "未判定", "not determined").to_owned(),
        }
    }

    /// As a row of the page.
    pub(super) fn row(&self, lang: Lang) -> CheckedRow {
        let point = CheckPoint::from_code(self.word(FactKey::Point));
        let source = match self.word(FactKey::ValueSource) {
            "check_device" => pick(lang, "设备上报", "device"),
            "check_polled" => pick(lang, "寄存器轮询", "registers"),
            "check_plateau" => pick(lang, "校准时段数据", "flagged minutes"),
            "check_form" => pick(lang, "人工填报", "form"),
            _ => pick(lang, "表格导入", "sheet"),
        };
        CheckedRow {
            at: self.at,
            point: point.map_or_else(String::new, |point| pick(lang, point.zh(), point.en()).to_owned()),
            gas: self.number(FactKey::Gas),
            before: self.number(FactKey::AsFound),
            after: self.number(FactKey::AsLeft),
            adjusted: match self.word(FactKey::Adjusted) {
                "yes" => pick(lang, "是", "yes").to_owned(),
                _ => pick(lang, "否", "no").to_owned(),
            },
            drift_pct: self.number(FactKey::DriftPct),
            is_over: self.is_over(),
            standing: self.standing(lang),
            finding: self.finding(lang),
            left: self.left(lang),
            source: source.to_owned(),
        }
    }

    /// In a sentence, for those who cannot see the picture.
    fn words(&self, lang: Lang) -> String {
        let point = CheckPoint::from_code(self.word(FactKey::Point));
        let point = point.map_or("", |point| pick(lang, point.zh(), point.en()));
        let drift = self.number(FactKey::DriftPct).unwrap_or_default();
        let (finding, standing, left) = (self.finding(lang), self.standing(lang), self.left(lang));
        let (moment, words) = (moment(self.at), format!("HJ 75: {standing}; QAL3: {finding}"));
        match lang {
            Lang::Zh => {
                format!("{moment} {point}漂移 {drift:+.2} %FS；HJ 75：{standing}；QAL3：{finding}；距限值：{left}")
            }
            Lang::En => {
                format!("{moment} {point} drift {drift:+.2} % FS; {words}; until the limit: {left}")
            }
        }
    }
}

fn moment(at: Time) -> String {
    format!("{} {}", at.date(), at.hour_minute())
}

/// How the analyser stands: the last check of each point, and whether the next is overdue.
pub(super) fn standing(checks: &[&Judged], now: Time, lang: Lang) -> Vec<[String; 2]> {
    let mut facts = Vec::new();
    for point in CheckPoint::ALL {
        let Some(last) = checks.iter().rev().find(|judged| judged.is(*point)) else {
            continue;
        };
        let name = pick(lang, point.zh(), point.en());
        facts.push([name.to_owned(), last.words(lang)]);
        if let Some(slope) = last.number(FactKey::SlopePerDay) {
            let trend = pick(lang, "趋势", " trend");
            facts.push([
                format!("{name}{trend}"),
                format!("{slope:+.3} {}", pick(lang, "%FS/天", "% FS a day")),
            ]);
        }
        if let Some(due) = last.due().filter(|&due| due < now) {
            let overdue = pick(lang, "，校准逾期：应于以下时间前检查", " check overdue since");
            facts.push([format!("{name}{overdue}"), moment(due)]);
        }
    }
    facts
}

impl Judged {
    /// When the next check is due.
    fn due(&self) -> Option<Time> {
        let hours = self.facts.get(FactKey::DueHours.code())?.as_i64()?;
        Some(self.at.plus(hours.saturating_mul(HOUR_MS)))
    }
}

/// The picture of an analyser: for each point drift with HJ 75's limits, and its sums with those of QAL3.
pub(super) fn picture(checks: &[&Judged], lang: Lang) -> Picture {
    let points = CheckPoint::ALL.iter();
    let seen = points.filter(|point| checks.iter().any(|judged| judged.is(**point)));
    let panels = seen.flat_map(|&point| {
        let of: Vec<&Judged> = checks.iter().copied().filter(|judged| judged.is(point)).collect();
        [drift(&of, point, lang), sums(&of, point, lang)]
    });
    let (first, last) = (checks.first(), checks.last());
    let when = |judged: Option<&&Judged>| judged.map_or(Time(0), |judged| judged.at);
    let (start, end) = (when(first), when(last));
    Picture {
        title: pick(lang, "零点、跨度检查", "Zero and span checks").to_owned(),
        words: last.map_or_else(String::new, |judged| judged.words(lang)),
        span: Span {
            start,
            // The line goes on to where it leads within a week.
            end: end.plus(end.since(start).clamp(HOUR_MS, 7 * DAY_MS)),
        },
        panels: panels.collect(),
        marks: checks
            .iter()
            .filter(|judged| judged.signals())
            .map(|judged| Mark {
                at: judged.at,
                kind: MarkKind::Signal,
                text: judged.words(lang),
            })
            .collect(),
    }
}

fn line(of: &[&Judged], name: &str, style: Style, value: impl Fn(&Judged) -> Option<f64>) -> Line {
    Line {
        name: name.to_owned(),
        style,
        points: of.iter().map(|judged| (judged.at, value(judged))).collect(),
    }
}

/// A limit on both sides.
fn both(name: &str, value: Option<f64>, unit: &str) -> impl Iterator<Item = Limit> {
    let sides = value.map(|value| [value, -value]).into_iter().flatten();
    sides.map(move |value| Limit {
        name: format!("{name} {value:+.1}{unit}"),
        value,
    })
}

fn drift(of: &[&Judged], point: CheckPoint, lang: Lang) -> Panel {
    let last = of.last();
    let after = |judged: &Judged| {
        let (left, gas) = (judged.number(FactKey::AsLeft)?, judged.number(FactKey::Gas)?);
        let full_scale = judged.number(FactKey::FullScale)?;
        (judged.word(FactKey::Adjusted) == "yes").then(|| (left - gas) / full_scale * 100.0)
    };
    let limit = |key| last.and_then(|judged| judged.number(key));
    let mut lines = vec![
        line(of, pick(lang, "校准前漂移", "as found"), Style::Dots, |judged| {
            judged.number(FactKey::DriftPct)
        }),
        line(of, pick(lang, "调整后", "adjusted"), Style::Squares, after),
    ];
    lines.extend(last.and_then(|judged| trend(judged, lang)));
    Panel {
        title: format!("{} (%FS)", pick(lang, point.zh(), point.en())),
        height: 170.0,
        lines,
        limits: both(pick(lang, "要求", "required"), limit(FactKey::Threshold), "%")
            .chain(both(pick(lang, "失控", "out"), limit(FactKey::OutLimit), "%"))
            .collect(),
    }
}

/// Where the slope of the last check leads within a week.
fn trend(judged: &Judged, lang: Lang) -> Option<Line> {
    let (slope, now) = (judged.number(FactKey::SlopePerDay)?, judged.number(FactKey::DriftPct)?);
    judged.number(FactKey::Days)?;
    let ahead = |days: i64| (judged.at.plus(days * DAY_MS), Some(now + slope * days as f64));
    Some(Line {
        name: pick(lang, "趋势", "trend").to_owned(),
        style: Style::Usual,
        points: vec![ahead(0), ahead(7)],
    })
}

fn sums(of: &[&Judged], point: CheckPoint, lang: Lang) -> Panel {
    let published = Qal3::published(1.0);
    let name = pick(
        lang,
        "QAL3累积和与EWMA（标准差）",
        "QAL3 sums and EWMA (standard deviations)",
    );
    let limit = pick(lang, "控制限", "limit");
    Panel {
        title: format!("{} · {name}", pick(lang, point.zh(), point.en())),
        height: 130.0,
        lines: vec![
            line(of, pick(lang, "向上", "up"), Style::High, |judged| {
                judged.number(FactKey::SumHigh)
            }),
            line(of, pick(lang, "向下", "down"), Style::Low, |judged| {
                judged.number(FactKey::SumLow).map(|sum| -sum)
            }),
            line(of, "EWMA", Style::Measured, |judged| judged.number(FactKey::Ewma)),
        ],
        limits: both(limit, Some(published.drift_h), "").collect(),
    }
}
