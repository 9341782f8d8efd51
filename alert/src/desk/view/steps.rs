//! The judgement's facts as rows a person can check by hand.

use plume_schemas::entry::MarkKind;
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Verdict};
use plume_schemas::reading::{Basis, Flag};

use super::number::{digits, fixed, percent, shown};
use crate::desk::text::Speaks;
use crate::words::Lang;

/// One row: what, how much, and the clause or remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What.
    pub(crate) name: &'static str,
    /// How much, with its unit.
    pub(crate) value: String,
    /// Clause or formula.
    pub(crate) note: String,
}

/// The rows of a judgement. The site never sees how many minutes are valid: how far an hour is from being judged is
/// not a number to steer by.
pub(crate) fn steps(judgement: &Judgement, unit: &str, site: bool, lang: Lang) -> Vec<Step> {
    let digits = digits(judgement);
    let said = |key| {
        judgement
            .fact(key)
            .map_or_else(String::new, |value| worded(value, digits, lang))
    };
    let (source, formula) = (said(FactKey::LimitSource), said(FactKey::Formula));
    let mut steps: Vec<Step> = judgement
        .evidence
        .iter()
        .filter(|fact| !matches!(fact.key, FactKey::LimitSource | FactKey::Formula))
        .filter(|fact| !(site && hidden_from_site(fact.key)))
        .map(|fact| Step {
            name: lang.pick(fact.key.zh(), fact.key.en()),
            value: valued(*fact, unit, digits, lang),
            note: match fact.key {
                FactKey::Limit => source.clone(),
                FactKey::Mean | FactKey::MeanSoFar | FactKey::Recomputed => formula.clone(),
                _ => String::new(),
            },
        })
        .collect();
    steps.push(Step {
        name: lang.texts().verdict,
        value: verdict(judgement.verdict, lang).to_owned(),
        note: lang.pick(judgement.pane.zh(), judgement.pane.en()).to_owned(),
    });
    steps
}

/// Facts an enterprise and its contractor are never shown.
pub(crate) const fn hidden_from_site(key: FactKey) -> bool {
    matches!(key, FactKey::ValidMinutes | FactKey::ValidHours)
}

fn verdict(verdict: Verdict, lang: Lang) -> &'static str {
    match verdict {
        Verdict::Fine => lang.texts().fine,
        Verdict::Breach(severity) => lang.pick(severity.zh(), severity.en()),
        Verdict::NotJudged(reason) => lang.pick(reason.zh(), reason.en()),
    }
}

/// A fact as shown; what is a code in the evidence is a word here.
fn worded(value: FactValue, digits: usize, lang: Lang) -> String {
    let FactValue::Text(code) = value else {
        return shown(value, digits);
    };
    let t = lang.texts();
    let known = match code.as_str() {
        "permit" => t.code_permit,
        "device_hour" => t.code_device_hour,
        "device_minutes" => t.code_device_minutes,
        "device_samples" => t.code_device_samples,
        "equal" => t.code_equal,
        "narrow_range" => t.code_narrow_range,
        "offline" => t.code_offline,
        "data_again" => t.code_data_again,
        "excused" => t.code_excused,
        "hour_within_limit" => t.code_hour_within_limit,
        "hour_exceeded" => t.code_hour_exceeded,
        "reported hour ZsAvg" => t.formula_hour_corrected,
        "reported hour Avg" => t.formula_hour,
        "mean of minute ZsAvg; HJ 212-2017 D.2(24)" => t.formula_minutes_corrected,
        "mean of valid minutes; HJ 212-2017 D.2(24)" => t.formula_minutes,
        code => return named(code, lang).unwrap_or_else(|| code.to_owned()),
    };
    known.to_owned()
}

/// The name of a code of one of the closed sets that evidence quotes.
fn named(code: &str, lang: Lang) -> Option<String> {
    let pair = Basis::from_code(code)
        .map(|it| (it.zh(), it.en()))
        .or_else(|| NotJudged::from_code(code).map(|it| (it.zh(), it.en())))
        .or_else(|| MarkKind::from_code(code).map(|it| (it.zh(), it.en())))
        .or_else(|| Flag::from_code(code).map(|it| (it.zh(), it.en())));
    pair.map(|(zh, en)| lang.pick(zh, en).to_owned())
}

fn valued(fact: Fact, unit: &str, digits: usize, lang: Lang) -> String {
    let number = match fact.value {
        FactValue::Decimal(decimal) => Some(decimal.to_f64()),
        FactValue::Float(value) => Some(value),
        FactValue::Int(_) | FactValue::Time(_) | FactValue::Text(_) => None,
    };
    let of = |unit: &str| {
        let number = worded(fact.value, digits, lang);
        if unit.is_empty() {
            number
        } else {
            format!("{number} {unit}")
        }
    };
    match fact.key {
        FactKey::Probability => number.map_or_else(|| of(""), |p| format!("{} %", percent(p))),
        FactKey::ExceedRatio => number.map_or_else(|| of(""), |ratio| fixed(ratio, 2)),
        FactKey::ProjectedBand => format!("± {}", of(unit)),
        FactKey::Mean
        | FactKey::Limit
        | FactKey::Projected
        | FactKey::Headroom
        | FactKey::Value
        | FactKey::Reported
        | FactKey::Recomputed
        | FactKey::Previous
        | FactKey::MeanSoFar => of(unit),
        FactKey::FlowChange | FactKey::DifferencePct | FactKey::OxygenMean | FactKey::ReferenceOxygen => of("%"),
        FactKey::ValidMinutes | FactKey::MinutesLeft | FactKey::LastedMinutes => of(lang.texts().minutes),
        FactKey::ValidHours => of(lang.texts().hours),
        FactKey::Days => of(lang.texts().days),
        _ => of(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_not_shown_what_it_could_steer_by() {
        for key in [FactKey::ValidMinutes, FactKey::ValidHours] {
            assert!(hidden_from_site(key));
        }
        assert!(!hidden_from_site(FactKey::Headroom));
    }
}
