//! Headers seen before on a link. A device writes the same header with every packet of a kind, save its QN; one that
//! was read without complaint is recognised as a whole instead of being read again.

use std::ops::Range;

use super::complaints::Complaints;
use super::digits::Stamps;
use super::encode::MAX_SEGMENT_BYTES;
use super::packet::Packet;

/// Headers kept: a device has about eight kinds of packet, and one in parts has a header for each part.
const MAX_KNOWN: usize = 16;
/// `QN=` and its 17 digits.
const QN_END: usize = 20;

/// Reads the headers of one link, as [`Packet::parse`] does.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    known: Vec<Known>,
    /// The one that came last, looked at first.
    last: usize,
    /// The one to give way when a new one comes and all places are taken.
    oldest: usize,
    stamps: Stamps,
}

/// A header that was read without complaint.
#[derive(Clone, Debug)]
struct Known {
    /// Where it begins in the segment: behind the digits of QN; 0 where it has none.
    from: usize,
    /// Up to and with `CP=&&`.
    text: Vec<u8>,
    st: Option<Range<usize>>,
    pw: Option<Range<usize>>,
    mn: Option<Range<usize>>,
    /// The rest of it; without what is borrowed.
    like: Packet<'static>,
}

impl Headers {
    /// Takes a data segment apart.
    pub fn parse<'a>(&mut self, segment: &'a [u8], complaints: &mut Complaints) -> Packet<'a> {
        for place in std::iter::once(self.last).chain(0..self.known.len()) {
            let known = self.known.get(place);
            if let Some(packet) = known.and_then(|known| known.read(segment, &mut self.stamps)) {
                self.last = place;
                return packet;
            }
        }
        let before = complaints.count();
        let packet = Packet::parse(segment, complaints);
        if complaints.count() == before {
            self.learn(segment, &packet);
        }
        packet
    }

    fn learn(&mut self, segment: &[u8], packet: &Packet<'_>) {
        let from = if packet.qn.is_none() { 0 } else { QN_END };
        if from > 0 && (packet.qn != segment.get(3..QN_END) || !segment.starts_with(b"QN=")) {
            return;
        }
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().checked_sub(segment.as_ptr().addr())?;
            Some(start..start + part.len())
        };
        let Some(text) = range(packet.cp).and_then(|cp| segment.get(from..cp.start)) else {
            return;
        };
        let known = Known {
            from,
            text: text.to_vec(),
            st: packet.st.and_then(range),
            pw: packet.pw.and_then(range),
            mn: packet.mn.and_then(range),
            like: Packet {
                qn: None,
                st: None,
                pw: None,
                mn: None,
                cp: b"",
                ..*packet
            },
        };
        if self.known.len() < MAX_KNOWN {
            self.known.push(known);
        } else if let Some(place) = self.known.get_mut(self.oldest) {
            *place = known;
            self.oldest = (self.oldest + 1) % MAX_KNOWN;
        }
    }
}

impl Known {
    /// The packet, if this is its header.
    fn read<'a>(&self, segment: &'a [u8], stamps: &mut Stamps) -> Option<Packet<'a>> {
        let cp = segment
            .get(self.from..)?
            .strip_prefix(self.text.as_slice())?
            .strip_suffix(b"&&")?;
        if segment.len() > MAX_SEGMENT_BYTES {
            return None;
        }
        let part = |range: &Option<Range<usize>>| segment.get(range.clone()?);
        let mut packet = Packet {
            st: part(&self.st),
            pw: part(&self.pw),
            mn: part(&self.mn),
            cp,
            ..self.like
        };
        if self.from > 0 {
            let qn = segment.get(..QN_END)?.strip_prefix(b"QN=")?;
            packet.sent_at = Some(stamps.read(qn)?);
            packet.qn = Some(qn);
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read twice by one memory, and once by the book: the same, complaints included.
    #[track_caller]
    fn same(headers: &mut Headers, segment: &str) {
        let mut by_the_book = Complaints::default();
        let expected = Packet::parse(segment.as_bytes(), &mut by_the_book);
        for _ in 0..2 {
            let mut complaints = Complaints::default();
            assert_eq!(
                headers.parse(segment.as_bytes(), &mut complaints),
                expected,
                "{segment}"
            );
            assert_eq!(complaints, by_the_book, "{segment}");
        }
    }

    #[test]
    fn a_header_seen_before_is_read_as_the_first_time() {
        let mut headers = Headers::default();
        let rest = "ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&a=1&&";
        for qn in [
            "20160801085857223",
            "20160802000000000",
            "20160231000000000",
            "2016080108585722x",
            "",
        ] {
            same(&mut headers, &format!("QN={qn};{rest}"));
        }
        for segment in [
            "ST=31;CN=2011;PW=123456;MN=88888880000001;CP=&&a=1&&",
            "ST=31;CN=2011;PW=123456;MN=88888880000001;CP=&&&&",
            "ST=31;CN=2011;PW=123456;MN=88888880000001;CP=&&&",
            "QN=20160801085857223;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&a=1&",
            "QN=20160801085857223;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=7;PNUM=2;PNO=1;CP=&&a=1&&",
        ] {
            same(&mut headers, segment);
        }
        assert_eq!(headers.known.len(), 3, "those without complaint");
    }

    #[test]
    fn memory_is_bounded_and_too_long_is_still_said() {
        let mut headers = Headers::default();
        for device in 0..100 {
            same(
                &mut headers,
                &format!("QN=20160801085857223;ST=31;CN=2011;PW=1;MN=M{device};Flag=5;CP=&&a=1&&"),
            );
        }
        assert_eq!(headers.known.len(), MAX_KNOWN);
        let long = "a21026-Rtd=1;".repeat(90);
        same(
            &mut headers,
            &format!("QN=20160801085857223;ST=31;CN=2011;PW=1;MN=M99;Flag=5;CP=&&{long}&&"),
        );
    }
}
