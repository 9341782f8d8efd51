//! A whole message: subject, text and HTML, with place, time and the fixed footer.

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::OutletId;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Time;

use super::{Lang, Saying, Words, factor_name, headline, severity_word};
use crate::book::Purpose;
use crate::case::Case;

/// At the foot of every warning to an enterprise: its legal status, and what not to do.
pub const FOOTER_ZH: &str = "本提示为服务性提醒，依据未经审核的自动监测数据作出，不作为行政处罚依据，也不免除排污单位的法定义务。\
                             请勿以校准、断电、断网、不实标记等方式影响数据。";
/// The same in English.
pub const FOOTER_EN: &str = "This is a service reminder based on unaudited automatic monitoring data. It is no \
                             basis for a penalty and relieves the discharger of no legal duty. Do not influence \
                             the data by calibration, power or network cuts, or untrue marks.";

/// At the foot of a reminder of a date, which rests on no data.
pub const DATE_FOOTER_ZH: &str = "本提示为服务性提醒，以法律法规和审批部门的决定为准，不免除排污单位的法定义务。";
/// The same in English.
pub const DATE_FOOTER_EN: &str = "This is a service reminder. The law and the decisions of the approving authority \
                                  prevail; the discharger is relieved of no legal duty.";

/// A message ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Message {
    /// Says that it was said before, and that nobody has signed for it.
    pub fn mark_repeated(&mut self, lang: Lang) {
        let mark = lang.pick("【仍未签收】", "[not acknowledged] ");
        self.subject.insert_str(0, mark);
        self.text.insert_str(0, mark);
    }

    /// Puts a line with an address before the footer.
    pub fn add_link(&mut self, label: &str, address: &str) {
        let footer_at = self.text.trim_end().rfind("\n\n").unwrap_or(self.text.len());
        self.text.insert_str(footer_at, &format!("\n\n{label}{address}"));
        let line = format!("<p><a href=\"{0}\">{1}{0}</a></p>", escape(address), escape(label));
        let footer_at = self.html.rfind("<p style=").unwrap_or(self.html.len());
        self.html.insert_str(footer_at, &line);
    }
}

/// Where something happens, in people's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The enterprise's name, else its code.
    pub enterprise: String,
    /// `DA001`, with the outlet's name where it has one.
    pub outlet: String,
}

impl Place {
    /// The names of an outlet by the registry; its id where the registry does not know it.
    pub fn of(outlet: OutletId, registry: &RegistryIndex) -> Self {
        let id = outlet.as_str();
        let (enterprise, number) = id.split_once(':').unwrap_or((id, id));
        match registry.outlet(outlet) {
            None => Self {
                enterprise: enterprise.to_owned(),
                outlet: number.to_owned(),
            },
            Some(known) => Self {
                enterprise: registry
                    .enterprise(known.enterprise)
                    .map_or_else(|| known.enterprise.to_string(), |enterprise| enterprise.name.clone()),
                outlet: match known.name.as_str() {
                    "" => known.number.clone(),
                    name => format!("{}（{name}）", known.number),
                },
            },
        }
    }
}

/// The message about a case for one purpose; `note` is what a person adds, e.g. the guidance of a review.
pub fn message(
    words: &Words,
    case: &Case,
    purpose: Purpose,
    note: &str,
    place: &Place,
    catalogue: &Catalogue,
    lang: Lang,
) -> Message {
    let saying = match purpose {
        Purpose::Cleared => Saying::Cleared,
        Purpose::Retracted => Saying::Retracted,
        Purpose::Confirmed => Saying::Confirmed,
        Purpose::First | Purpose::Worsened | Purpose::Reopened | Purpose::Escalated | Purpose::Repeated => {
            Saying::Breach
        }
        Purpose::Overdue | Purpose::Returned | Purpose::Reminder | Purpose::Digest | Purpose::Invitation => {
            Saying::of(&case.judgement, case.certainty)
        }
    };
    let mut sentence = headline(words, &case.judgement, case.certainty, saying, catalogue, lang);
    if !note.is_empty() {
        sentence = format!("{}{note}\n\n{sentence}", lang.pick(noted(purpose).0, noted(purpose).1));
    }
    let factor = case
        .factor
        .map(|factor| factor_name(factor, catalogue, lang))
        .unwrap_or_default();
    let grave = severity_word(case.severity, case.certainty, lang);
    let label = match purpose {
        Purpose::First | Purpose::Confirmed => grave,
        Purpose::Cleared | Purpose::Retracted => lang.pick(purpose.zh(), purpose.en()).to_owned(),
        _ => format!("{grave}·{}", lang.pick(purpose.zh(), purpose.en())),
    };
    let rule = lang.pick(case.rule().zh(), case.rule().en());
    let what = if factor.is_empty() {
        rule.to_owned()
    } else {
        format!("{factor} {rule}")
    };
    let subject = match lang {
        Lang::Zh => format!("【{label}】{what} · {} {}", place.enterprise, place.outlet),
        Lang::En => format!("[{label}] {what} · {} {}", place.enterprise, place.outlet),
    };
    let mut path = vec![place.enterprise.as_str(), place.outlet.as_str()];
    if !factor.is_empty() {
        path.push(&factor);
    }
    compose(&subject, &path.join(" › "), &sentence, case.judgement.judged_at, lang)
}

