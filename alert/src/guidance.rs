//! Guidance: what usually causes a finding, what to check and what to do, as a table (`data/guidance.csv`) that the
//! bureau edits. The narrowest row that fits speaks: rule before family, industry and factor before none.

use plume_schemas::ids::FactorCode;
use plume_schemas::rule::{RuleCode, Stream};

use crate::case::Family;
use crate::rows::{self, Layout, RowError, Said, is_formula};
use crate::words::Lang;

/// The table that comes with plume.
pub(crate) const EMBEDDED: &str = include_str!("../data/guidance.csv");
/// Most rows: every rule for a hundred pairs of industry and factor.
pub const MAX_ROWS: usize = 5_000;
/// Longest cell, characters: what fits on a phone beside a warning.
pub const MAX_CELL_CHARS: usize = 600;

/// What to think of, in one language; a point a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What usually causes it.
    pub causes: Vec<String>,
    /// What to check.
    pub checks: Vec<String>,
    /// What to do.
    pub measures: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    about: About,
    industry: String,
    factor: Option<FactorCode>,
    zh: Advice,
    en: Advice,
}

#[derive(Clone, Copy, Debug)]
enum About {
    Rule(RuleCode),
    Family(Family),
}

static LAYOUT: Layout = Layout {
    name: Said::new("处置指引", "guidance"),
    columns: &[
        "rule",
        "industry",
        "factor",
        "causes_zh",
        "checks_zh",
        "measures_zh",
        "causes_en",
        "checks_en",
        "measures_en",
    ],
    max_rows: MAX_ROWS,
    example: "quality,,a21026,探头堵塞；管线冷凝,看流量；看温度,反吹；疏水,probe blocked,look at the flow,blow it back",
};
const ABOUT: Said = Said::new(
    "规则代码或类别（如 NEAR_HOUR、quality）",
    "rule or family such as `quality`",
);
const FACTOR: Said = Said::new("因子编码，留空为全部", "factor code, or nothing for all");
const LENGTH: Said = Said::new("不超过 600 字的文字", "text of at most 600 characters");
const TEXT: Said = Said::new("文字，不以 = @ + - 开头", "text");

/// The table.
#[derive(Clone, Debug)]
pub struct Guidance(Vec<Row>);

impl Guidance {
    /// The guidance that comes with plume.
    pub fn embedded() -> Result<Self, RowError> {
        Self::from_csv(EMBEDDED)
    }

    /// Guidance from CSV text.
    pub fn from_csv(text: &str) -> Result<Self, RowError> {
        rows::read(&LAYOUT, text, row).map(Self)
    }

    /// What to think of. About a lead nothing is said: it is a suspicion, and its page is not for the site.
    pub fn of(&self, rule: RuleCode, industry: &str, factor: Option<FactorCode>, lang: Lang) -> Option<&Advice> {
        if rule.stream() == Stream::Lead {
            return None;
        }
        let fits = |row: &&Row| {
            let about = match row.about {
                About::Rule(own) => own == rule,
                About::Family(own) => own == Family::of(rule),
            };
            about
                && (row.industry.is_empty() || row.industry == industry)
                && (row.factor.is_none() || row.factor == factor)
        };
        let narrowness = |row: &&Row| {
            (
                matches!(row.about, About::Rule(_)),
                u8::from(!row.industry.is_empty()) + u8::from(row.factor.is_some()),
            )
        };
        let row = self.0.iter().filter(fits).max_by_key(narrowness)?;
        Some(match lang {
            Lang::Zh => &row.zh,
            Lang::En => &row.en,
        })
    }
}

fn row(row: rows::Row<'_>) -> Result<Row, RowError> {
    let cell = |at: usize| row.cell(at);
    let about = RuleCode::from_code(cell(0))
        .map(About::Rule)
        .or_else(|| Family::from_code(cell(0)).map(About::Family))
        .ok_or_else(|| row.bad(0, ABOUT))?;
    let factor = match cell(2) {
        "" => None,
        code => Some(FactorCode::new(code).map_err(|_| row.bad(2, FACTOR))?),
    };
    for at in 3..LAYOUT.columns.len() {
        if cell(at).chars().count() > MAX_CELL_CHARS {
            return Err(row.bad(at, LENGTH));
        }
        if is_formula(cell(at)) {
            return Err(row.bad(at, TEXT));
        }
    }
    let points = |at: usize| -> Vec<String> {
        let points = cell(at).split(['；', ';']).map(str::trim);
        points.filter(|point| !point.is_empty()).map(str::to_owned).collect()
    };
    let advice = |at: usize| Advice {
        causes: points(at),
        checks: points(at + 1),
        measures: points(at + 2),
    };
    Ok(Row {
        about,
        industry: cell(1).to_owned(),
        factor,
        zh: advice(3),
        en: advice(6),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_a_site_hears_of_has_advice_in_both_languages() {
        let guidance = Guidance::embedded().unwrap();
        for &rule in RuleCode::ALL {
            let lead = rule.stream() == Stream::Lead;
            for lang in [Lang::Zh, Lang::En] {
                let advice = guidance.of(rule, "", None, lang);
                assert_eq!(advice.is_none(), lead, "{}", rule.code());
                if let Some(advice) = advice {
                    assert!(
                        !advice.checks.is_empty() && !advice.measures.is_empty(),
                        "{}",
                        rule.code()
                    );
                }
            }
        }
    }

    #[test]
    fn the_narrowest_row_speaks() {
        let head = LAYOUT.columns.join(",");
        let table = format!(
            "{head}\nnear,,,a,b,c,a,b,c\nNEAR_HOUR,,,d,e,f,d,e,f\nNEAR_HOUR,cement_kiln,,g,h；i,j,g,h;i,j\n\
             NEAR_HOUR,,a21026,k,l,m,k,l,m\n"
        );
        let guidance = Guidance::from_csv(&table).unwrap();
        let so2 = FactorCode::new("a21026").ok();
        let first =
            |rule, industry: &str, factor| guidance.of(rule, industry, factor, Lang::Zh).unwrap().causes[0].clone();
        assert_eq!(first(RuleCode::NearDay, "", so2), "a");
        assert_eq!(first(RuleCode::NearHour, "", None), "d");
        assert_eq!(first(RuleCode::NearHour, "", so2), "k");
        assert_eq!(first(RuleCode::NearHour, "cement_kiln", None), "g");
        let checks = &guidance
            .of(RuleCode::NearHour, "cement_kiln", None, Lang::En)
            .unwrap()
            .checks;
        assert_eq!(checks, &["h", "i"]);
    }

    #[test]
    fn bad_cells_are_named() {
        let head = LAYOUT.columns.join(",");
        let said = |row: &str| Guidance::from_csv(&format!("{head}\n{row}\n")).unwrap_err().to_string();
        assert!(said("NEAR,,,a,b,c,a,b,c").contains("line 2: `NEAR` is no rule or family"));
        assert!(said("near,,SO2 ,=1,b,c,a,b,c").contains("line 2"));
        assert!(said("near,,,=cmd(),b,c,a,b,c").contains("`=cmd()` is no text"));
        assert!(said(&format!("near,,,{},b,c,a,b,c", "长".repeat(601))).contains("600"));
        assert!(matches!(Guidance::from_csv("a,b\n"), Err(RowError::Columns { .. })));
    }
}
