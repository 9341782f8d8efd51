//! How a packet is spoken: what its header departs in, and what belongs to another edition than it claims.

use std::collections::BTreeMap;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Basis, Flag};
use plume_schemas::report::Dialect;

use super::articles::Own;
use super::report::Spoken;
use crate::hj212::fields::Fields;
use crate::hj212::packet::{Packet, find_cp};
use crate::hj212::tokens::Tokens;

/// Header keys in the order of table 3.
const ORDER: [&[u8]; 9] = [b"QN", b"ST", b"CN", b"PW", b"MN", b"Flag", b"PNUM", b"PNO", b"RF"];
/// Length of an MN since 2017.
const MN_BYTES: usize = 24;
/// Length of a password.
const PW_BYTES: usize = 6;

/// What the packets claim and what they speak.
#[derive(Debug, Default)]
pub(super) struct Traits {
    claimed: BTreeMap<Dialect, u64>,
    foreign: BTreeMap<(Dialect, String), u64>,
}

impl Traits {
    /// Counts a packet; gives what of another edition is in it.
    pub(super) fn saw(
        &mut self,
        packet: &Packet<'_>,
        fields: &Fields,
        encrypted: bool,
        catalogue: &Catalogue,
    ) -> Vec<(Own, String)> {
        let claimed = packet.dialect;
        *self.claimed.entry(claimed).or_default() += 1;
        let mut foreign = Vec::new();
        let mut put = |edition: Dialect, what: String, own: Own| {
            if edition != claimed {
                foreign.push((edition, what, own));
            }
        };
        for (edition, what) in newer(packet, fields, encrypted) {
            if edition > claimed {
                put(edition, what, Own::EditionMixed);
            }
        }
        if claimed != Dialect::Hj2005
            && let Some(code) = code_of_2005(packet, catalogue)
        {
            put(Dialect::Hj2005, format!("{code}-…"), Own::Codes2005);
        }
        let texts = foreign.iter().map(|(_, what, own)| (*own, what.clone())).collect();
        for (edition, what, _) in foreign {
            *self.foreign.entry((edition, what)).or_default() += 1;
        }
        texts
    }

    /// The edition most packets claim.
    pub(super) fn claimed(&self) -> Option<Dialect> {
        let most = self.claimed.iter().max_by_key(|(_, count)| **count)?;
        Some(*most.0)
    }

    /// Both, for the report.
    pub(super) fn spoken(&self) -> Spoken {
        let total: u64 = self.claimed.values().sum();
        let share = |wanted: Dialect| {
            let of = self.foreign.iter().filter(|((edition, _), _)| *edition == wanted);
            of.map(|(_, count)| *count).max().unwrap_or(0)
        };
        let claimed = self.claimed();
        // A claim is believed unless much of what comes belongs to another edition.
        let other = [Dialect::Hj2025, Dialect::Hj2017, Dialect::Hj2005]
            .into_iter()
            .find(|edition| share(*edition) * 2 > total);
        Spoken {
            claimed: self
                .claimed
                .iter()
                .map(|(dialect, count)| (dialect.code().to_owned(), *count))
                .collect(),
            spoken: other.or(claimed).map_or("-", Dialect::code).to_owned(),
            foreign: self
                .foreign
                .iter()
                .map(|((edition, what), count)| (format!("{}: {what}", edition.code()), *count))
                .collect(),
        }
    }
}

/// What only came with a newer edition.
fn newer(packet: &Packet<'_>, fields: &Fields, encrypted: bool) -> Vec<(Dialect, String)> {
    let mut found = Vec::new();
    match packet.cn {
        Some(cn @ (1001 | 1014 | 2013 | 2052 | 2062 | 2111 | 3022 | 3024 | 9015)) => {
            // 1001 of 2005 is another command.
            if cn != 1001 || packet.dialect != Dialect::Hj2005 {
                found.push((Dialect::Hj2025, format!("CN={cn}")));
            }
        }
        Some(cn @ (1013 | 2081 | 3019 | 3020)) => found.push((Dialect::Hj2017, format!("CN={cn}"))),
        _ => {}
    }
    if packet.backfill {
        found.push((Dialect::Hj2025, "RF=1".to_owned()));
    }
    if encrypted {
        found.push((Dialect::Hj2025, "SM4".to_owned()));
    }
    if fields.readings.iter().any(|reading| reading.basis == Basis::Raw) {
        found.push((Dialect::Hj2025, "Raw…".to_owned()));
    }
    let marked = |flag| fields.readings.iter().any(|reading| reading.flag == flag);
    if marked(Flag::ConditionFault) {
        found.push((Dialect::Hj2025, "Flag=Td".to_owned()));
    }
    found
}

/// The first factor code that only 2005 has.
fn code_of_2005(packet: &Packet<'_>, catalogue: &Catalogue) -> Option<String> {
    Tokens::new(packet.cp).find_map(|token| {
        let code = std::str::from_utf8(token.name.get(..token.hyphen?)?).ok()?;
        let factor = FactorCode::new(code).ok()?;
        (catalogue.get(factor).is_none() && catalogue.by_2005(factor).is_some()).then(|| code.to_owned())
    })
}

/// Departures of the header that do not hinder reading.
pub(super) fn header(packet: &Packet<'_>, segment: &[u8]) -> Vec<(Own, String)> {
    if packet.dialect == Dialect::Hj2005 {
        // 2005 leaves order, MN and password to the examples.
        return Vec::new();
    }
    let mut found = Vec::new();
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let header = segment.get(..find_cp(segment).unwrap_or(0)).unwrap_or_default();
    let places = header.split(|byte| matches!(byte, b';' | b',')).filter_map(|field| {
        let key = field.split(|byte| *byte == b'=').next()?.trim_ascii();
        ORDER.iter().position(|known| known.eq_ignore_ascii_case(key))
    });
    let places: Vec<usize> = places.collect();
    if !places.is_sorted() {
        let keys = places.iter().filter_map(|place| ORDER.get(*place));
        let keys: Vec<String> = keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        found.push((Own::HeaderOrder, keys.join(";")));
    }
    let is_mn = |mn: &[u8]| {
        let digits = mn.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        mn.len() == MN_BYTES && digits
    };
    // 1001 comes before the device has an MN.
    if packet.cn != Some(1001) && packet.mn.is_some_and(|mn| !is_mn(mn)) {
        found.push((Own::MnForm, format!("MN={}", text(packet.mn))));
    }
    if packet.pw.is_some_and(|pw| pw.len() != PW_BYTES) {
        found.push((Own::PwForm, String::new()));
    }
    if let Some((pnum, pno)) = packet.pnum.zip(packet.pno) {
        let padded = [b"PNUM=0".as_slice(), b"PNO=0"]
            .iter()
            .any(|zero| header.windows(zero.len()).any(|at| at.eq_ignore_ascii_case(zero)));
        if pno == 0 || pno > pnum || pnum > 9 || padded {
            found.push((Own::SplitForm, format!("PNUM={pnum};PNO={pno}")));
        }
    }
    let is_data = matches!(packet.cn, Some(2000..=2999));
    if is_data && !packet.wants_answer() {
        found.push((Own::NoAnswerWanted, format!("CN={}", packet.cn.unwrap_or(0))));
    }
    found
}
