//! What people read: headlines and messages from facts, Chinese and English.
//!
//! The sentences are data (`data/words.csv`): one row per rule and edge, tried from the top, the first whose facts are
//! all there speaks. `{fact}` is filled in, `[…]` is left out where a fact in it is missing, `{?fact}` asks for a fact
//! and prints nothing.

mod facts;
mod message;
mod template;

use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::{Judgement, Verdict};
use plume_schemas::rule::{Severity, Stream};

use crate::case::Certainty;
use crate::named::named;

pub use facts::{exceed_ratio, number};
pub(crate) use message::code_message;
pub use message::{
    DATE_FOOTER_EN, DATE_FOOTER_ZH, FOOTER_EN, FOOTER_ZH, Message, Place, bundle, message, sheet, test_message,
};
pub use template::Words;

named! {
    /// A language people read.
    Lang {
        /// Chinese.
        Zh = "zh", "中文", "Chinese";
        /// English.
        En = "en", "英文", "English";
    }
}

impl Lang {
    /// The Chinese or the English one of two.
    pub const fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

named! {
    /// Which sentence about a case.
    Saying {
        /// It is so.
        Breach = "breach", "发生", "breach";
        /// It is confirmed.
        Confirmed = "confirmed", "确认", "confirmed";
        /// It is over.
        Cleared = "cleared", "恢复", "cleared";
        /// A correction removed it, which an officer has yet to confirm.
        Retracting = "retracting", "待确认撤回", "retraction awaits confirmation";
        /// It never was.
        Retracted = "retracted", "撤回", "retracted";
    }
}

impl Saying {
    /// What a judgement says by itself: a breach, or the end of one.
    pub fn of(judgement: &Judgement, certainty: Certainty) -> Self {
        match judgement.verdict {
            Verdict::Breach(_) if certainty == Certainty::Confirmed => Self::Confirmed,
            Verdict::Breach(_) => Self::Breach,
            Verdict::NotJudged(_) if certainty == Certainty::NotJudged => Self::Retracted,
            Verdict::Fine | Verdict::NotJudged(_) => Self::Cleared,
        }
    }
}

/// One sentence that says what a judgement found and what to do; a lead never says more than 疑似……，待核查.
pub fn headline(
    words: &Words,
    judgement: &Judgement,
    certainty: Certainty,
    saying: Saying,
    catalogue: &Catalogue,
    lang: Lang,
) -> String {
    let lookup = facts::Facts {
        judgement,
        certainty,
        catalogue,
        lang,
    };
    words.speak(judgement.rule, saying, lang, &|name| lookup.get(name))
}

/// The word for how grave and how sure: 提示, 关注, 紧急, 超标（初判）, 超标（已确认）.
pub fn severity_word(severity: Severity, certainty: Certainty, lang: Lang) -> String {
    let word = lang.pick(severity.zh(), severity.en());
    let sure = lang.pick(certainty.zh(), certainty.en());
    match (lang, sure) {
        (_, "") => word.to_owned(),
        (_, sure) if certainty == Certainty::NotJudged => sure.to_owned(),
        (Lang::Zh, sure) => format!("{word}（{sure}）"),
        (Lang::En, sure) => format!("{word} ({sure})"),
    }
}

/// `SO₂`, or the factor's name where it has no sign; the code where the catalogue does not know it.
pub fn factor_name(factor: plume_schemas::ids::FactorCode, catalogue: &Catalogue, lang: Lang) -> String {
    match catalogue.get(factor) {
        Some(known) if !known.symbol.is_empty() => known.symbol.clone(),
        Some(known) => lang.pick(&known.name_zh, &known.name_en).to_owned(),
        None => factor.to_string(),
    }
}

/// Rules of the lead stream share one sentence.
fn row_name(rule: plume_schemas::rule::RuleCode) -> &'static str {
    match rule.stream() {
        Stream::Lead => "LEAD",
        Stream::Service => rule.code(),
    }
}
