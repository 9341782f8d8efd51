//! Which segments may go: pure, one rule for every carrier that keeps segments.
//!
//! Oldest first, never the one being written, and only when each pinning consumer has committed past all it reads there.
//! As long as room allows, `keep_bytes` of consumed segments stay for those who do not pin (relay, desk, recompute).

use crate::ledger::Ledger;
use crate::options::Pinning;
use crate::record::{ConsumerId, TopicPartition};

/// What retention sees of a segment: the next offset of each line (by slot) when it was begun, and its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) start: &'a [u64],
    pub(crate) bytes: u64,
}

/// How many of `spans` (oldest first, the one being written last) may be released while `keep_bytes` remain.
pub(crate) fn releasable(spans: &[Span<'_>], keep_bytes: u64, pinning: &[Pinning], ledger: &Ledger) -> usize {
    let mut left: u64 = spans.iter().map(|span| span.bytes).sum();
    let sealed = spans.windows(2).take_while(|pair| match pair {
        [this, next] => {
            left -= this.bytes;
            left >= keep_bytes && holder(this.start, next.start, pinning, ledger).is_none()
        }
        _ => false,
    });
    sealed.count()
}

/// The first pinning consumer that has not committed past the records between `start` and `end`.
pub(crate) fn holder(start: &[u64], end: &[u64], pinning: &[Pinning], ledger: &Ledger) -> Option<ConsumerId> {
    let holds = |pin: &Pinning, at: TopicPartition, end: u64| {
        pin.topics.contains(&at.topic) && ledger.committed(&pin.consumer, at).unwrap_or(0) < end
    };
    for ((at, &start), &end) in ledger.lines().zip(start).zip(end) {
        if end > start
            && let Some(pin) = pinning.iter().find(|pin| holds(pin, at, end))
        {
            return Some(pin.consumer.clone());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Topic;

    fn pin(name: &str, topics: &[Topic]) -> Pinning {
        Pinning {
            consumer: ConsumerId::new(name).unwrap(),
            topics: topics.to_vec(),
        }
    }

    /// One partition; slots are topics. Three segments: 2 reports; 1 report, 1 event; being written.
    const STARTS: [[u64; 7]; 3] = [[0; 7], [2, 0, 0, 0, 0, 0, 0], [3, 0, 0, 1, 0, 0, 0]];

    fn count(keep_bytes: u64, pinning: &[Pinning], commits: &[(&str, Topic, u64)]) -> usize {
        let spans: Vec<_> = STARTS.iter().map(|start| Span { start, bytes: 100 }).collect();
        let mut ledger = Ledger::new(1);
        for &(name, topic, offset) in commits {
            ledger.set_committed(&ConsumerId::new(name).unwrap(), TopicPartition::new(topic, 0), offset);
        }
        releasable(&spans, keep_bytes, pinning, &ledger)
    }

    #[test]
    fn nobody_pins_so_size_decides() {
        assert_eq!(count(0, &[], &[]), 2);
        assert_eq!(count(100, &[], &[]), 2);
        assert_eq!(count(101, &[], &[]), 1);
        assert_eq!(count(201, &[], &[]), 0);
    }

    #[test]
    fn a_consumer_that_never_committed_holds_all_it_reads() {
        let both = [pin("detect", &[Topic::Reports]), pin("archive", &Topic::ALL)];
        assert_eq!(count(0, &both, &[]), 0);
        assert_eq!(count(0, &both, &[("detect", Topic::Reports, 3)]), 0);
        let archive = ("archive", Topic::Reports, 3);
        assert_eq!(count(0, &both, &[("detect", Topic::Reports, 3), archive]), 1);
        assert_eq!(
            count(
                0,
                &both,
                &[("detect", Topic::Reports, 3), archive, ("archive", Topic::Events, 1)]
            ),
            2
        );
    }

    #[test]
    fn topics_a_consumer_does_not_read_do_not_hold() {
        let detect = [pin("detect", &[Topic::Reports])];
        assert_eq!(count(0, &detect, &[("detect", Topic::Reports, 1)]), 0);
        assert_eq!(count(0, &detect, &[("detect", Topic::Reports, 2)]), 1);
        assert_eq!(count(0, &detect, &[("detect", Topic::Reports, 3)]), 2);
    }

    #[test]
    fn the_holder_is_named() {
        let both = [pin("detect", &[Topic::Reports]), pin("archive", &Topic::ALL)];
        let mut ledger = Ledger::new(1);
        let detect = ConsumerId::new("detect").unwrap();
        assert_eq!(holder(&STARTS[0], &STARTS[1], &both, &ledger), Some(detect.clone()));
        ledger.set_committed(&detect, TopicPartition::new(Topic::Reports, 0), 2);
        let archive = ConsumerId::new("archive").unwrap();
        assert_eq!(holder(&STARTS[0], &STARTS[1], &both, &ledger), Some(archive));
    }
}
