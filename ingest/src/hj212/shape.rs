//! Shapes of packets: a device writes the same names in the same order with every packet of a kind, mostly with the
//! same flags, and only the numbers change. A content that was read field by field, by [`super::fields`], leaves its
//! shape behind: what stands between its numbers, and where each number goes. The next one of that shape needs one
//! comparison between two numbers, and the numbers.
//!
//! A shape never decides anything by itself: whatever is not exactly as it was, and whatever might be complained of by
//! its value, is left to the reading field by field.

use plume_schemas::reading::{Basis, Statistic, Value};
use plume_schemas::report::{Complaint, ComplaintCode, Dialect};

use super::complaints::{Complaints, inline};
use super::digits::{Stamps, decimal};
use super::fields::Fields;
use super::packet::Packet;
use super::subfields::{Bare, Sub, bare, sub};
use super::tokens::Tokens;

/// Shapes kept for a link: a device has about eight kinds of data packet, and some sets of flags in each.
const MAX_SHAPES: usize = 16;
/// Bytes that are compared at once.
const CHUNK: usize = 16;
/// Most bytes of one step.
const MAX_STEP_BYTES: usize = 2 * CHUNK;

/// Digits of DataTime.
const STAMP: usize = 14;

/// What stands behind the text of a step, and what is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// The time of the data.
    DataTime,
    /// The number of the reading at this place.
    Number(u16),
    /// The same, where the largest value of its type says that there is none (2025).
    Corrected(u16),
    /// The maker's flag of the readings from here to there.
    MakerFlag(u16, u16),
    /// A word of no consequence.
    Pass,
    /// The next step, or the end.
    Nothing,
}

/// Text that is always the same, sixteen bytes a number, and what stands behind it.
#[derive(Clone, Copy, Debug)]
struct Step {
    text: [u128; 2],
    masks: [u128; 2],
    length: usize,
    does: Does,
    /// Length of the last value.
    usual: usize,
}

/// One shape, with the last content that had it.
#[derive(Clone, Debug)]
struct Shape {
    dialect: Dialect,
    steps: Vec<Step>,
    fields: Fields,
    /// Those that follow from the names alone.
    complaints: Vec<Complaint>,
}

/// The shapes of one link.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    known: Vec<Shape>,
    last: usize,
    oldest: usize,
    stamps: Stamps,
}

impl Shapes {
    /// Reads the content of the packet, if it has a shape that is known.
    pub(super) fn read(&mut self, packet: &Packet<'_>, complaints: &mut Complaints) -> bool {
        let mut places = std::iter::once(self.last).chain(0..self.known.len());
        let found = places.find(|&place| {
            let shape = self.known.get_mut(place);
            shape.is_some_and(|shape| shape.read(packet, &mut self.stamps).is_some())
        });
        let Some(shape) = found.and_then(|place| self.known.get(place)) else {
            return false;
        };
        self.last = found.unwrap_or_default();
        for complaint in &shape.complaints {
            complaints.again(complaint);
        }
        true
    }

    /// What [`Self::read`] read last.
    pub(super) fn last(&self) -> Option<&Fields> {
        self.known.get(self.last).map(|shape| &shape.fields)
    }

    /// Keeps the shape of a content that was read field by field, if it has one. `groups` are the places of the
    /// readings of each group of fields, `complaints` those its reading made.
    pub(super) fn learn(
        &mut self,
        packet: &Packet<'_>,
        fields: &Fields,
        groups: &[(u16, u16)],
        complaints: &[Complaint],
    ) {
        let by_name = |c: &Complaint| matches!(c.code, ComplaintCode::MissingFlag | ComplaintCode::UnknownFactor);
        if !complaints.iter().all(by_name) {
            return;
        }
        let Some(steps) = steps(packet, fields, groups) else {
            return;
        };
        // One whose value had to be looked at is known already.
        let same =
            |(one, other): (&Step, &Step)| (one.text, one.length, one.does) == (other.text, other.length, other.does);
        let known = |shape: &Shape| {
            let as_many = shape.dialect == packet.dialect && shape.steps.len() == steps.len();
            as_many && shape.steps.iter().zip(&steps).all(same)
        };
        if self.known.iter().any(known) {
            return;
        }
        let shape = Shape {
            dialect: packet.dialect,
            steps,
            fields: fields.clone(),
            complaints: complaints.to_vec(),
        };
        if self.known.len() < MAX_SHAPES {
            self.known.push(shape);
        } else if let Some(place) = self.known.get_mut(self.oldest) {
            *place = shape;
            self.oldest = (self.oldest + 1) % MAX_SHAPES;
        }
    }
}

