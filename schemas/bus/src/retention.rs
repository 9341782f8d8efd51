//! Which segments may go: pure, one rule for every carrier that keeps segments.
//!
//! Oldest first, never the one being written, and only when each pinning consumer has committed past all it reads
//! there. As long as room allows, `keep_bytes` of consumed segments stay for those who do not pin (relay, desk,
//! recompute).

use crate::ledger::Ledger;
use crate::options::Pinning;
use crate::record::{ConsumerId, TopicPartition};

/// True if the oldest segment may go: `start` is where each line (by slot) stood when it began, `end` where the next
/// begins, `left` the bytes that remain without it.
pub(crate) fn may_release(
    start: &[u64],
    end: &[u64],
    left: u64,
    keep_bytes: u64,
    pinning: &[Pinning],
    ledger: &Ledger,
) -> bool {
    left >= keep_bytes && holder(start, end, pinning, ledger).is_none()
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
        let mut ledger = Ledger::new(1);
        for &(name, topic, offset) in commits {
            ledger.set_committed(&ConsumerId::new(name).unwrap(), TopicPartition::new(topic, 0), offset);
        }
        let pairs = STARTS.windows(2).zip([200, 100]);
        let gone =
            pairs.take_while(|(pair, left)| may_release(&pair[0], &pair[1], *left, keep_bytes, pinning, &ledger));
        gone.count()
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
