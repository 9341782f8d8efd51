//! HJ 212-2025: every row decodes, and those with a cipher encrypt and decrypt to it.

use std::sync::Arc;

use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::CheckKind;
use plume_ingest::hj212::encode::frame;
use plume_ingest::hj212::frame::{Framer, Item};
use plume_ingest::hj212::sm4::{CipherForm, DeviceKeys, Key, KeyRing, open, seal};
use plume_schemas::ids::Mn;
use plume_schemas::report::{Dialect, QuarantineReason};

use crate::bench::{Driven, MN_2017, config, example_registry};
use crate::vectors;

fn test_key() -> Key {
    Key::parse("0000000000000000").unwrap()
}

fn driven(keys: Option<DeviceKeys>) -> Driven {
    let ring = KeyRing::default();
    if let Some(keys) = keys {
        ring.insert(Mn::new(MN_2017).unwrap(), keys);
    }
    let config = IngestConfig {
        keys: Arc::new(ring),
        ..config()
    };
    Driven::new(config, example_registry(), "20240520210800")
}

fn keys(current: Key, previous: Option<Key>, literal: bool) -> DeviceKeys {
    DeviceKeys {
        previous,
        literal,
        ..DeviceKeys::of(current)
    }
}

/// (frame in clear, frame on the wire, printed segment) of the rows with a cipher.
fn ciphered() -> Vec<(Vec<u8>, Vec<u8>, String)> {
    let rows = vectors::all().into_iter().filter(|v| v.cipher.is_some());
    rows.filter_map(|v| Some((vectors::with_tail(&v.packet?), v.wire?, v.printed?)))
        .collect()
}

#[test]
fn every_row_of_2025_is_read() {
    let mut packets = 0;
    for vector in vectors::all().into_iter().filter(|v| v.version == "2025") {
        let Some(packet) = vector.packet else { continue };
        let mut driven = driven(None);
        driven.now = driven.now.plus(40 * 86_400_000);
        driven.bytes(&vectors::with_tail(&packet));
        let dialects: Vec<Dialect> = driven.reports().iter().map(|report| report.origin.dialect).collect();
        let aside: Vec<QuarantineReason> = driven.quarantined().iter().map(|record| record.reason).collect();
        // Requests of a platform bring no data; the answer to 1001 has no MN.
        let without_data = [QuarantineReason::NoDataTime, QuarantineReason::NoIdentity];
        assert!(
            dialects == [Dialect::Hj2025] || aside.iter().all(|reason| without_data.contains(reason)),
            "{packet}"
        );
        assert_eq!(dialects.len() + aside.len(), 1, "{packet}");
        packets += 1;
    }
    assert_eq!(packets, 38);
}

#[test]
fn ciphers_of_the_annex_both_ways() {
    let mut checked = 0;
    for vector in vectors::all() {
        let (Some((cipher, key)), Some(plain)) = (vector.cipher, vector.plaintext) else {
            continue;
        };
        // The sign-on of annex H pads, which is not the packet's cipher; its whole blocks are the same.
        let whole = plain.len() / 16 * 16;
        let key = Key::from_bytes(key.try_into().unwrap());
        let mut block = if vector.version == "2025" && vector.packet.is_none() && whole == 32 {
            vectors::unhex(&plain)
        } else {
            plain.clone().into_bytes()
        };
        if vector.packet.is_none() && block.len() % 16 != 0 {
            block.truncate(block.len() / 16 * 16);
        }
        let clear = block.clone();
        key.encrypt(&mut block);
        let blocks = block.len() / 16 * 16;
        assert_eq!(block[..blocks], cipher[..blocks], "row {}", vector.row);
        key.decrypt(&mut block);
        assert_eq!(block, clear);
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn sealed_frames_are_those_of_the_annex() {
    let rows = ciphered();
    assert_eq!(rows.len(), 2);
    for (clear, wire, printed) in rows {
        assert_eq!(seal(&clear, &test_key(), CipherForm::Raw), wire);
        let literal = seal(&clear, &test_key(), CipherForm::Literal);
        let literal = String::from_utf8(literal).unwrap();
        // The printed form has the checksum too, but neither `##` and length nor the line end.
        assert_eq!(literal.get(6..literal.len() - 2), Some(printed.as_str()));
    }
}

#[test]
fn encrypted_packets_are_opened_and_answered() {
    for (clear, wire, _) in ciphered() {
        let mut driven = driven(Some(keys(test_key(), None, false)));
        driven.bytes(&wire);
        driven.all_durable();
        let reports = driven.reports();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].evidence.raw, clear, "evidence is kept in clear");
        assert_eq!(reports[0].evidence.key_id, Some(test_key().id()));
        assert_eq!(driven.answered(), ["9014"]);
        assert!(driven.sent[0].contains("Flag=8;"));
    }
}