/// What stands before a note.
fn noted(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::Returned => ("退回补充，指导意见：", "Returned, guidance: "),
        Purpose::Overdue => ("应于以下日期前反馈，现已逾期：", "The answer was due on "),
        _ => ("", ""),
    }
}

/// The message with a code to sign in by.
pub(crate) fn code_message(code: &str, good_ms: i64, lang: Lang) -> Message {
    let minutes = good_ms / plume_schemas::time::MINUTE_MS;
    let (subject, line) = match lang {
        Lang::Zh => (
            format!("【登录验证码】{code}"),
            format!("登录验证码 {code}，{minutes} 分钟内有效。请勿转告他人。"),
        ),
        Lang::En => (
            format!("[code] {code}"),
            format!("Your code is {code}, good for {minutes} minutes. Tell nobody."),
        ),
    };
    sheet(
        &subject,
        &[line],
        lang.pick("如非本人操作，请忽略。", "Not you? Ignore this."),
        lang,
    )
}

/// The message of `plume notify test`.
pub fn test_message(now: Time, lang: Lang) -> Message {
    let subject = lang.pick("【测试】plume 通知测试", "[test] plume notice test");
    let sentence = lang.pick(
        "这是一条测试消息，收到即表示该通道可用。",
        "This is a test message. Receiving it means that the channel works.",
    );
    compose(subject, "plume", sentence, now, lang)
}

/// A message of lines: digests and reminders. Without lines the subject says it all.
pub fn sheet(subject: &str, lines: &[String], footer: &str, lang: Lang) -> Message {
    let mut text = format!("{subject}\n\n");
    let mut html = String::new();
    for line in lines {
        text.extend([line, "\n"]);
        html.extend(["<p>", &escape(line), "</p>"]);
    }
    text.extend(if lines.is_empty() {
        [footer, "\n"]
    } else {
        ["\n", footer]
    });
    Message {
        subject: one_line(subject),
        html: page(subject, &html, footer, lang),
        text: format!("{}\n", text.trim_end()),
    }
}

/// A line break in a name would end the header of a mail.
fn one_line(subject: &str) -> String {
    subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Several messages to one receiver as one: each with its subject as a heading, the footer once.
pub fn bundle(messages: &[&Message], lang: Lang) -> Message {
    let count = messages.len();
    let first = messages.first().map_or("", |message| message.subject.as_str());
    let subject = match lang {
        Lang::Zh => format!("{first} 等{count}条提醒"),
        Lang::En => format!("{first} and {} more", count.saturating_sub(1)),
    };
    let footer = lang.pick(FOOTER_ZH, FOOTER_EN);
    let mut text = String::new();
    let mut html = String::new();
    for message in messages {
        let whole = message.text.trim_end();
        let dated = lang.pick(DATE_FOOTER_ZH, DATE_FOOTER_EN);
        let body = whole
            .strip_suffix(footer)
            .or_else(|| whole.strip_suffix(dated))
            .unwrap_or(whole);
        let body = body.strip_prefix(message.subject.as_str()).unwrap_or(body).trim();
        text.extend([message.subject.as_str(), "\n", body, "\n\n"]);
        html.extend(["<h3>", &escape(&message.subject), "</h3>"]);
        for paragraph in body.split("\n\n") {
            html.extend(["<p>", &escape(paragraph).replace('\n', "<br>"), "</p>"]);
        }
    }
    text.extend([footer, "\n"]);
    Message {
        html: page(&subject, &html, footer, lang),
        subject,
        text,
    }
}

fn compose(subject: &str, path: &str, sentence: &str, at: Time, lang: Lang) -> Message {
    let footer = lang.pick(FOOTER_ZH, FOOTER_EN);
    let time = format!("{} {}", at.date(), at.hour_minute());
    let text = format!("{path}\n{time}\n\n{sentence}\n\n{footer}\n");
    let html = page(
        subject,
        &format!(
            "<p style=\"color:#52606d\">{}<br>{time}</p><p style=\"font-size:1.15em\">{}</p>",
            escape(path),
            escape(sentence),
        ),
        footer,
        lang,
    );
    Message {
        subject: one_line(subject),
        text,
        html,
    }
}

/// A whole HTML mail around `body`, with the footer. `body` is HTML already.
fn page(title: &str, body: &str, footer: &str, lang: Lang) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"{language}\"><head><meta \
         charset=\"utf-8\"><title>{title}</title></head><body style=\"font-family:'PingFang SC','Noto Sans \
         SC','Microsoft YaHei',sans-serif;line-height:1.6;color:#1f2933\">{body}<p \
         style=\"color:#52606d;font-size:0.85em;border-top:1px solid \
         #cbd2d9;padding-top:8px\">{footer}</p></body></html>",
        language = lang.pick("zh-CN", "en"),
        title = escape(title),
        footer = escape(footer),
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