impl Shape {
    /// Reads a content into `fields`; `None`, and no more than part of it read, where it is not of this shape.
    fn read(&mut self, packet: &Packet<'_>, stamps: &mut Stamps) -> Option<()> {
        if packet.dialect != self.dialect {
            return None;
        }
        let cp = packet.cp;
        let mut at = 0;
        for step in &mut self.steps {
            if !step.stands_at(cp, at) {
                return None;
            }
            let from = at + step.length;
            // Most values are as long as the last: so the next comparison need not wait for this number.
            at = from + step.usual;
            let end = self.fields.take(step.does, cp, from, stamps)?;
            if end != at {
                step.usual = end - from;
                at = end;
            }
        }
        (at == cp.len()).then_some(())
    }
}

impl Fields {
    /// Takes what stands at `at`; gives where it ends.
    #[inline]
    fn take(&mut self, does: Does, cp: &[u8], at: usize, stamps: &mut Stamps) -> Option<usize> {
        let end = match does {
            Does::Number(place) => {
                let (number, end) = decimal(cp, at)?;
                self.readings.get_mut(usize::from(place))?.value = Value::Decimal(number);
                end
            }
            Does::Corrected(place) => {
                let (number, end) = decimal(cp, at)?;
                // The largest value of a type is all nines: looked up by the reading field by field.
                if cp.get(at..end)?.windows(2).any(|two| two == b"99") {
                    return None;
                }
                self.readings.get_mut(usize::from(place))?.value = Value::Decimal(number);
                end
            }
            Does::MakerFlag(from, to) => {
                let end = word_end(cp, at);
                let maker_flag = inline(std::str::from_utf8(cp.get(at..end)?).ok()?);
                for reading in self.readings.get_mut(usize::from(from)..usize::from(to))? {
                    reading.maker_flag = maker_flag;
                }
                end
            }
            Does::DataTime => {
                self.measured_at = Some(stamps.read(cp.get(at..at + STAMP)?)?);
                at + STAMP
            }
            Does::Pass => word_end(cp, at),
            Does::Nothing => at,
        };
        Some(end)
    }
}

/// Where the word of letters and digits at `at` ends.
fn word_end(text: &[u8], at: usize) -> usize {
    let behind = text.get(at..).unwrap_or_default();
    at + behind.iter().take_while(|b| b.is_ascii_alphanumeric()).count()
}

/// Sixteen bytes from `at` as a number, zeros behind the end.
#[inline]
fn chunk(text: &[u8], at: usize) -> u128 {
    if let Some(sixteen) = text.get(at..).and_then(|behind| behind.first_chunk::<CHUNK>()) {
        return u128::from_le_bytes(*sixteen);
    }
    let behind = text.get(at..).unwrap_or_default();
    if let Some(sixteen) = text.last_chunk::<CHUNK>() {
        // Those before `at` are shifted out.
        let bits = u32::try_from(8 * (CHUNK - behind.len())).ok();
        let last = u128::from_le_bytes(*sixteen);
        return bits.and_then(|bits| last.checked_shr(bits)).unwrap_or(0);
    }
    behind
        .iter()
        .rev()
        .fold(0, |chunk, &byte| chunk << 8 | u128::from(byte))
}

impl Step {
    /// A step for a text of at most [`MAX_STEP_BYTES`].
    fn new(text: &[u8], does: Does) -> Self {
        let ones = [0xFF; MAX_STEP_BYTES];
        let halves = |bytes: &[u8]| [chunk(bytes, 0), chunk(bytes, CHUNK)];
        Self {
            text: halves(text),
            masks: halves(ones.get(..text.len()).unwrap_or(&ones)),
            length: text.len(),
            does,
            usual: 0,
        }
    }

    /// True when its text stands at `at`.
    #[inline]
    fn stands_at(&self, cp: &[u8], at: usize) -> bool {
        let Self { text, masks, .. } = self;
        chunk(cp, at) & masks[0] == text[0] && (self.length <= CHUNK || chunk(cp, at + CHUNK) & masks[1] == text[1])
    }
}

/// The steps of one content as they are found.
struct Steps<'a> {
    cp: &'a [u8],
    /// Up to here there are steps.
    done: usize,
    list: Vec<Step>,
}

impl Steps<'_> {
    /// A step, or more, for the text up to `from`; what stands from there to `to` is done something with.
    fn add(&mut self, from: usize, to: usize, does: Does) -> Option<()> {
        let mut text = self.cp.get(self.done..from)?;
        while let Some((head, rest)) = text
            .split_at_checked(MAX_STEP_BYTES)
            .filter(|(_, rest)| !rest.is_empty())
        {
            self.list.push(Step::new(head, Does::Nothing));
            text = rest;
        }
        self.list.push(Step::new(text, does));
        self.done = to;
        Some(())
    }
}

