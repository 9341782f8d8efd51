//! Framing: well-formed, damaged, and cut anywhere.

use plume_ingest::hj212::CheckKind;
use plume_ingest::hj212::encode;
use plume_ingest::hj212::frame::{Framer, Item, MAX_GARBAGE_RUN_BYTES};
use plume_ingest::hj212::tolerance::{Tolerance, Tolerances};
use plume_schemas::report::QuarantineReason;
use proptest::prelude::*;

use crate::vectors;

const MAX_SEGMENT: usize = 2048;

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Frame(u64, Vec<u8>, CheckKind, Tolerances),
    Garbage(u64, Vec<u8>, QuarantineReason),
}

impl Got {
    fn of(item: &Item<'_>) -> Self {
        match *item {
            Item::Frame(ref f) => Self::Frame(f.stream_offset, f.segment.to_vec(), f.check.kind, f.needs),
            Item::Garbage {
                stream_offset,
                bytes,
                reason,
            } => Self::Garbage(stream_offset, bytes.to_vec(), reason),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Frame(_, bytes, ..) | Self::Garbage(_, bytes, _) => bytes.len(),
        }
    }
}

/// Pushes the pieces one after the other; `quiet` also says after the last one that the link is quiet.
fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, quiet: bool, finish: bool) -> Vec<Got> {
    let mut framer = Framer::new(MAX_SEGMENT);
    let mut got = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(item) = framer.next_item() {
            got.push(Got::of(&item));
        }
        assert!(framer.held_bytes() <= MAX_SEGMENT + 32 + MAX_GARBAGE_RUN_BYTES + piece.len());
    }
    if quiet {
        framer.quiet();
    }
    if finish {
        framer.finish();
    }
    while let Some(item) = framer.next_item() {
        got.push(Got::of(&item));
    }
    got
}

fn whole(stream: &[u8]) -> Vec<Got> {
    cut([stream], false, true)
}

fn segments(got: &[Got]) -> Vec<String> {
    got.iter()
        .filter_map(|one| match one {
            Got::Frame(_, segment, ..) => Some(String::from_utf8_lossy(segment).into_owned()),
            Got::Garbage(..) => None,
        })
        .collect()
}

const SEGMENT: &str =
    "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";

/// Exactly one frame of [`SEGMENT`] comes out of `stream`, checked as `kind` and by these tolerances.
#[track_caller]
fn one(stream: &str, kind: CheckKind, needs: &[Tolerance]) {
    let got = cut([stream.as_bytes()], true, false);
    let expected = Got::Frame(0, SEGMENT.into(), kind, needs.iter().copied().collect());
    assert_eq!(got, [expected], "{stream}");
}

#[test]
fn all_vectors_are_frames_as_printed() {
    for frame in vectors::frames() {
        let got = whole(&frame);
        assert!(
            matches!(got.as_slice(), [Got::Frame(0, _, CheckKind::Standard, needs)] if needs.is_empty()),
            "{got:?}"
        );
    }
}

#[test]
fn what_each_tolerance_lets_in() {
    use CheckKind::{Modbus, Standard, SwappedModbus, Wrong};
    use Tolerance::{LowerCaseCrc, ModbusCrc, OtherTail, ShortLength, SwappedModbusCrc, WrongLength};
    one(&format!("##0101{SEGMENT}1C80\r\n"), Standard, &[]);
    one(&format!("##101{SEGMENT}1C80\r\n"), Standard, &[ShortLength]);
    one(&format!("##0101{SEGMENT}1c80\r\n"), Standard, &[LowerCaseCrc]);
    one(&format!("##0101{SEGMENT}0759\r\n"), Modbus, &[ModbusCrc]);
    one(&format!("##0101{SEGMENT}5907\r\n"), SwappedModbus, &[SwappedModbusCrc]);
    one(&format!("##0101{SEGMENT}1C81\r\n"), Wrong, &[]);
    for tail in ["", "\n", "\r", "<CR><LF>", "\\r\\n"] {
        one(&format!("##0101{SEGMENT}1C80{tail}"), Standard, &[OtherTail]);
    }
    for length in [
        "0100", "0102", "0095", "0107", "0071", "0131", "0117", "0105", "2000", "9999",
    ] {
        one(&format!("##{length}{SEGMENT}1C80\r\n"), Standard, &[WrongLength]);
    }
    one(
        &format!("##99{SEGMENT}1C80\n"),
        Standard,
        &[ShortLength, WrongLength, OtherTail],
    );
    one(&format!("##0098{SEGMENT}1C81\r\n"), Wrong, &[WrongLength]);
    one(&format!("##0300{SEGMENT}1C81\r\n"), Wrong, &[WrongLength]);
}

#[test]
fn a_checksum_without_its_zeros() {
    let segment = "QN=20160801085857223;ST=32;CN=1012;PW=123456;MN=010000A8900016F000169DC0;Flag=5;\
                   CP=&&PolId=w01018;SystemTime=20160801085857&&";
    let got = cut([format!("##0125{segment}880\r\n").as_bytes()], false, false);
    let needs = Tolerances::NONE.with(Tolerance::ShortCrc);
    assert_eq!(got, [Got::Frame(0, segment.into(), CheckKind::Standard, needs)]);
}

#[test]
fn a_single_ampersand_is_cut_by_length() {
    let text = "ST=31;CN=2011;MN=1;CP=&DataTime=20160801085857&";
    let got = whole(&encode::frame(text.as_bytes()));
    assert_eq!(got, [Got::Frame(0, text.into(), CheckKind::Standard, Tolerances::NONE)]);
}

