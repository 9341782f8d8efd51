//! Bodies of fuzz targets: each takes any bytes and panics where a property does not hold. A cargo-fuzz target calls
//! one of them;
//! here they run over the committed corpus, the annexes and the cases.

use plume_ingest::hj212::complaints::{Complaints, MAX_COMPLAINTS};
use plume_ingest::hj212::encode::{Field, Group, Message, frame};
use plume_ingest::hj212::explain::{Lang, Options, explain_all};
use plume_ingest::hj212::fields::{FieldReader, MAX_FIELDS};
use plume_ingest::hj212::frame::{Framer, Item};
use plume_ingest::hj212::headers::Headers;
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::sm4::{CipherForm, DeviceKeys, Key, open, region, seal};
use plume_ingest::hj212::tokens::Tokens;
use plume_schemas::report::Dialect;

use crate::bench::{Driven, catalogue};
use crate::vectors;

/// Every body.
pub(crate) fn all(bytes: &[u8]) {
    framer(bytes);
    fields(bytes);
    remembered(bytes);
    round_trip(bytes);
    session(bytes);
    sm4_region(bytes);
}

/// Cut into single bytes, into pieces as the bytes themselves say, or not at all: the same frames; and no more bytes
/// come out than went in.
pub(crate) fn framer(bytes: &[u8]) {
    let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framer = Framer::new(1024);
        let mut out: Vec<(u64, Vec<u8>, bool)> = Vec::new();
        let mut take = |framer: &mut Framer| {
            while let Some(item) = framer.next_item() {
                out.push(match item {
                    Item::Frame(frame) => (frame.stream_offset, frame.raw.to_vec(), true),
                    Item::Garbage {
                        stream_offset, bytes, ..
                    } => (stream_offset, bytes.to_vec(), false),
                });
            }
        };
        for piece in pieces {
            framer.push(piece);
            take(&mut framer);
        }
        framer.finish();
        take(&mut framer);
        out
    };
    let whole = run(&mut std::iter::once(bytes));
    assert_eq!(whole, run(&mut bytes.chunks(1)));
    let mut rest = bytes;
    let mut pieces = std::iter::from_fn(|| {
        let length = rest.len().min(1 + usize::from(*rest.first()? ^ *rest.last()?) % 64);
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    });
    assert_eq!(whole, run(&mut pieces));
    let mut end = 0;
    for (offset, raw, _) in whole {
        assert!(offset >= end, "items overlap");
        end = offset + raw.len() as u64;
        let place = usize::try_from(offset).unwrap();
        assert_eq!(bytes.get(place..place + raw.len()), Some(raw.as_slice()));
    }
    assert!(end <= bytes.len() as u64);
}

/// Any data segment is read, within its limits.
pub(crate) fn fields(bytes: &[u8]) {
    let mut complaints = Complaints::default();
    let packet = Packet::parse(bytes, &mut complaints);
    let mut reader = FieldReader::new(catalogue());
    let fields = reader.read(&packet, &mut complaints);
    assert!(fields.readings.len() <= MAX_FIELDS);
    assert!(complaints.list().len() <= MAX_COMPLAINTS);
}

/// Data segments, one a line, are read as if each were the first of its link.
pub(crate) fn remembered(bytes: &[u8]) {
    let (mut headers, mut reader) = (Headers::default(), FieldReader::new(catalogue()));
    for segment in bytes.split(|&b| b == b'\n').flat_map(|segment| [segment; 2]) {
        let (mut complaints, mut by_the_book) = (Complaints::default(), Complaints::default());
        let packet = headers.parse(segment, &mut complaints);
        let expected = Packet::parse(segment, &mut by_the_book);
        assert_eq!(packet, expected);
        let fields = reader.read(&packet, &mut complaints);
        assert_eq!(fields, FieldReader::new(catalogue()).read(&expected, &mut by_the_book));
        assert_eq!(complaints, by_the_book);
    }
}

/// The message of whole packets, put together again.
pub(crate) fn read_back(stream: &[u8]) -> Message {
    let mut framer = Framer::new(2048);
    framer.push(stream);
    let mut whole: Option<Message> = None;
    while let Some(item) = framer.next_item() {
        let Item::Frame(frame) = item else { panic!("{item:?}") };
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        let packet = Packet::parse(frame.segment, &mut Complaints::default());
        let fields = Tokens::new(packet.cp).map(|t| {
            Group(vec![Field {
                name: text(Some(t.name)),
                value: text(t.value),
            }])
        });
        match &mut whole {
            None => {
                whole = Some(Message {
                    dialect: packet.dialect,
                    qn: text(packet.qn),
                    st: text(packet.st),
                    cn: packet.cn.unwrap(),
                    pw: text(packet.pw),
                    mn: text(packet.mn),
                    wants_answer: packet.wants_answer(),
                    backfill: packet.backfill,
                    body: fields.collect(),
                });
            }
            Some(message) => message.body.extend(fields),
        }
    }
    whole.expect("a packet")
}

