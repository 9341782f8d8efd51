//! What a comparison found, for people: a summary, a table that can be printed, CSV for a spreadsheet, JSON.

use std::collections::BTreeMap;
use std::io::Write;

use plume_detect::WarmUp;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::Verdict;
use plume_schemas::registry::Registry;
use plume_schemas::rule::{Order, RuleCode, Severity};
use plume_schemas::time::{Span, Time};
use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr as _;

use super::difference::{Changed, Count, Found, Happened, Last};

/// What spreadsheets need to read UTF-8 as such.
const BOM: &str = "\u{feff}";

/// Names of outlets' enterprises, as the registries have them.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<OutletId, (String, String)>);

impl Names {
    pub(super) fn learn(&mut self, registry: &Registry) {
        for outlet in &registry.outlets {
            let enterprise = registry.enterprises.iter().find(|one| one.id == outlet.enterprise);
            let name = enterprise.map_or(outlet.enterprise.as_str(), |one| one.name.as_str());
            self.0
                .insert(outlet.id, (outlet.enterprise.to_string(), name.to_owned()));
        }
    }

    /// Id and name of the enterprise of an outlet; the outlet itself where no registry has it.
    fn of(&self, outlet: OutletId) -> (String, String) {
        let unknown = || (outlet.to_string(), outlet.to_string());
        self.0.get(&outlet).cloned().unwrap_or_else(unknown)
    }
}

/// The answer to what would have been different.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) span: Span,
    pub(super) warm_up: WarmUp,
    /// When the source begins, where that is later than the warm-up wants it.
    pub(super) begins: Option<Time>,
    /// Only window rules could be compared.
    pub(super) windows_alone: bool,
    pub(super) entries: u64,
    pub(super) found: Found,
    pub(super) names: Names,
}

/// Differences of one enterprise.
#[derive(Clone, Debug, Default)]
struct OfEnterprise {
    id: String,
    hours: u64,
    days: u64,
    added: u64,
    removed: u64,
    moved: u64,
}

impl Answer {
    /// Notes when a partition's source begins: too late where what came before has expired.
    pub(super) fn note_begin(&mut self, first: Option<Time>, expired: bool, warm_up: &WarmUp) {
        if let Some(first) = first.filter(|&first| expired && first > warm_up.begin) {
            self.begins = Some(self.begins.map_or(first, |begins| begins.max(first)));
        }
    }

    fn enterprises(&self) -> BTreeMap<String, OfEnterprise> {
        let mut all: BTreeMap<String, OfEnterprise> = BTreeMap::new();
        let mut note = |outlet, add: fn(&mut OfEnterprise)| {
            let (id, name) = self.names.of(outlet);
            let one = all.entry(name).or_default();
            one.id = id;
            add(one);
        };
        for changed in &self.found.changed {
            let add: fn(&mut OfEnterprise) = if changed.window.is_day {
                |one| one.days += 1
            } else {
                |one| one.hours += 1
            };
            note(changed.window.outlet, add);
        }
        self.found
            .added
            .iter()
            .for_each(|one| note(one.outlet, |of| of.added += 1));
        self.found
            .removed
            .iter()
            .for_each(|one| note(one.outlet, |of| of.removed += 1));
        self.found
            .moved
            .iter()
            .for_each(|(_, one)| note(one.outlet, |of| of.moved += 1));
        all
    }

    /// The summary and the tables; at most `lines` of the single differences.
    pub(super) fn text(&self, lines: usize) -> String {
        let mut text = self.heading();
        let found = &self.found;
        let hours = found.changed.iter().filter(|changed| !changed.window.is_day).count();
        let days = found.changed.len() - hours;
        put(
            &mut text,
            format_args!(
                "结论改变 / verdicts changed: {hours} 小时 hours, {days} 日 days（共比较 of {} compared）",
                found.windows
            ),
        );
        put(
            &mut text,
            format_args!(
                "事件 / events: 新增 added {}, 减少 removed {}, 变动 moved {}",
                found.added.len(),
                found.removed.len(),
                found.moved.len()
            ),
        );
        if found.unlisted > 0 {
            put(
                &mut text,
                format_args!(
                    "另有 {} 项未列出 / {} more, counted and not kept",
                    found.unlisted, found.unlisted
                ),
            );
        }
        text.push('\n');
        text += &self.enterprise_table();
        text.push('\n');
        text += &align(&self.rows(|row| row.exceeded[0] != row.exceeded[1] || row.changed > 0));
        text.push('\n');
        let mut single: Vec<String> = found.changed.iter().map(|changed| self.verdict_line(changed)).collect();
        single.extend(found.added.iter().map(|one| format!("+ {}", event_line(one))));
        single.extend(found.removed.iter().map(|one| format!("- {}", event_line(one))));
        let moved = |(then, now): &(Happened, Happened)| format!("~ {} → {}", event_line(then), event_line(now));
        single.extend(found.moved.iter().map(moved));
        for line in single.iter().take(lines) {
            put(&mut text, format_args!("{line}"));
        }
        if single.len() > lines {
            let more = single.len() - lines;
            put(
                &mut text,
                format_args!("… {more} 行：用 --lines 或 --json / {more} more: --lines N or --json"),
            );
        }
        text.trim_end().to_owned()
    }

