//! What is written comes back; what was not written by us is refused in words, never with a panic.

use plume_schemas::entry::EntryBody;
use plume_schemas::wire::{
    WireError, decode_entry, decode_event, decode_judgement, decode_quarantined, encode_entry, encode_event,
    encode_judgement, encode_quarantined,
};
use proptest::prelude::*;

use crate::strategies;

proptest! {
    #[test]
    fn entries_come_back(entry in strategies::entry()) {
        let bytes = encode_entry(&entry);
        let back = decode_entry(&bytes).unwrap();
        prop_assert_eq!(&encode_entry(&back), &bytes);
        prop_assert_eq!(back, entry);
    }

    #[test]
    fn quarantined_comes_back(quarantined in strategies::quarantined()) {
        prop_assert_eq!(decode_quarantined(&encode_quarantined(&quarantined)).unwrap(), quarantined);
    }

    #[test]
    fn judgements_come_back(judgement in strategies::judgement()) {
        prop_assert_eq!(decode_judgement(&encode_judgement(&judgement)).unwrap(), judgement);
    }

    #[test]
    fn events_come_back(event in strategies::event()) {
        prop_assert_eq!(decode_event(&encode_event(&event)).unwrap(), event);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        // A value or an error: the point is that each call returns.
        let refused = [
            decode_entry(&bytes).err(),
            decode_quarantined(&bytes).err(),
            decode_judgement(&bytes).err(),
            decode_event(&bytes).err(),
        ];
        for error in refused.into_iter().flatten() {
            prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        }
    }

    /// Nearly right bytes go further into the decoder than random ones.
    #[test]
    fn damaged_records_are_answered(
        entry in strategies::entry(),
        at: prop::sample::Index,
        byte: u8,
        cut: prop::sample::Index,
    ) {
        let mut bytes = encode_entry(&entry);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(back) = decode_entry(&bytes) {
            // What is accepted is a value like any other: it can be written and read again.
            prop_assert!(decode_entry(&encode_entry(&back)).is_ok());
        }
    }
}

#[test]
fn closed_sets_are_strict() {
    // An entry with a tick, then the same with another format.
    let tick = [0x1a, 0x05, 0x0a, 0x01, b'a', 0x10, 0x02];
    assert!(matches!(decode_entry(&tick), Ok(EntryBody::Tick(_))));
    let other_format = [&[0x08, 0x01], &tick[..]].concat();
    assert!(matches!(
        decode_entry(&other_format),
        Err(WireError::Format { found: 1, .. })
    ));
    // A presence in state 9.
    let presence = [
        0x22, 0x0b, 0x0a, 0x01, b'M', 0x12, 0x01, b'O', 0x1a, 0x01, b'i', 0x20, 0x09,
    ];
    assert!(matches!(
        decode_entry(&presence),
        Err(WireError::UnknownNumber {
            field: "presence.state",
            number: 9
        })
    ));
    assert!(matches!(
        decode_entry(&[]),
        Err(WireError::Missing { field: "entry.body" })
    ));
}