#[test]
fn glued_halved_and_interrupted() {
    let good = format!("##0101{SEGMENT}1C80");
    assert_eq!(
        segments(&whole(format!("{good}{good}\r\n{good}\r\n\r\n").as_bytes())).len(),
        3
    );
    // Half a frame, then whole ones: the half is garbage, the others are not lost.
    let half: String = good.chars().take(60).collect();
    let got = whole(format!("{half}{good}\r\n{good}\r\n").as_bytes());
    assert_eq!(got[0], Got::Garbage(0, half.clone().into(), QuarantineReason::Garbage));
    assert_eq!(segments(&got), [SEGMENT, SEGMENT]);
    // A head that declares more than any frame may have.
    let got = whole(format!("##9999{good}\r\n").as_bytes());
    assert_eq!(got[0], Got::Garbage(0, "##9999".into(), QuarantineReason::TooLong));
    assert_eq!(segments(&got), [SEGMENT]);
    // The stream ends in the middle.
    assert_eq!(
        whole(half.as_bytes()),
        [Got::Garbage(0, half.into(), QuarantineReason::CutOff)]
    );
    // Another protocol on the port, then a packet.
    let got = whole(format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n#{good}\r\n").as_bytes());
    assert!(matches!(&got[0], Got::Garbage(0, bytes, QuarantineReason::Garbage) if bytes.len() == 28));
    assert_eq!(segments(&got), [SEGMENT]);
    // Damaged text in front of a good packet does not take it along.
    let got = whole(format!("##0101{}1C80\r\n{good}\r\n", SEGMENT.replace("ST=32", "ST=33")).as_bytes());
    assert!(matches!(&got[0], Got::Frame(0, _, CheckKind::Wrong, _)));
    assert_eq!(segments(&got).len(), 2);
}

#[test]
fn a_half_frame_is_kept_while_the_link_is_quiet() {
    let good = format!("##0101{SEGMENT}1C80\r\n");
    let (head, tail) = good.as_bytes().split_at(50);
    let mut framer = Framer::new(MAX_SEGMENT);
    framer.push(head);
    assert_eq!(framer.next_item(), None);
    framer.quiet();
    assert_eq!(framer.next_item(), None);
    framer.push(tail);
    assert!(matches!(framer.next_item(), Some(Item::Frame(_))));
}

#[test]
fn raw_ciphers_are_cut_by_length() {
    for vector in vectors::all() {
        let Some((wire, _)) = vector.wire.zip(vector.cipher) else {
            continue;
        };
        let twice = [wire.as_slice(), wire.as_slice()].concat();
        let got = whole(&twice);
        let [Got::Frame(0, ..), Got::Frame(second, _, CheckKind::Wrong, _)] = got.as_slice() else {
            panic!("{got:?}");
        };
        assert_eq!(*second, wire.len() as u64);
    }
}

#[test]
fn noise_made_of_heads_costs_a_bounded_time() {
    // Each pattern once made the search start over from every head.
    let patterns = [
        "##",
        "##0",
        "##2000",
        "##2000&&",
        "##99QN=&&0000\r\n",
        "&&0000\r\n",
        "&&",
        "##1900&&0&&0\r\n&",
    ];
    let started = std::time::Instant::now();
    for pattern in patterns {
        let noise = pattern.repeat(1_000_000 / pattern.len());
        let pieces = cut(noise.as_bytes().chunks(1000), false, true);
        assert!(pieces.iter().map(Got::bytes).sum::<usize>() > 0);
    }
    // A debug build needs about a second for these eight megabytes; starting over would need hours.
    assert!(started.elapsed().as_secs() < 60);
}

/// Frames, damaged frames and noise, one after the other.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let frames = vectors::frames();
    let count = frames.len();
    let whole = (0..count).prop_map(move |at| frames[at].clone());
    let damaged = (whole.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, at, byte)| {
        let at = at.index(frame.len());
        frame[at] = byte;
        frame
    });
    let shortened = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut frame, at)| {
        frame.remove(at.index(frame.len()));
        frame
    });
    let halved = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut frame, at)| {
        frame.truncate(at.index(frame.len()));
        frame
    });
    let noise = prop::collection::vec(prop::sample::select(b"#&0159AFQN=;,\r\n\0\xE4".to_vec()), 0..40);
    let piece = prop_oneof![4 => whole, 2 => damaged, 1 => shortened, 1 => halved, 2 => noise];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn cut_anywhere_gives_the_same(stream in stream(), sizes in prop::collection::vec(1_usize..200, 1..20)) {
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(cut(pieces, false, true), whole(&stream));
        prop_assert_eq!(cut(stream.chunks(1), false, true), whole(&stream));
    }

    #[test]
    fn any_bytes_are_survived_and_none_vanish(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let got = whole(&bytes);
        let blanks = bytes.iter().filter(|b| b"\r\n \t\0".contains(b)).count();
        let out: usize = got.iter().map(Got::bytes).sum();
        prop_assert!(out + blanks >= bytes.len());
    }

    #[test]
    fn good_frames_behind_noise_are_found(noise in prop::collection::vec(any::<u8>(), 0..300), count in 1_usize..4) {
        let good = format!("##0101{SEGMENT}1C80\r\n").repeat(count);
        let stream = [noise.as_slice(), good.as_bytes()].concat();
        let found = segments(&cut([stream.as_slice()], false, false));
        // Noise that ends in `#` or digits may look like a longer head, and costs at most the first.
        prop_assert!(found.len() >= count - 1, "{:?}", found);
    }
}
