//! The report as text, for a technician on site and on the telephone.

use std::fmt;

use super::articles::Both;
use super::report::{Conformance, Departure, FlowUnit, Verdict, clock_text};
use crate::hj212::explain::table::{Table, plain};
use crate::hj212::explain::words::say;
use crate::hj212::explain::{Lang, Level};

/// A report in one language.
#[derive(Debug)]
pub struct Page<'a> {
    report: &'a Conformance,
    lang: Lang,
}

impl Conformance {
    /// The report as text.
    pub fn page(&self, lang: Lang) -> Page<'_> {
        Page { report: self, lang }
    }
}

impl Verdict {
    /// In words.
    pub fn word(self, lang: Lang) -> &'static str {
        let both = match self {
            Self::Conforms => ("符合 HJ 212-2025", "conforms to HJ 212-2025"),
            Self::Departs => ("基本可用，有不规范之处", "usable, with departures"),
            Self::Fails => (
                "不符合：有错误须先改正",
                "does not conform: errors to be corrected first",
            ),
            Self::TooFew => ("报文太少，无法判断", "too few packets to say"),
        };
        say(lang, both)
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for departure in &self.report.departures {
            self.departure(f, departure)?;
        }
        self.clock_and_intervals(f)?;
        self.factors(f)?;
        self.accuracy(f)
    }
}

