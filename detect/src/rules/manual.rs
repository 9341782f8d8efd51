//! The manual pages of the rules, from the first lines of their files: one place to write them, one place to read them.

use std::fmt::Write as _;

use plume_schemas::rule::RuleCode;

/// Every rule with the file that holds it, in the order of the manual.
const PAGES: [&str; 30] = [
    include_str!("exceed_hour.rs"),
    include_str!("near_hour.rs"),
    include_str!("exceed_day.rs"),
    include_str!("near_day.rs"),
    include_str!("furnace.rs"),
    include_str!("freq.rs"),
    include_str!("constant.rs"),
    include_str!("shift.rs"),
    include_str!("drift.rs"),
    include_str!("miss.rs"),
    include_str!("common_cause.rs"),
    include_str!("zero.rs"),
    include_str!("neg.rs"),
    include_str!("range.rs"),
    include_str!("jump.rs"),
    include_str!("o2hi.rs"),
    include_str!("flow0.rs"),
    include_str!("zsdev.rs"),
    include_str!("amount.rs"),
    include_str!("hourmin.rs"),
    include_str!("clock_skew.rs"),
    include_str!("budget.rs"),
    include_str!("cap.rs"),
    include_str!("smooth.rs"),
    include_str!("ratio.rs"),
    include_str!("twin.rs"),
    include_str!("calgap.rs"),
    include_str!("mark_abuse.rs"),
    include_str!("near_mark.rs"),
    include_str!("power.rs"),
];

/// One parameter of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Key under `[detect]`.
    pub key: String,
    /// Unit.
    pub unit: String,
    /// Default.
    pub default: String,
    /// Sensible range.
    pub range: String,
    /// What it does.
    pub what: String,
}

/// The manual page of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rule.
    pub rule: RuleCode,
    /// What it watches, Chinese and English.
    pub what: [String; 2],
    /// Why, Chinese and English.
    pub why: [String; 2],
    /// What fools it, Chinese and English.
    pub fooled_by: [String; 2],
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// How it depends on order (D11): `window` or `arrival`.
    pub order: String,
    /// Standard clause, paper, or "project choice".
    pub source: String,
}

/// The pages of all rules.
pub fn pages() -> Vec<Page> {
    PAGES.iter().filter_map(|file| page(file)).collect()
}

/// The whole manual as Markdown: what `docs/rules.md` holds.
pub fn manual() -> String {
    let mut text = String::from(
        "# The rules / 判定规则\n\nMade from the first lines of `detect/src/rules/*.rs`; a test keeps it fresh. \
         Each rule says in each judgement what it saw, counted and compared; `plume explain` prints that.\n\n\
         `window`: the same final result in whatever order data arrive. \
         `arrival`: depends on arrival, never rewound.\n",
    );
    for page in pages() {
        section(&mut text, &page);
    }
    text
}

fn section(text: &mut String, page: &Page) {
    let rule = page.rule;
    let [what_zh, what] = &page.what;
    let [why_zh, why] = &page.why;
    let [fooled_zh, fooled] = &page.fooled_by;
    let mut line = |words: std::fmt::Arguments<'_>| {
        text.write_fmt(words).unwrap_or_default();
        text.push('\n');
    };
    line(format_args!("\n## {} {} / {}\n", rule.code(), rule.zh(), rule.en()));
    line(format_args!("{what_zh}\n\n{what}\n"));
    line(format_args!("**为什么 / why** {why_zh} {why}\n"));
    line(format_args!("**易受误导 / fooled by** {fooled_zh} {fooled}\n"));
    line(format_args!(
        "| parameter `[detect]` | unit | default | range | |\n|---|---|---|---|---|"
    ));
    for parameter in &page.parameters {
        let Parameter {
            key,
            unit,
            default,
            range,
            what,
        } = parameter;
        line(format_args!("| `{key}` | {unit} | {default} | {range} | {what} |"));
    }
    line(format_args!("\norder: {}. source: {}", page.order, page.source));
}

/// Reads the page at the top of a rule's file: its code, then `Key: text`, continued on lines without a key.
fn page(file: &str) -> Option<Page> {
    let mut lines = file.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let rule = RuleCode::from_code(lines.next()?)?;
    let mut entries: Vec<(&str, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let key = line.split_once(": ").filter(|(key, _)| KEYS.contains(key));
        match (key, entries.last_mut()) {
            (Some((key, words)), _) => entries.push((key, words.to_owned())),
            (None, Some((_, words))) => words.extend([" ", line]),
            (None, None) => return None,
        }
    }
    let one = |key: &str| {
        let found = entries.iter().find(|(own, _)| *own == key);
        found.map(|(_, words)| words.clone())
    };
    let both = |key: &str| Some([one(&format!("{key}-zh"))?, one(key)?]);
    Some(Page {
        rule,
        what: both("What")?,
        why: both("Why")?,
        fooled_by: [one("Fooled-zh")?, one("Fooled by")?],
        parameters: entries
            .iter()
            .filter(|(key, _)| *key == "Parameter")
            .filter_map(|(_, words)| parameter(words))
            .collect(),
        order: one("Order")?,
        source: one("Source")?,
    })
}

const KEYS: [&str; 9] = [
    "What",
    "What-zh",
    "Why",
    "Why-zh",
    "Fooled by",
    "Fooled-zh",
    "Parameter",
    "Order",
    "Source",
];

fn parameter(words: &str) -> Option<Parameter> {
    let mut parts = words.split('|').map(|part| part.trim().to_owned());
    Some(Parameter {
        key: parts.next()?,
        unit: parts.next()?,
        default: parts.next()?,
        range: parts.next()?,
        what: parts.next()?,
    })
}
