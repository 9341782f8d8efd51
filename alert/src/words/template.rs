//! The sentences as data, and how a row becomes a sentence.

use std::collections::HashMap;

use plume_schemas::rule::RuleCode;

use super::{Lang, Saying, row_name};
use crate::rows::{self, Layout, RowError, Said};

/// The rows that come with plume.
const EMBEDDED: &str = include_str!("../../data/words.csv");

/// Most sentences: every rule and saying, ten times over.
const MAX_ROWS: usize = 5_000;

/// A sentence taken apart.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// `{name}`.
    Fact(String),
    /// `{?name}`.
    Needs(String),
    /// `[…]`.
    Optional(Vec<Piece>),
}

/// All sentences.
#[derive(Clone, Debug)]
pub struct Words {
    rows: HashMap<(String, Saying), Vec<Row>>,
}

#[derive(Clone, Debug)]
struct Row {
    zh: Vec<Piece>,
    en: Vec<Piece>,
}

static LAYOUT: Layout = Layout {
    name: Said::new("通知用语", "sentences"),
    columns: &["rule", "edge", "zh", "en"],
    max_rows: MAX_ROWS,
    example: "CONST,breach,\"数据恒值 {minutes} 分钟[，{?value}示值 {value}]。\",Constant for {minutes} minutes.",
};
const RULE: Said = Said::new("规则代码、LEAD 或 *", "rule, LEAD or *");
const EDGE: Said = Said::new(
    "状态：breach、confirmed、cleared、retracting 或 retracted",
    "breach, confirmed, cleared, retracting or retracted",
);
const BRACES: Said = Said::new("成对的 {}", "sentence whose { are closed");
const BRACKETS: Said = Said::new("成对且不嵌套的 []", "sentence whose [ are closed, one at a time");

impl Words {
    /// The sentences that come with plume.
    pub fn embedded() -> Result<Self, RowError> {
        Self::from_csv(EMBEDDED)
    }

    /// Sentences from CSV text with columns `rule,edge,zh,en`.
    pub fn from_csv(text: &str) -> Result<Self, RowError> {
        let mut rows: HashMap<_, Vec<Row>> = HashMap::new();
        let read = rows::read(&LAYOUT, text, |row| {
            let rule = row.raw(0);
            if RuleCode::from_code(rule).is_none() && !matches!(rule, "*" | "LEAD") {
                return Err(row.bad(0, RULE));
            }
            let saying = Saying::from_code(row.raw(1)).ok_or_else(|| row.bad(1, EDGE))?;
            let sentence = |at| parse(row.raw(at)).map_err(|expected| row.bad(at, expected));
            let (zh, en) = (sentence(2)?, sentence(3)?);
            Ok(((rule.to_owned(), saying), Row { zh, en }))
        })?;
        for (key, row) in read {
            rows.entry(key).or_default().push(row);
        }
        Ok(Self { rows })
    }

    /// The first sentence whose facts are all there: the rule's own, else that of all rules, else the rule's name.
    pub(super) fn speak(
        &self,
        rule: RuleCode,
        saying: Saying,
        lang: Lang,
        fact: &dyn Fn(&str) -> Option<String>,
    ) -> String {
        let of = |name: &str| self.rows.get(&(name.to_owned(), saying)).map_or(&[][..], Vec::as_slice);
        let own = of(row_name(rule));
        // A confirmed breach without words of its own is still a breach.
        let breach = if saying == Saying::Confirmed && own.is_empty() {
            self.rows
                .get(&(row_name(rule).to_owned(), Saying::Breach))
                .map_or(&[][..], Vec::as_slice)
        } else {
            &[]
        };
        own.iter()
            .chain(breach)
            .chain(of("*"))
            .find_map(|row| {
                let pieces = match lang {
                    Lang::Zh => &row.zh,
                    Lang::En => &row.en,
                };
                fill(pieces, fact)
            })
            .map_or_else(
                || lang.pick(rule.zh(), rule.en()).to_owned(),
                |text| capital(text.trim_end()),
            )
    }
}

/// A sentence begins with a capital even where it begins with the name of a rule.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn fill(pieces: &[Piece], fact: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Fact(name) => text.push_str(&fact(name)?),
            Piece::Needs(name) => drop(fact(name)?),
            Piece::Optional(inner) => text.push_str(&fill(inner, fact).unwrap_or_default()),
        }
    }
    Some(text)
}

fn parse(text: &str) -> Result<Vec<Piece>, Said> {
    let mut open: Option<Vec<Piece>> = None;
    let mut pieces = Vec::new();
    let mut fixed = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if !matches!(c, '{' | '[' | ']') {
            fixed.push(c);
            continue;
        }
        let into = open.as_mut().unwrap_or(&mut pieces);
        if !fixed.is_empty() {
            into.push(Piece::Text(std::mem::take(&mut fixed)));
        }
        match c {
            '{' => {
                let name: String = chars.by_ref().take_while(|&c| c != '}').collect();
                into.push(match name.strip_prefix('?') {
                    Some(name) => Piece::Needs(name.to_owned()),
                    None => Piece::Fact(name),
                });
            }
            '[' if open.is_none() => open = Some(Vec::new()),
            '[' => return Err(BRACKETS),
            _ => match open.take() {
                Some(inner) => pieces.push(Piece::Optional(inner)),
                None => return Err(BRACKETS),
            },
        }
    }
    if open.is_some() {
        return Err(BRACKETS);
    }
    if text.matches('{').count() != text.matches('}').count() {
        return Err(BRACES);
    }
    if !fixed.is_empty() {
        pieces.push(Piece::Text(fixed));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Option<String> {
        let pieces = parse(text).unwrap();
        fill(&pieces, &|name| (name != "missing").then(|| format!("<{name}>")))
    }

    #[test]
    fn optional_parts_go_when_a_fact_is_missing() {
        assert_eq!(say("a{x}[，b{y}][c{missing}]d").as_deref(), Some("a<x>，b<y>d"));
        assert_eq!(say("{?x}a[{?missing}b]").as_deref(), Some("a"));
        assert_eq!(say("a{missing}"), None);
        assert_eq!(say("{?missing}a"), None);
    }

    #[test]
    fn what_does_not_close_is_refused() {
        for bad in ["a[b", "a]b", "a{b", "[a[b]]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_rows_are_named_with_their_line() {
        let error = Words::from_csv("rule,edge,zh,en\nNOSUCH,breach,a,b\n").unwrap_err();
        assert_eq!(error.to_string(), "sentences line 2: `NOSUCH` is no rule, LEAD or *");
        assert!(Words::from_csv("rule,edge,zh,en\nCONST,opened,a,b\n").is_err());
    }
}
