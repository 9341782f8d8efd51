//! Properties that must hold for any bytes: run by proptest here, and by the bodies over the committed corpus.

use plume_ingest::hj212::encode::{Field, Group, Message, frame};
use plume_schemas::report::Dialect;
use proptest::prelude::*;

use crate::bench::{Driven, MN_2005, MN_2017};
use crate::{bodies, vectors};

fn field() -> impl Strategy<Value = Field> {
    let name = "[a-zA-Z][a-zA-Z0-9]{0,7}(-[A-Z][a-zA-Z]{1,6})?";
    let value = prop_oneof![
        "-?[0-9]{1,6}(\\.[0-9]{1,3})?",
        "[A-Za-z0-9_.:-]{1,12}",
        Just(String::new())
    ];
    (name, value).prop_map(|(name, value)| Field { name, value })
}

fn message() -> impl Strategy<Value = Message> {
    let dialect = prop::sample::select(vec![Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025]);
    let header = ("20[0-9]{15}", "[2-9][1-9]", 1000_u16..9999, "[0-9]{6}", "[0-9A-F]{24}");
    let body = prop::collection::vec(prop::collection::vec(field(), 1..5).prop_map(Group), 0..30);
    (dialect, header, any::<bool>(), any::<bool>(), body).prop_map(
        |(dialect, (qn, st, cn, pw, mn), wants_answer, backfill, body)| Message {
            dialect,
            qn,
            // 21 with the version bits of 2025 is read as a surface-water station.
            st: if st == "21" { "31".to_owned() } else { st },
            cn,
            pw,
            mn,
            wants_answer,
            backfill,
            body,
        },
    )
}

/// A value as devices write it, mostly a number.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "-?[0-9]{1,5}(\\.[0-9]{1,3})?",
        1 => "[0-9]{7,12}\\.[0-9]{6,9}",
        1 => prop::sample::select(vec![
            "9999.99", "-", "--", "", "NaN", "1e3", " 1", "1 ", "//1//", "1.2.3", "+5", ".5",
        ])
            .prop_map(str::to_owned),
    ]
}

/// A content: each field with the values it has in three packets.
fn contents() -> impl Strategy<Value = Vec<(String, [String; 3])>> {
    let code = prop::sample::select(vec![
        "a21026", "a19001", "02", "S08", "Nh3-scr", "A21002", "SB1", "a34013", "L5",
    ]);
    let number = prop::sample::select(vec![
        "Rtd", "ZsRtd", "Avg", "ZsAvg", "Min", "Max", "Cou", "RS", "rtd", "DayData", "Ua",
    ]);
    let number = (code.clone(), number, [value(), value(), value()]);
    let flag = || prop::sample::select(vec!["N", "N", "N", "D", "Td", "n", "3", "", "C"]).prop_map(str::to_owned);
    let word = || "[0-9A-Za-z]{0,9}";
    let time = || {
        prop::sample::select(vec![
            "20260117135900",
            "20260118000000",
            "20260230000000",
            "202601171359",
        ])
    };
    let time = || time().prop_map(str::to_owned);
    let field = prop_oneof![
        5 => number.prop_map(|(code, sub, values)| (format!("{code}-{sub}"), values)),
        3 => (code.clone(), [flag(), flag(), flag()]).prop_map(|(code, values)| (format!("{code}-Flag"), values)),
        1 => (code.clone(), [word(), word(), word()]).prop_map(|(code, values)| (format!("{code}-EFlag"), values)),
        1 => (code, [word(), word(), word()]).prop_map(|(code, values)| (format!("{code}-SampleType"), values)),
        1 => [time(), time(), time()].prop_map(|values| ("DataTime".to_owned(), values)),
    ];
    prop::collection::vec(field, 0..12)
}

proptest! {
    #[test]
    fn a_shape_seen_before_is_read_as_the_first_time(
        contents in contents(),
        flag in prop::sample::select(vec!["", "Flag=1;", "Flag=5;", "Flag=9;"]),
        commas in any::<bool>(),
    ) {
        let separator = if commas { "," } else { ";" };
        let segments = [0, 1, 2].map(|packet| {
            let cp: Vec<String> = contents.iter().map(|(name, values)| format!("{name}={}", values[packet])).collect();
            let head = "QN=20260117140000001;ST=31;CN=2061;PW=123456;MN=010000A8900016F000169DC0;";
            format!("{head}{flag}CP=&&{}&&", cp.join(separator))
        });
        bodies::remembered(segments.join("\n").as_bytes());
    }

    #[test]
    fn what_is_written_is_read(message in message()) {
        let Ok(packets) = message.packets() else { return Ok(()) };
        prop_assert!(packets.iter().all(|packet| packet.len() <= 1036));
        prop_assert_eq!(bodies::read_back(&packets.concat()), bodies::flat(message));
    }

    #[test]
    fn answers_are_never_answered(
        row in 0_usize..20,
        header in "(QN=[0-9]{17};)?ST=(91|31);",
        cn in 9011_u16..=9014,
        flag in any::<u8>(),
        cp in "[A-Za-z=;0-9]{0,20}",
    ) {
        let mn = if row % 2 == 0 { MN_2017 } else { MN_2005 };
        let segment = format!("{header}CN={cn};PW=123456;MN={mn};Flag={flag};CP=&&{cp}&&");
        let mut driven = Driven::examples();
        driven.bytes(&frame(segment.as_bytes()));
        driven.all_durable();
        prop_assert!(driven.sent.is_empty());
    }

    #[test]
    fn bodies_hold_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        bodies::all(&bytes);
    }

    #[test]
    fn bodies_hold_for_mutated_packets(
        row in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        keep_checksum in any::<bool>(),
    ) {
        let frames = vectors::frames();
        let mut bytes = row.get(&frames).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !keep_checksum && bytes.len() > 12 {
            // A right checksum lets the damage through to the fields.
            let segment = bytes[6..bytes.len() - 6].to_vec();
            bytes = frame(&segment);
        }
        bodies::all(&bytes);
        let segment = |bytes: &[u8]| bytes.get(6..bytes.len() - 6).unwrap_or_default().to_vec();
        let first = segment(&frames[row.index(frames.len())]);
        let segments = [first.clone(), segment(&bytes), first];
        bodies::remembered(&segments.join(&b'\n'));
    }
}