impl Page<'_> {
    /// What comes first, names and values: the verdict, the standard, the packets, what the device speaks.
    pub fn facts(&self) -> Vec<[String; 2]> {
        let (report, lang) = (self.report, self.lang);
        let mut facts = Vec::new();
        let mut row =
            |name: (&'static str, &'static str), value: String| facts.push([say(lang, name).to_owned(), value]);
        row(("结论", "verdict"), report.verdict.word(lang).to_owned());
        row(("依据", "standard"), report.standard.to_owned());
        if let Some((from, until)) = report.from.zip(report.until) {
            row(
                ("时段", "time"),
                format!("{} … {}", clock_text(from), clock_text(until)),
            );
        }
        let counts = match lang {
            Lang::Zh => format!(
                "{}，其中隔离 {}，重复 {}",
                report.packets, report.set_aside, report.repeats
            ),
            Lang::En => format!(
                "{}, of them {} set aside, {} repeats",
                report.packets, report.set_aside, report.repeats
            ),
        };
        row(("报文", "packets"), counts);
        row(("声明版本", "claims"), listed(&report.spoken.claimed));
        row(("实际版本", "speaks"), report.spoken.spoken.clone());
        if !report.spoken.foreign.is_empty() {
            row(("其他版本的特征", "of other editions"), listed(&report.spoken.foreign));
        }
        row(("加密", "encryption"), self.encryption());
        facts
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, lang) = (self.report, self.lang);
        let mn = plain(report.mn.as_deref().unwrap_or("-"));
        writeln!(f, "{}  MN {mn}", say(lang, ("设备符合性报告", "conformance report")))?;
        let mut table = Table::default();
        for fact in self.facts() {
            table.row(fact);
        }
        write!(f, "{table}")?;
        let title = if report.departures.is_empty() {
            ("没有发现不符之处", "no departures found")
        } else {
            ("不符之处", "departures")
        };
        writeln!(f, "\n{}", say(lang, title))
    }

    fn encryption(&self) -> String {
        let encryption = self.report.encryption;
        let of = format!("{}/{}", encryption.encrypted, encryption.due);
        let words = match (encryption.due, encryption.encrypted, encryption.expected) {
            (0, ..) => return say(self.lang, ("不适用", "does not apply")).to_owned(),
            (_, 0, false) => (
                "未用（专网可不加密，互联网须加密）",
                "not used (required over the internet, not on private networks)",
            ),
            (due, encrypted, _) if due == encrypted => ("已加密", "encrypted"),
            _ => ("须加密（2025 6.4）", "required (2025 6.4)"),
        };
        format!("{of} {}", say(self.lang, words))
    }

    fn departure(&self, f: &mut fmt::Formatter<'_>, departure: &Departure) -> fmt::Result {
        let lang = self.lang;
        let of = |both: &Both| plain(both.in_lang(lang));
        let times = match lang {
            Lang::Zh => format!("{} 次", departure.count),
            Lang::En => format!("{} times", departure.count),
        };
        writeln!(
            f,
            "  [{}] {}  {times}  {}",
            departure.level.word(lang),
            of(&departure.what),
            departure.clause
        )?;
        if !departure.detail.is_empty() {
            writeln!(f, "      {}: {}", say(lang, ("如", "as in")), plain(&departure.detail))?;
        }
        if !departure.example.is_empty() {
            writeln!(
                f,
                "      {}: {}",
                say(lang, ("例", "example")),
                plain(&departure.example)
            )?;
        }
        let change = of(&departure.change);
        if !change.is_empty() && departure.level != Level::Note {
            writeln!(f, "      {}: {change}", say(lang, ("应改", "change")))?;
        }
        Ok(())
    }

    fn clock_and_intervals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lang = self.lang;
        if let Some(clock) = self.report.clock {
            let name = say(
                lang,
                ("时钟（设备减平台，秒）", "clock (device less platform, seconds)"),
            );
            let middle = say(lang, ("中位", "median"));
            writeln!(
                f,
                "\n{name}\n  {middle} {:+.1}  {:+.1} … {:+.1}",
                clock.median_s, clock.least_s, clock.most_s
            )?;
        }
        if self.report.intervals.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{}", say(lang, ("上传间隔", "intervals")))?;
        let mut table = Table::default();
        let heads = [
            ("数据", "data"),
            ("间隔（秒）", "interval (s)"),
            ("应到", "due"),
            ("实到", "came"),
            ("缺失", "missed"),
            ("补传", "sent again"),
            ("RF=1", "RF=1"),
            ("延迟（秒）", "delay (s)"),
        ];
        table.row(heads.map(|head| say(lang, head)));
        for one in &self.report.intervals {
            table.row([
                one.name.in_lang(lang).to_owned(),
                one.interval_s.to_string(),
                one.due.to_string(),
                one.came.to_string(),
                one.missed().to_string(),
                one.late.to_string(),
                one.marked.to_string(),
                format!("{:.1}", one.delay_s),
            ]);
        }
        write!(f, "{table}")?;
        for one in &self.report.intervals {
            for gap in &one.gaps {
                let name = one.name.in_lang(lang);
                match lang {
                    Lang::Zh => writeln!(f, "  {name} 自 {} 起缺 {} 个", clock_text(gap.first), gap.missed)?,
                    Lang::En => writeln!(f, "  {name}: {} missing from {}", gap.missed, clock_text(gap.first))?,
                }
            }
        }
        Ok(())
    }

    fn factors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lang = self.lang;
        if self.report.factors.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{}", say(lang, ("因子", "factors")))?;
        let mut table = Table::default();
        let heads = [
            ("编码", "code"),
            ("名称", "name"),
            ("数据", "data"),
            ("报文", "packets"),
            ("非 N", "not N"),
            ("最小", "least"),
            ("最大", "most"),
            ("单位", "unit"),
            ("缺少子字段", "missing"),
        ];
        table.row(heads.map(|head| say(lang, head)));
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        for one in &self.report.factors {
            let missing: Vec<String> = one.missing.iter().map(|(name, n)| format!("{name} {n}")).collect();
            table.row([
                one.code.clone(),
                one.name.in_lang(lang).to_owned(),
                one.kind.to_owned(),
                one.packets.to_string(),
                one.not_normal.to_string(),
                number(one.least),
                number(one.most),
                one.unit.clone(),
                missing.join(", "),
            ]);
        }
        write!(f, "{table}")
    }

    /// What was recomputed, and zero and span.
    fn accuracy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, lang) = (self.report, self.lang);
        let title = ("准确与稳定", "accuracy and stability");
        writeln!(f, "\n{}", say(lang, title))?;
        let mut table = Table::default();
        let all = report.corrected.iter().map(|one| (("折算 Zs", "corrected (Zs)"), one));
        let hours = report
            .hours
            .iter()
            .map(|one| (("小时对分钟", "hour by its minutes"), one));
        for (name, one) in all.chain(hours) {
            let counts = match lang {
                Lang::Zh => format!("核对 {}，不符 {}，最大差 {:.1} %", one.checked, one.off, one.worst_pct),
                Lang::En => format!(
                    "{} checked, {} off, at most {:.1} %",
                    one.checked, one.off, one.worst_pct
                ),
            };
            let reference = one.reference_o2_pct.map_or_else(String::new, |o2| match lang {
                Lang::Zh => format!("基准氧 {o2} %"),
                Lang::En => format!("reference O2 {o2} %"),
            });
            table.row([say(lang, name).to_owned(), one.code.clone(), counts, reference]);
        }
        if let Some(unit) = report.flow_unit {
            let word = match unit {
                FlowUnit::PerSecond => ("m³/s，与累计体积相符", "m³/s, fits the volumes"),
                FlowUnit::PerHour => (
                    "像是 m³/h（与累计体积差 3600 倍）",
                    "looks like m³/h (3600 times the volumes)",
                ),
                FlowUnit::Unclear => ("与累计体积不符", "does not fit the volumes"),
            };
            table.row([say(lang, ("流量单位", "unit of flow")), "a00000", say(lang, word)]);
        }
        for one in &report.stability {
            let words = match lang {
                Lang::Zh => format!("{} 次，最大误差 {}，漂移 {:.3}", one.checks, one.worst_error, one.drift),
                Lang::En => format!(
                    "{} checks, worst error {}, drift {:.3}",
                    one.checks, one.worst_error, one.drift
                ),
            };
            table.row([
                say(lang, ("标样核查", "zero/span check")).to_owned(),
                one.code.clone(),
                words,
            ]);
        }
        let text = table.to_string();
        if text.is_empty() {
            return writeln!(f, "  {}", say(lang, ("没有可核对的数据", "nothing to check")));
        }
        f.write_str(&text)
    }
}

fn listed(all: &[(String, u64)]) -> String {
    let all: Vec<String> = all.iter().map(|(name, count)| format!("{name} × {count}")).collect();
    plain(&all.join(", "))
}