/// The message with each field a group of its own: separators are read alike.
pub(crate) fn flat(mut message: Message) -> Message {
    let fields = message.body.into_iter().flat_map(|group| group.0);
    message.body = fields.map(|field| Group(vec![field])).collect();
    message
}

/// What is written is read: the bytes choose dialect, flags and fields of a message.
pub(crate) fn round_trip(bytes: &[u8]) {
    let [dialect, flags, fields @ ..] = bytes else { return };
    let kept = |text: &[u8], more: &[u8]| -> String {
        let chars = text.iter().filter(|b| b.is_ascii_alphanumeric() || more.contains(b));
        chars.map(|&b| char::from(b)).collect()
    };
    let mut body: Vec<Group> = Vec::new();
    for line in fields.split(|&b| b == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|&b| b == b'=').unwrap_or(line.len()));
        let field = Field {
            name: format!("x{}", kept(name, b"-").trim_end_matches('-')),
            value: kept(value, b"_.:-"),
        };
        match body.last_mut().filter(|_| line.first() == Some(&b',')) {
            Some(group) => group.0.push(field),
            None => body.push(Group(vec![field])),
        }
    }
    let message = Message {
        dialect: [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025][usize::from(dialect % 3)],
        qn: "20260117140000001".to_owned(),
        st: "31".to_owned(),
        cn: 2051,
        pw: "123456".to_owned(),
        mn: "010000A8900016F000169DC0".to_owned(),
        wants_answer: flags & 1 == 1,
        backfill: flags & 2 == 2,
        body,
    };
    let Ok(packets) = message.packets() else { return };
    assert!(packets.iter().all(|packet| packet.len() <= 1036));
    assert_eq!(read_back(&packets.concat()), flat(message));
}

/// A link survives any bytes, answers no more than it keeps, and holds no more than it may.
pub(crate) fn session(bytes: &[u8]) {
    let mut driven = Driven::examples();
    for piece in bytes.chunks(97) {
        driven.bytes(piece);
    }
    driven.quiet();
    driven.end();
    assert!(driven.sent.is_empty(), "answered before anything was safe");
    driven.all_durable();
    let packets = driven.reports().len() + driven.quarantined().len();
    let repeats = driven
        .notes
        .iter()
        .filter(|note| matches!(note, plume_ingest::hj212::session::Note::Packet { repeat: true, .. }));
    assert!(driven.sent.len() <= packets + repeats.count());
    assert_eq!(driven.session.pending(), (0, 0));
}

/// What is sealed is opened again, in both forms.
pub(crate) fn sm4_region(bytes: &[u8]) {
    let key = Key::from_bytes(*b"0123456789abcdef");
    let keys = DeviceKeys {
        literal: true,
        ..DeviceKeys::of(key.clone())
    };
    let segment = [b"ST=31;MN=1;Flag=9;CP=&&", bytes, b"&&"].concat();
    let clear = frame(&segment);
    let given = plume_ingest::hj212::crc::hj212(&segment);
    for form in [CipherForm::Raw, CipherForm::Literal] {
        let sealed = seal(&clear, &key, form);
        let inner = &sealed[clear.len() - segment.len() - 6..sealed.len() - 6];
        let opened = open(inner, given, &keys).expect("opens");
        // The checksum has eight bits, so a wrong reading may pass; the raw form is tried first.
        assert!(opened.segment == segment || form == CipherForm::Literal);
    }
    if let Some((from, to)) = region(bytes) {
        assert!(from <= to && to <= bytes.len());
    }
}

#[test]
fn the_committed_corpus() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        all(&bytes);
        let explained = explain_all(&bytes, &catalogue(), Lang::Zh, &Options::default());
        assert!(
            explained
                .iter()
                .all(|one| !one.to_string().is_empty() && !one.to_json().is_empty())
        );
        files += 1;
    }
    assert!(files >= 15, "the corpus is missing");
    for frame in vectors::frames() {
        all(&frame);
    }
}