#[test]
fn the_key_before_and_the_literal_form() {
    let other = Key::parse("1111111111111111").unwrap();
    for (clear, wire, _) in ciphered() {
        let mut previous = driven(Some(keys(other.clone(), Some(test_key()), false)));
        previous.bytes(&wire);
        assert_eq!(previous.reports().len(), 1);
        let literal = seal(&clear, &test_key(), CipherForm::Literal);
        let mut allowed = driven(Some(keys(test_key(), None, true)));
        allowed.bytes(&literal);
        allowed.quiet();
        assert_eq!(allowed.reports().len(), 1);
        assert_eq!(allowed.reports()[0].evidence.raw, clear);
        let mut refused = driven(Some(keys(test_key(), None, false)));
        refused.bytes(&literal);
        refused.quiet();
        assert_eq!(refused.quarantined()[0].reason, QuarantineReason::NoKey);
    }
}

#[test]
fn without_the_right_key_there_is_silence() {
    for keys in [None, Some(keys(Key::parse("1111111111111111").unwrap(), None, false))] {
        for (_, wire, _) in ciphered() {
            let mut driven = driven(keys.clone());
            driven.bytes(&wire);
            driven.all_durable();
            assert_eq!(driven.quarantined()[0].reason, QuarantineReason::NoKey);
            assert!(driven.sent.is_empty());
        }
    }
}

#[test]
fn a_cipher_full_of_frame_marks_is_cut_by_length() {
    // The cipher first, so that it can hold every mark a frame has; the plain text is what decrypts to it.
    let key = test_key();
    let mut cipher = b"##0020ST=31;&&1C80\r\n##0101QN=2016&&&&0000\r\n##&&FF01\r\n".to_vec();
    cipher.resize(cipher.len().next_multiple_of(16), b'.');
    let mut plain = cipher.clone();
    key.decrypt(&mut plain);
    let header = format!("QN=20240520210700000;ST=31;CN=2011;PW=123456;MN={MN_2017};Flag=9;CP=&&");
    let segment = [header.as_bytes(), &plain, b"&&"].concat();
    let sealed = seal(&frame(&segment), &key, CipherForm::Raw);
    assert!(sealed.windows(cipher.len()).any(|part| part == cipher));
    let device = keys(key, None, false);
    for cut in 1..sealed.len() {
        let mut framer = Framer::new(8192);
        for piece in [sealed.as_slice(), sealed.as_slice()].concat().chunks(cut) {
            framer.push(piece);
            while let Some(item) = framer.next_item() {
                let Item::Frame(found) = item else { panic!("{item:?}") };
                assert_eq!((found.raw, found.check.kind), (sealed.as_slice(), CheckKind::Wrong));
                assert_eq!(
                    open(found.segment, found.check.given, &device).unwrap().segment,
                    segment
                );
            }
        }
        assert_eq!(framer.held_bytes(), 0);
    }
}

/// The checksum is that of the plain text. It has 8 bits, so one cipher in 256 has it too: such a packet is opened like
/// any other, and without a key it is no clear text.
#[test]
fn a_cipher_whose_checksum_fits_by_chance_is_opened_all_the_same() {
    let header = |ms: u32| format!("QN=20240520210700{ms:03};ST=31;CN=2011;PW=123456;MN={MN_2017};Flag=9;");
    let mut met = 0;
    for ms in 0..999 {
        let content = format!("CP=&&DataTime=20240520210700;a21026-Rtd={}.5,a21026-Flag=N&&", 100 + ms);
        let clear = frame((header(ms) + &content).as_bytes());
        let wire = seal(&clear, &test_key(), CipherForm::Raw);
        let mut framer = Framer::new(8192);
        framer.push(&wire);
        let Some(Item::Frame(found)) = framer.next_item() else {
            panic!("no frame")
        };
        if found.check.kind == CheckKind::Wrong {
            continue;
        }
        met += 1;
        let mut opened = driven(Some(keys(test_key(), None, false)));
        opened.bytes(&wire);
        opened.all_durable();
        assert_eq!(opened.reports().len(), 1, "{ms}");
        assert_eq!(opened.reports()[0].evidence.raw, clear);
        assert_eq!(opened.reports()[0].evidence.key_id, Some(test_key().id()));
        assert_eq!(opened.answered(), ["9014"]);
        let mut closed = driven(None);
        closed.bytes(&wire);
        closed.all_durable();
        assert!(
            closed.reports().is_empty() && closed.sent.is_empty(),
            "{ms}: a cipher was answered"
        );
    }
    assert!(met > 0, "chance was not met");
}
