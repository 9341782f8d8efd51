//! What `plume decode` and the desk's page 报文解析 show: one packet with every field named, its length and checksum
//! judged, and what is wrong with it said so that a technician can change it. Passwords and keys are never shown.

mod build;
mod checks;
mod input;
pub(super) mod table;
pub(super) mod words;

use std::fmt;

use plume_schemas::factors::Catalogue;
use serde::Serialize;

pub(super) use checks::outside;
use table::Table;
use words::say;

/// Language of the explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// What else is known about the packets.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The device's SM4 key: 16 characters, or 32 hex digits.
    pub key: Option<Vec<u8>>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A platform must not take the packet like this.
    Error,
    /// It departs from the standard, and is readable.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// Its name for readers.
    pub fn word(self, lang: Lang) -> &'static str {
        let both = match self {
            Self::Error => ("错误", "error"),
            Self::Warning => ("不规范", "departure"),
            Self::Note => ("提示", "note"),
        };
        say(lang, both)
    }
}

/// One thing to say about the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What is wrong.
    pub what: String,
    /// What to change; may be empty.
    pub advice: String,
}

/// A field with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// As in the packet: `QN`.
    pub field: String,
    /// Its name: 请求编码.
    pub name: String,
    /// As sent; stars for secrets.
    pub value: String,
    /// What it means here.
    pub meaning: String,
}

/// One value of a factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Datum {
    /// Code of the factor, that of 2017 where there is one.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Which number, on which basis.
    pub statistic: String,
    /// As sent.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// The flag and what it means.
    pub flag: String,
}

/// One packet, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    lang: Lang,
    /// The standard and the command, in a line.
    pub title: String,
    /// True when length and structure could be read and the checksum is right.
    readable: bool,
    /// Length, checksum, tail, encryption.
    pub frame: Vec<Named>,
    /// Header fields, in the order of the standard.
    pub header: Vec<Named>,
    /// Fields of CP that are not about a factor.
    pub parameters: Vec<Named>,
    /// Values.
    pub data: Vec<Datum>,
    /// What is wrong, and what to know.
    pub findings: Vec<Finding>,
    /// What is answered to it, a frame a line; empty where nothing is.
    pub answer: String,
    /// The answer is the device's, to a request of a platform.
    pub device_answers: bool,
}

impl Explanation {
    /// True when the packet could be read and its checksum is right.
    pub fn readable(&self) -> bool {
        self.readable
    }

    /// Who answers it, as a heading.
    pub fn answer_title(&self) -> &'static str {
        let both = if self.device_answers {
            ("现场机应答", "the device answers")
        } else {
            ("平台应答", "a platform answers")
        };
        say(self.lang, both)
    }

    /// The explanation as JSON.
    pub fn to_json(&self) -> String {
        // A struct of strings and enums always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Explains the first packet of the input; see [`explain_all`].
pub fn explain(input: &[u8], catalogue: &Catalogue, lang: Lang, options: &Options) -> Explanation {
    let first = explain_all(input, catalogue, lang, options).into_iter().next();
    first.unwrap_or_else(|| build::nothing(lang))
}

/// Explains every packet of the input, at least one explanation: bytes as received, text with `\r\n` or `<CR><LF>`
/// written out or without any line end, hex, a data segment without its frame, or a log with packets in it.
pub fn explain_all(input: &[u8], catalogue: &Catalogue, lang: Lang, options: &Options) -> Vec<Explanation> {
    let mut builder = build::Builder::new(catalogue, lang, options);
    let explanations: Vec<Explanation> = input::pieces(input)
        .iter()
        .map(|piece| builder.explain(piece))
        .collect();
    if explanations.is_empty() {
        vec![build::nothing(lang)]
    } else {
        explanations
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lang = self.lang;
        writeln!(f, "{}", table::plain(&self.title))?;
        named(f, say(lang, ("通讯包", "frame")), &self.frame)?;
        named(f, say(lang, ("数据段", "header")), &self.header)?;
        named(f, say(lang, ("指令参数", "content")), &self.parameters)?;
        if !self.data.is_empty() {
            writeln!(f, "\n{}", say(lang, ("数据", "values")))?;
            let mut table = Table::default();
            for datum in &self.data {
                let Datum {
                    code,
                    name,
                    statistic,
                    value,
                    unit,
                    flag,
                } = datum;
                table.row([code, name, statistic, value, unit, flag]);
            }
            write!(f, "{table}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\n{}", say(lang, ("检查结果", "findings")))?;
        }
        for finding in &self.findings {
            writeln!(f, "  [{}] {}", finding.level.word(lang), table::plain(&finding.what))?;
            if !finding.advice.is_empty() {
                let change = if finding.level == Level::Note {
                    ""
                } else {
                    say(lang, ("应改：", "change: "))
                };
                writeln!(f, "      {change}{}", finding.advice)?;
            }
        }
        if !self.answer.is_empty() {
            writeln!(f, "\n{}", self.answer_title())?;
            for answer in self.answer.lines() {
                writeln!(f, "  {}", table::plain(answer))?;
            }
        }
        Ok(())
    }
}

fn named(f: &mut fmt::Formatter<'_>, title: &str, fields: &[Named]) -> fmt::Result {
    if fields.is_empty() {
        return Ok(());
    }
    let mut table = Table::default();
    for Named {
        field,
        name,
        value,
        meaning,
    } in fields
    {
        table.row([field, name, value, meaning]);
    }
    write!(f, "\n{title}\n{table}")
}

/// What a result code means: QnRtn of a request, else ExeRtn. `None` for codes outside the tables.
pub fn result_name(lang: Lang, of_request: bool, code: u16) -> Option<&'static str> {
    let field = if of_request { "QnRtn" } else { "ExeRtn" };
    words::result(lang, field, &code.to_string())
}
