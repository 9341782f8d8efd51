//! The daily digest (日报): what happened to an enterprise's data yesterday, and in a bureau's district; the title alone
//! when all is well. The weekly one (周报): what can wait that long. Pure.

use plume_schemas::factors::Catalogue;
use plume_schemas::rule::Severity;
use plume_schemas::time::{DAY_MS, MINUTE_MS, Span, Time};

use crate::case::{Family, Outcome};
use crate::problem::Rectification;
use crate::rates::Share;
use crate::store::CaseRow;
use crate::words::{FOOTER_EN, FOOTER_ZH, Lang, Message, factor_name, number, severity_word, sheet};

/// Minute of the day at which digests are made (08:30: after the night, before the morning meeting).
pub const DIGEST_MIN: i64 = 8 * 60 + 30;
/// Most cases listed; the rest is counted. More is not read in a mail.
pub(crate) const MAX_LISTED: usize = 50;

/// Minutes of one factor yesterday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// `DA001 SO₂`.
    pub what: String,
    /// Minutes with valid data.
    pub valid_minutes: u32,
}

/// The day a digest at `now` is about: yesterday, once the time of the digest has come.
pub fn day_due(now: Time) -> Option<Span> {
    let today = now.floor(DAY_MS);
    (now.since(today) >= DIGEST_MIN * MINUTE_MS).then_some(Span {
        start: today.plus(-DAY_MS),
        end: today,
    })
}

/// The week a digest at `now` is about: the last whole one, once the time of Monday's digest has come.
pub fn week_due(now: Time) -> Option<Span> {
    let today = now.floor(DAY_MS);
    // 1970-01-01 was a Thursday; 0 is Monday.
    let monday = today.plus(-(today.beijing_day() + 3).rem_euclid(7) * DAY_MS);
    (now.since(monday) >= DIGEST_MIN * MINUTE_MS).then_some(Span {
        start: monday.plus(-7 * DAY_MS),
        end: monday,
    })
}

/// What was abnormal at an enterprise on a day.
#[derive(Clone, Debug)]
pub struct Abnormal<'a> {
    /// Its name.
    pub name: &'a str,
    /// The day.
    pub day: Span,
    /// Cases that went on that day.
    pub cases: Vec<&'a CaseRow>,
    /// What the enterprise gave as their causes, in the same order; empty where it gave none.
    pub causes: Vec<String>,
    /// Valid minutes by factor.
    pub coverage: &'a [Coverage],
    /// 传输有效率 of all its outlets, where it can be counted.
    pub rate: Option<Share>,
}

/// The daily digest of an enterprise.
pub fn of_enterprise(abnormal: &Abnormal<'_>, catalogue: &Catalogue, lang: Lang) -> Message {
    let &Abnormal { name, day, rate, .. } = abnormal;
    let date = day.start.date();
    let low: Vec<&Coverage> = abnormal
        .coverage
        .iter()
        .filter(|c| c.valid_minutes < full_minutes(day))
        .collect();
    let rate_line = rate.and_then(|share| rate_line(share, lang));
    let count = abnormal.cases.len() + low.len();
    if count == 0 && rate.is_none_or(|share| share.valid == share.due) {
        let tail = rate_line.map_or_else(String::new, |line| format!("{}{line}", lang.pick("，", ", ")));
        let subject = match lang {
            Lang::Zh => format!("【日报】{name} {date} 数据正常{tail}"),
            Lang::En => format!("[daily] {name} {date}: all data normal{tail}"),
        };
        return sheet(&subject, &[], lang.pick(FOOTER_ZH, FOOTER_EN), lang);
    }
    let subject = match lang {
        Lang::Zh => format!("【日报】{name} {date} 异常 {count} 项"),
        Lang::En => format!("[daily] {name} {date}: {count} abnormal"),
    };
    let mut lines = vec![format!("{name} · {date}")];
    lines.extend(rate_line);
    lines.extend(low.iter().map(|coverage| valid_line(coverage, day, lang)));
    let causes = abnormal.causes.iter().map(String::as_str).chain(std::iter::repeat(""));
    for (case, cause) in abnormal.cases.iter().zip(causes).take(MAX_LISTED) {
        let mut line = case_line(case, day, catalogue, lang);
        if !cause.is_empty() {
            line.push_str(lang.pick("；原因：", "; cause: "));
            line.push_str(cause);
        }
        lines.push(line);
    }
    lines.extend(more(abnormal.cases.len(), lang));
    sheet(&subject, &lines, lang.pick(FOOTER_ZH, FOOTER_EN), lang)
}

/// Cases of a span, for somebody.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Of which enterprise or district.
    pub name: &'a str,
    /// A day or a week.
    pub span: Span,
    /// The cases.
    pub cases: &'a [&'a CaseRow],
}