/// The steps that read this content, which is in `fields` already; `None` where a step would have to do more than
/// [`Does`] can.
fn steps(packet: &Packet<'_>, fields: &Fields, groups: &[(u16, u16)]) -> Option<Vec<Step>> {
    let cp = packet.cp;
    let mut found = Steps {
        cp,
        done: 0,
        list: Vec::new(),
    };
    let (mut readings, mut groups) = (0_u16, groups.iter().copied());
    let mut open: Option<(&[u8], (u16, u16))> = None;
    for token in Tokens::new(cp) {
        if token.odd || token.quoted {
            return None;
        }
        let (name, value) = (token.name, token.value?);
        let from = value.as_ptr().addr().checked_sub(cp.as_ptr().addr())?;
        let to = from + value.len();
        let Some(hyphen) = token.hyphen else {
            if bare(name) != (Bare::DataTime, true) || value.len() != STAMP || fields.measured_at.is_none() {
                return None;
            }
            open = None;
            found.add(from, to, Does::DataTime)?;
            continue;
        };
        let code = name.get(..hyphen)?;
        let range = match open {
            Some((same, range)) if same == code => range,
            _ => groups.next()?,
        };
        open = Some((code, range));
        match sub(name.get(hyphen + 1..)?) {
            (Sub::Value(statistic, basis), true) if statistic != Statistic::Serial => {
                fields.readings.get(usize::from(readings))?.value.decimal()?;
                let by_value = basis == Basis::Corrected && packet.dialect == Dialect::Hj2025;
                let does = if by_value { Does::Corrected } else { Does::Number };
                found.add(from, to, does(readings))?;
                readings += 1;
            }
            // The flag is part of the shape.
            (Sub::Flag, true) => {}
            (Sub::MakerFlag, true) => found.add(from, to, Does::MakerFlag(range.0, range.1))?,
            (Sub::Detail, true) => found.add(from, to, Does::Pass)?,
            _ => return None,
        }
    }
    if found.done < cp.len() {
        found.add(cp.len(), cp.len(), Does::Nothing)?;
    }
    let whole = usize::from(readings) == fields.readings.len() && groups.next().is_none();
    (whole && !found.list.is_empty()).then_some(found.list)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plume_schemas::factors::Catalogue;

    use super::*;
    use crate::hj212::fields::FieldReader;

    /// Whether each of these contents, of one device, is read by its shape.
    fn by_shape(head: &str, contents: &[&str]) -> Vec<bool> {
        let mut reader = FieldReader::new(Arc::new(Catalogue::embedded().unwrap()));
        let mut shapes = Shapes::default();
        let read = contents.iter().map(|cp| {
            let segment = format!("{head};CP=&&{cp}&&");
            let mut complaints = Complaints::default();
            let packet = Packet::parse(segment.as_bytes(), &mut Complaints::default());
            let known = shapes.read(&packet, &mut complaints);
            let fields = reader.read_as_new(&packet, &mut complaints);
            if let Some((groups, made)) = fields.zip(complaints.since(0)) {
                shapes.learn(&packet, reader.fields(), &groups, made);
            }
            known
        });
        read.collect()
    }

    const HEAD_2017: &str = "QN=20260117140000001;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5";

    #[test]
    fn all_of_a_stack_is_read_by_its_shape_from_the_second_packet_on() {
        let one = "DataTime=20260117135900;a34013-Rtd=2.38,a34013-ZsRtd=3.1,a34013-Flag=N;\
                   a21026-SampleTime=20260117135800,a21026-Rtd=-22.950000000,a21026-EFlag=A01,a21026-Flag=N";
        let other = "DataTime=20260118000000;a34013-Rtd=0,a34013-ZsRtd=9999.99,a34013-Flag=N;\
                     a21026-SampleTime=1,a21026-Rtd=1234567890.5,a21026-EFlag=,a21026-Flag=N";
        let flagged = other.replace("Flag=N", "Flag=Td");
        assert_eq!(
            by_shape(HEAD_2017, &[one, other, &flagged, one, &flagged]),
            [false, true, false, true, true]
        );
        // A device that never sends flags, or a code of its own, is no slower.
        assert_eq!(by_shape(HEAD_2017, &["a21026-Rtd=1;Nh3-scr-Rtd=2"; 2]), [false, true]);
    }

    #[test]
    fn what_may_be_complained_of_by_its_value_is_not() {
        let head_2025 = HEAD_2017.replace("Flag=5", "Flag=9");
        let (fine, largest) = ("a21002-ZsRtd=12.5,a21002-Flag=N", "a21002-ZsRtd=9999.99,a21002-Flag=N");
        assert_eq!(by_shape(&head_2025, &[fine, largest, fine]), [false, false, true]);
        for odd in [
            "a21026-Rtd=--,a21026-Flag=N",
            "a21026-Rtd=1,a21026-Flag=3",
            "a21026-Rtd=1,a21026-Flag=N;",
        ] {
            let fine = "a21026-Rtd=1,a21026-Flag=N";
            assert_eq!(
                by_shape(HEAD_2017, &[fine, odd, odd, fine]),
                [false, false, false, true],
                "{odd}"
            );
        }
    }
}
