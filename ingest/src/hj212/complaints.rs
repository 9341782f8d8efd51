//! What was wrong with a packet that could be read all the same: a bounded list.

use plume_schemas::ids::{FactorCode, Inline};
use plume_schemas::report::{Complaint, ComplaintCode};

use super::values::decode_gbk;

/// Complaints kept of one packet. A packet of 1024 bytes has at most about sixty factors; a device that does
/// everything wrong is known well enough by its first complaints.
pub const MAX_COMPLAINTS: usize = 32;

/// The complaints of one packet, in the order found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Complaints {
    list: Vec<Complaint>,
    beyond: usize,
}

impl Complaints {
    /// Adds one about the packet, with the text at fault.
    pub fn add(&mut self, code: ComplaintCode, text: &[u8]) {
        self.about(code, None, text);
    }

    /// Adds one about a factor.
    pub fn about(&mut self, code: ComplaintCode, factor: Option<FactorCode>, text: &[u8]) {
        if self.list.len() >= MAX_COMPLAINTS {
            self.beyond += 1;
            return;
        }
        let text = inline(&decode_gbk(text));
        self.list.push(Complaint { code, factor, text });
    }

    /// Those kept.
    pub fn list(&self) -> &[Complaint] {
        &self.list
    }

    /// How many more there were.
    pub fn beyond(&self) -> usize {
        self.beyond
    }

    /// How many there were, those beyond the bound included.
    pub fn count(&self) -> usize {
        self.list.len() + self.beyond
    }

    /// Those after the first `count`; nothing where some were not kept.
    pub(super) fn since(&self, count: usize) -> Option<&[Complaint]> {
        self.list.get(count..).filter(|_| self.beyond == 0)
    }

    /// Adds one as it was made before.
    pub(super) fn again(&mut self, complaint: &Complaint) {
        if self.list.len() >= MAX_COMPLAINTS {
            self.beyond += 1;
        } else {
            self.list.push(complaint.clone());
        }
    }

    /// Forgets them all, keeping the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.beyond = 0;
    }
}

/// As much of the text as fits, cut between characters.
pub fn inline<const N: usize>(text: &str) -> Inline<N> {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).and_then(Inline::new).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_the_list_is_bounded() {
        assert_eq!(inline::<7>("清洗管路").as_str(), "清洗");
        let mut complaints = Complaints::default();
        for _ in 0..40 {
            complaints.add(ComplaintCode::OddGrammar, &[b'x'; 100]);
        }
        assert_eq!((complaints.list().len(), complaints.beyond()), (MAX_COMPLAINTS, 8));
        assert_eq!(complaints.list()[0].text.as_str().len(), 47);
    }
}