/// A digest that is a list: of a day for the contractor, of a week for whoever is told weekly.
pub fn list(listed: &Listed<'_>, catalogue: &Catalogue, lang: Lang) -> Message {
    let Listed { name, span, cases } = *listed;
    let (first, last, count) = (span.start.date(), span.end.plus(-DAY_MS).date(), cases.len());
    let subject = match (first == last, lang) {
        (true, Lang::Zh) => format!("【日报】{name} {first} 待处理 {count} 项"),
        (true, Lang::En) => format!("[daily] {name} {first}: {count} to look at"),
        (false, Lang::Zh) => format!("【周报】{name} {first} 至 {last} 待处理 {count} 项"),
        (false, Lang::En) => format!("[weekly] {name} {first} to {last}: {count} to look at"),
    };
    let shown = cases.iter().take(MAX_LISTED);
    let mut lines: Vec<String> = shown.map(|case| case_line(case, span, catalogue, lang)).collect();
    lines.extend(more(count, lang));
    sheet(&subject, &lines, lang.pick(FOOTER_ZH, FOOTER_EN), lang)
}

fn more(count: usize, lang: Lang) -> Option<String> {
    let rest = count.checked_sub(MAX_LISTED).filter(|&rest| rest > 0)?;
    Some(match lang {
        Lang::Zh => format!("另有 {rest} 条，请登录查看。"),
        Lang::En => format!("{rest} more: see the desk."),
    })
}

fn rate_line(share: Share, lang: Lang) -> Option<String> {
    let (due, received, valid) = (share.due, share.received, share.valid);
    let pct = number(share.effective_pct()?, 2);
    Some(match lang {
        Lang::Zh => format!("传输有效率 {pct}%（应传 {due}，收到 {received}，有效 {valid}）"),
        Lang::En => format!("effective transmission rate {pct} % (due {due}, received {received}, valid {valid})"),
    })
}

/// The digest of a district, or of the city.
pub fn of_bureau(name: &str, day: Span, cases: &[CaseRow], rectification: Rectification, lang: Lang) -> Message {
    let date = day.start.date();
    let subject = match lang {
        Lang::Zh => format!("【日报】{name} {date} 预警 {} 条", cases.len()),
        Lang::En => format!("[daily] {name} {date}: {} warnings", cases.len()),
    };
    let count = |wanted: &dyn Fn(&CaseRow) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let mut lines = vec![format!("{name} · {date}")];
    for &severity in Severity::ALL.iter().rev() {
        let n = count(&|case| case.severity == severity);
        lines.push(format!("{}：{n}", lang.pick(severity.zh(), severity.en())));
    }
    let warned = count(&|case| case.family == Family::Near);
    let worked = count(&|case| matches!(case.outcome, Some(Outcome::Complied | Outcome::FellBack)));
    lines.push(match lang {
        Lang::Zh => format!("临近超标提醒 {warned} 条，其中预警后达标 {worked} 条"),
        Lang::En => format!("{warned} hours warned of, {worked} of them complied"),
    });
    let rate = rectification
        .rate_pct()
        .map_or_else(|| "—".to_owned(), |pct| format!("{}%", number(pct, 1)));
    lines.push(match lang {
        Lang::Zh => format!(
            "问题 {} 个，整改率 {rate}；企业逾期 {} 个，复核逾期 {} 个",
            rectification.found, rectification.overdue, rectification.review_overdue
        ),
        Lang::En => format!(
            "{} problems, {rate} put right; {} overdue at enterprises, {} reviews overdue",
            rectification.found, rectification.overdue, rectification.review_overdue
        ),
    });
    sheet(&subject, &lines, lang.pick(FOOTER_ZH, FOOTER_EN), lang)
}

fn full_minutes(day: Span) -> u32 {
    u32::try_from(day.end.since(day.start) / MINUTE_MS).unwrap_or(u32::MAX)
}

fn valid_line(coverage: &Coverage, day: Span, lang: Lang) -> String {
    let (valid, full) = (coverage.valid_minutes, full_minutes(day));
    let share = number(f64::from(valid) / f64::from(full.max(1)) * 100.0, 1);
    match lang {
        Lang::Zh => format!("{}：有效数据 {valid}/{full} 分钟（{share}%）", coverage.what),
        Lang::En => format!("{}: {valid} of {full} minutes valid ({share} %)", coverage.what),
    }
}

/// `DA001 SO₂ 数据恒值（关注）09:10—11:20：已恢复`.
fn case_line(case: &CaseRow, day: Span, catalogue: &Catalogue, lang: Lang) -> String {
    let outlet = case
        .outlet
        .as_str()
        .split(':')
        .next_back()
        .unwrap_or_default()
        .to_owned();
    let factor = case
        .factor
        .map(|factor| factor_name(factor, catalogue, lang))
        .unwrap_or_default();
    let rule = lang.pick(case.rule.zh(), case.rule.en());
    let grave = severity_word(case.severity, case.certainty, lang);
    let clock = |at: Time| {
        if day.contains(at) && day.end.since(day.start) <= DAY_MS {
            at.hour_minute()
        } else {
            format!("{} {}", at.date(), at.hour_minute())
        }
    };
    let from = clock(case.opened_at);
    let to = case.resolved_at.map_or_else(String::new, clock);
    let end = match case.outcome {
        Some(outcome) => lang.pick(outcome.zh(), outcome.en()),
        None => lang.pick(case.state.zh(), case.state.en()),
    };
    match lang {
        Lang::Zh => format!("{outlet} {factor} {rule}（{grave}）{from}—{to}：{end}"),
        Lang::En => format!("{outlet} {factor} {rule} ({grave}) {from}–{to}: {end}"),
    }
}
