//! The desk's page 报文解析: what `plume decode` says, as rows. The desk does not know HJ 212, and ingest no pages.

use plume_alert::desk::{Decoded, DecodedRow};
use plume_alert::words::Lang as DeskLang;
use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::explain::{Explanation, Lang, Options, explain_all};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::{ReplyKind, reply};
use plume_schemas::factors::Catalogue;

/// Packets of one request that are shown; a page with more is read by nobody.
const MAX_PACKETS: usize = 50;

/// Takes what was pasted apart.
pub(crate) fn decode(text: &str, lang: DeskLang) -> Decoded {
    let lang_of_ingest = match lang {
        DeskLang::Zh => Lang::Zh,
        DeskLang::En => Lang::En,
    };
    let catalogue = match Catalogue::embedded() {
        Ok(catalogue) => catalogue,
        Err(error) => {
            return Decoded {
                verdict: error.to_string(),
                rows: Vec::new(),
            };
        }
    };
    let all = explain_all(text.as_bytes(), &catalogue, lang_of_ingest, &Options::default());
    let unreadable = all.iter().filter(|one| !one.readable()).count();
    let verdict = match (all.as_slice(), unreadable) {
        ([one], 0) => one.title.clone(),
        ([one], _) => format!(
            "{} · {}",
            one.title,
            lang.pick("平台不接收", "a platform does not take it")
        ),
        (many, bad) => match lang {
            DeskLang::Zh => format!("{} 个报文，{bad} 个平台不接收", many.len()),
            DeskLang::En => format!("{} packets, {bad} a platform does not take", many.len()),
        },
    };
    let mut rows = Vec::new();
    for (number, explanation) in all.iter().take(MAX_PACKETS).enumerate() {
        if all.len() > 1 {
            rows.push(row(format!("{}.", number + 1), &explanation.title, ""));
        }
        rows.extend(rows_of(explanation, lang_of_ingest));
    }
    if all.len() > MAX_PACKETS {
        let shown = match lang {
            DeskLang::Zh => format!("只显示前 {MAX_PACKETS} 个；更多请用 plume decode --file"),
            DeskLang::En => format!("the first {MAX_PACKETS} are shown; use plume decode --file for more"),
        };
        rows.push(row("…".to_owned(), &shown, ""));
    }
    Decoded { verdict, rows }
}

/// The exact bytes that a packet is answered with, for the live tail of a device.
pub(crate) fn answer(raw: &[u8]) -> Option<Vec<u8>> {
    let (head, tail) = (raw.get(6..)?, raw.windows(2).rposition(|pair| pair == b"&&")?);
    let segment = head.get(..(tail + 2).checked_sub(6)?)?;
    let packet = Packet::parse(segment, &mut Complaints::default());
    ReplyKind::wanted_by(&packet).map(|kind| reply(&packet, kind))
}

fn row(name: String, value: &str, note: &str) -> DecodedRow {
    DecodedRow {
        name,
        value: value.to_owned(),
        note: note.to_owned(),
    }
}

/// What is wrong comes first: it is what the reader came for.
fn rows_of(explanation: &Explanation, lang: Lang) -> Vec<DecodedRow> {
    let findings = explanation
        .findings
        .iter()
        .map(|finding| row(finding.level.word(lang).to_owned(), &finding.what, &finding.advice));
    let named = [&explanation.frame, &explanation.header, &explanation.parameters];
    let named = named.into_iter().flatten().map(|named| {
        let name = format!("{} {}", named.field, named.name);
        row(name.trim_end().to_owned(), &named.value, &named.meaning)
    });
    let data = explanation.data.iter().map(|datum| {
        let name = format!("{} {} {}", datum.code, datum.name, datum.statistic);
        let value = format!("{} {}", datum.value, datum.unit);
        row(name, value.trim_end(), &datum.flag)
    });
    let answers = explanation.answer.lines();
    let answers = answers.map(|answer| row(explanation.answer_title().to_owned(), answer, ""));
    findings.chain(named).chain(data).chain(answers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;\
                          CP=&&RtdInterval=30&&";

    #[test]
    fn the_page_says_what_the_command_says() {
        let wrong = decode(&format!("{PACKET}0759\r\n"), DeskLang::Zh);
        assert!(
            wrong.verdict.contains("CN 1062") && wrong.verdict.contains("平台不接收"),
            "{wrong:?}"
        );
        assert!(
            wrong.rows[0].name == "错误" && wrong.rows[0].value.contains("应为 1C80"),
            "{wrong:?}"
        );
        let both = decode(&format!("{PACKET}1C80\r\n{PACKET}1C80\r\n"), DeskLang::En);
        assert_eq!(both.verdict, "2 packets, 0 a platform does not take");
        let text = format!("{both:?}");
        assert!(
            text.contains("real-time interval (s)") && text.contains("the device answers"),
            "{text}"
        );
        assert!(!text.contains("100000"), "the password is shown");
        assert_eq!(
            decode(&format!("{PACKET}1C80\r\n").repeat(60), DeskLang::Zh)
                .rows
                .last()
                .map(|row| row.name.as_str()),
            Some("…")
        );
    }

    #[test]
    fn the_answer_of_the_tail_is_the_one_that_was_sent() {
        let mn = "PW=123456;MN=010000A8900016F000169DC0";
        let packet = |flag: &str| {
            let segment = format!("QN=20160801085857223;ST=32;CN=2011;{mn};Flag={flag};CP=&&&&");
            String::from_utf8(plume_ingest::hj212::encode::frame(segment.as_bytes())).unwrap()
        };
        let said = answer(packet("5").as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            said.as_deref(),
            Some(
                "##0087QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&3240\r\n"
            )
        );
        assert_eq!(answer(packet("4").as_bytes()), None, "no answer is wanted");
        for cut in ["", "##", "##0001", "&&"] {
            assert_eq!(answer(cut.as_bytes()), None, "{cut}");
        }
    }
}