    fn heading(&self) -> String {
        let mut text = String::new();
        let (from, to) = (self.span.start.date(), self.end());
        put(
            &mut text,
            format_args!(
                "{from} — {to}：如果当时不同 / had it been different, {} 条 entries",
                self.entries
            ),
        );
        let (rule, begin) = (self.warm_up.rule, self.warm_up.begin.date());
        put(
            &mut text,
            format_args!("预热自 {begin}（最长记忆 {rule}） / warm-up from {begin}, the longest memory: {rule}"),
        );
        if let Some(first) = self.begins {
            put(
                &mut text,
                format_args!(
                    "注意：数据自 {first} 起，晚于预热要求；此前的记忆缺失 / note: the source begins at {first}, later than \
                     the warm-up wants; what came before is not remembered"
                ),
            );
        }
        if self.windows_alone {
            let rules = not_reproducible().join(", ");
            put(
                &mut text,
                format_args!(
                    "取自最终读数，仅窗口规则；不可重现 / from readings as they stand; not reproducible: {rules}"
                ),
            );
        }
        text
    }

    fn end(&self) -> String {
        if self.span.end.civil().year > 9_999 {
            return "…".to_owned();
        }
        self.span.end.date()
    }

    fn enterprise_table(&self) -> String {
        let mut rows = vec![
            [
                "排污单位 enterprise",
                "小时 hours",
                "日 days",
                "新增 added",
                "减少 removed",
                "变动 moved",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (name, of) in self.enterprises() {
            let numbers = [of.hours, of.days, of.added, of.removed, of.moved];
            rows.push(
                std::iter::once(name)
                    .chain(numbers.map(|number| number.to_string()))
                    .collect(),
            );
        }
        align(&rows)
    }

    /// The table of exceeded hours and days, then and now, with its heading.
    fn rows(&self, wanted: impl Fn(&Count) -> bool) -> Vec<Vec<String>> {
        let catalogue = Catalogue::embedded().ok();
        let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
        for ((outlet, factor, is_day), row) in &self.found.rows {
            if wanted(row) {
                rows.push(self.row((*outlet, *factor, *is_day), row, catalogue.as_ref()));
            }
        }
        rows
    }

    fn row(&self, of: (OutletId, FactorCode, bool), row: &Count, catalogue: Option<&Catalogue>) -> Vec<String> {
        let (outlet, factor, is_day) = of;
        let (id, name) = self.names.of(outlet);
        let limit = |limit: Option<f64>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let ([judged_then, judged_now], [then, now]) = (row.judged, row.exceeded);
        let change = i128::from(now) - i128::from(then);
        let period = if is_day { "日 day" } else { "小时 hour" };
        let factor_name = catalogue.map_or_else(|| factor.to_string(), |known| known.name_zh(factor).clone());
        vec![
            name,
            id,
            outlet.to_string(),
            factor.to_string(),
            factor_name,
            period.to_owned(),
            limit(row.limit[0]),
            limit(row.limit[1]),
            judged_then.to_string(),
            judged_now.to_string(),
            then.to_string(),
            now.to_string(),
            format!("{change:+}"),
        ]
    }

    /// All outlets and factors judged, as a spreadsheet opens it.
    pub(super) fn write_csv(&self, mut file: impl Write) -> anyhow::Result<()> {
        file.write_all(BOM.as_bytes())?;
        let mut sheet = csv::Writer::from_writer(file);
        for row in self.rows(|_| true) {
            sheet.write_record(row)?;
        }
        Ok(sheet.flush()?)
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let found = &self.found;
        let enterprises: Vec<Json> = self
            .enterprises()
            .into_iter()
            .map(|(name, of)| {
                json!({"enterprise": of.id, "name": name, "hours": of.hours, "days": of.days,
                    "events_added": of.added, "events_removed": of.removed, "events_moved": of.moved})
            })
            .collect();
        let rows = found.rows.iter().map(|((outlet, factor, is_day), row)| {
            json!({"outlet": outlet, "factor": factor, "period": if *is_day { "day" } else { "hour" },
                "limit_then": row.limit[0], "limit_now": row.limit[1], "judged_then": row.judged[0],
                "judged_now": row.judged[1], "exceeded_then": row.exceeded[0], "exceeded_now": row.exceeded[1],
                "changed": row.changed})
        });
        let changed = found.changed.iter().map(|changed| {
            json!({"outlet": changed.window.outlet, "factor": changed.window.factor,
                "period": if changed.window.is_day { "day" } else { "hour" },
                "start": changed.window.start.to_string(), "then": last(changed.then), "now": last(changed.now)})
        });
        let moved = found
            .moved
            .iter()
            .map(|(then, now)| json!({"then": event(then), "now": event(now)}));
        serde_json::to_string(&json!({
            "from": self.span.start.to_string(),
            "to": self.end(),
            "entries": self.entries,
            "warm_up": {"rule": self.warm_up.rule.code(), "from": self.warm_up.begin.to_string()},
            "source_begins_too_late": self.begins.map(|first| first.to_string()),
            "not_reproducible": if self.windows_alone { not_reproducible() } else { Vec::new() },
            "windows_compared": found.windows,
            "not_listed": found.unlisted,
            "enterprises": enterprises,
            "table": rows.collect::<Vec<_>>(),
            "verdicts": changed.collect::<Vec<_>>(),
            "events_added": found.added.iter().map(event).collect::<Vec<_>>(),
            "events_removed": found.removed.iter().map(event).collect::<Vec<_>>(),
            "events_moved": moved.collect::<Vec<_>>(),
        }))
    }

    fn verdict_line(&self, changed: &Changed) -> String {
        let window = &changed.window;
        let at = if window.is_day {
            window.start.date()
        } else {
            format!("{} {}", window.start.date(), window.start.hour_minute())
        };
        let (_, name) = self.names.of(window.outlet);
        let side = |last: Option<Last>| {
            let Some(last) = last else { return "无 none".to_owned() };
            let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number}"));
            format!("{}（{}/{}）", word(last.verdict), number(last.mean), number(last.limit))
        };
        let (then, now) = (side(changed.then), side(changed.now));
        format!("{at} {name} {} {}: {then} → {now}", window.outlet, window.factor)
    }
}

/// Heading of the table.
const HEADING: [&str; 13] = [
    "排污单位 enterprise",
    "编码 id",
    "排放口 outlet",
    "因子 factor",
    "名称 name",
    "时段 period",
    "原限值 limit then",
    "新限值 limit now",
    "原判定数 judged then",
    "新判定数 judged now",
    "原超标数 exceeded then",
    "新超标数 exceeded now",
    "变化 change",
];

/// Rules whose word depends on the order of arrival.
fn not_reproducible() -> Vec<&'static str> {
    let arrival = RuleCode::ALL.iter().filter(|rule| rule.order() == Order::Arrival);
    arrival.map(|rule| rule.code()).collect()
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&std::fmt::format(line));
    text.push('\n');
}

fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Fine => "达标 fine".to_owned(),
        Verdict::Breach(Severity::Exceeded) => "超标 exceeded".to_owned(),
        Verdict::Breach(severity) => format!("{} {}", severity.zh(), severity.en()),
        Verdict::NotJudged(why) => format!("未判定 not judged: {} {}", why.zh(), why.en()),
    }
}

fn last(last: Option<Last>) -> Json {
    last.map_or(
        Json::Null,
        |last| json!({"verdict": code(last.verdict), "mean": last.mean, "limit": last.limit}),
    )
}

fn code(verdict: Verdict) -> String {
    match verdict {
        Verdict::Fine => "fine".to_owned(),
        Verdict::Breach(severity) => severity.code().to_owned(),
        Verdict::NotJudged(why) => format!("not_judged: {}", why.code()),
    }
}

fn event(one: &Happened) -> Json {
    json!({"outlet": one.outlet, "factor": one.factor, "rule": one.rule.code(), "edge": one.edge.code(),
        "case": one.case.to_string(), "window_start": one.window.start.to_string(), "at": one.at.to_string(),
        "verdict": code(one.verdict)})
}

fn event_line(one: &Happened) -> String {
    let factor = one.factor.map_or_else(String::new, |factor| format!(" {factor}"));
    let start = one.window.start;
    format!(
        "{} {} {}{factor} {} {}{}",
        start.date(),
        start.hour_minute(),
        one.outlet,
        one.rule,
        one.edge.zh(),
        one.edge.en()
    )
}

/// Rows with their columns under each other; numbers to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let room = " ".repeat(width.saturating_sub(cell.width()));
            let is_number = cell.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c));
            if is_number { room + cell } else { cell.clone() + &room }
        });
        put(
            &mut text,
            format_args!("{}", cells.collect::<Vec<_>>().join("  ").trim_end()),
        );
    }
    text
}
