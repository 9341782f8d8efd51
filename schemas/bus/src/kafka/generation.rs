//! Generations of topics (D7). The partitions of a topic are fixed once outlets have their places, so more of them
//! means other topics: `PREFIX.reports` becomes `PREFIX.g2.reports`, and with it what is judged of it (`judgements`,
//! `events`, `checkpoints`). What is not keyed by outlet stays where it is. `PREFIX.generation` says which are in use:
//!
//! ```text
//! in-use 1 4 0            generation 1, 4 partitions, offsets from 0
//! moving 1 4 0            it takes no more reports; its judges' memory is being moved
//! in-use 2 8 1000000      generation 2 took over
//! ```
//!
//! Offsets never go back, since "later" is what they say (D1): those of a generation count from its base, which lies
//! above every offset before it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{ASK_LIMIT, consumer as options, failed, producer, silent};
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::Topic;

/// Bases are multiples of this, so that a person sees at an offset which generation it is of.
const BASE_STEP: u64 = 1_000_000;
/// How often a process looks whether there is another generation.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Topics that are made anew with another number of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Counts from 1.
    pub number: u32,
    /// Partitions of its topics; of the first, as many as are configured.
    pub partitions: Option<u32>,
    /// The first offset of each of its lines.
    pub base: u64,
}

impl Generation {
    /// What `plume bus init` makes.
    pub const FIRST: Self = Self {
        number: 1,
        partitions: None,
        base: 0,
    };

    /// The one after this, where no line of this one reaches `end`.
    #[must_use]
    pub fn next(self, partitions: u32, end: u64) -> Self {
        Self {
            number: self.number + 1,
            partitions: Some(partitions),
            base: end.max(self.base + 1).next_multiple_of(BASE_STEP),
        }
    }

    /// The offset at which a topic's lines begin.
    pub(super) fn base_of(self, topic: Topic) -> u64 {
        if is_keyed(topic) { self.base } else { 0 }
    }

    /// A topic's name behind its prefix.
    pub(super) fn name(self, topic: Topic) -> String {
        if is_keyed(topic) {
            self.named(topic.as_str())
        } else {
            topic.as_str().to_owned()
        }
    }

    /// The name of what every generation has of its own.
    pub(super) fn named(self, name: &str) -> String {
        if self.number == 1 {
            name.to_owned()
        } else {
            format!("g{}.{name}", self.number)
        }
    }
}

/// True of topics whose partition says which outlets they hold.
pub(super) fn is_keyed(topic: Topic) -> bool {
    matches!(topic, Topic::Reports | Topic::Judgements | Topic::Events)
}

/// Which generation is in use, and whether it is being left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The one in use.
    pub generation: Generation,
    /// It takes no more reports.
    pub moving: bool,
}

impl Standing {
    const FIRST: Self = Self {
        generation: Generation::FIRST,
        moving: false,
    };

    fn to_text(self) -> String {
        let Generation {
            number,
            partitions,
            base,
        } = self.generation;
        let word = if self.moving { "moving" } else { "in-use" };
        format!("{word} {number} {} {base}", partitions.unwrap_or(0))
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [word, number, partitions, base] = words.as_slice() else {
            return None;
        };
        let moving = match *word {
            "moving" => true,
            "in-use" => false,
            _ => return None,
        };
        let partitions: u32 = partitions.parse().ok()?;
        let generation = Generation {
            number: number.parse().ok().filter(|number| *number > 0)?,
            partitions: (partitions > 0).then_some(partitions),
            base: base.parse().ok()?,
        };
        Some(Self { generation, moving })
    }
}

/// `plume.generation`.
pub(super) fn topic(url: &KafkaUrl) -> String {
    format!("{}.generation", url.prefix)
}

/// The URL with the generation it stands for: its own, or the one in use. Blocks.
pub(super) fn settle(url: &KafkaUrl) -> Result<(KafkaUrl, Standing), BusError> {
    let standing = match url.generation {
        Some(generation) => Standing {
            generation,
            moving: false,
        },
        None => read(url)?,
    };
    Ok((url.clone().in_generation(standing.generation), standing))
}

/// Which generation is in use; the first where nothing says otherwise. Blocks.
pub(super) fn read(url: &KafkaUrl) -> Result<Standing, BusError> {
    let topic = topic(url);
    let reading = || failed("read", topic.clone());
    let reader: BaseConsumer = options(url, &format!("{}.reader", url.prefix))
        .create()
        .map_err(reading())?;
    let known = reader.fetch_metadata(Some(&topic), ASK_LIMIT).map_err(reading())?;
    let partitions = known
        .topics()
        .first()
        .map_or(0, |topic: &MetadataTopic| topic.partitions().len());
    if partitions == 0 {
        return Ok(Standing::FIRST);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning)
        .map_err(reading())?;
    reader.assign(&list).map_err(reading())?;
    let (mut last, mut heard) = (Standing::FIRST, Instant::now());
    loop {
        match reader.poll(ASK_LIMIT) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                last = Standing::parse(&text).ok_or_else(|| BusError::Topics {
                    problems: vec![format!("`{topic}` says `{text}`, which this plume does not know")],
                })?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            // The library tries again by itself, and says so as often as it does; a record or the limit ends it.
            Some(Err(error)) if heard.elapsed() < ASK_LIMIT => tracing::debug!(topic, %error, "reading the generation"),
            Some(Err(_)) | None => return Err(silent("read", topic, ASK_LIMIT)),
        }
    }
}

/// Says which generation is in use.
pub(super) async fn write(url: &KafkaUrl, standing: Standing) -> Result<(), BusError> {
    let topic = topic(url);
    let made: FutureProducer = producer(url)
        .create()
        .map_err(failed("make a producer for", url.brokers.clone()))?;
    let text = standing.to_text();
    let record = FutureRecord::to(&topic).partition(0).key("generation").payload(&text);
    let sent = made.send(record, ASK_LIMIT).await;
    sent.map(drop)
        .map_err(|(error, _)| failed("write to", topic.clone())(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let second = Generation::FIRST.next(8, 12);
        assert_eq!((second.number, second.partitions, second.base), (2, Some(8), BASE_STEP));
        let third = second.next(16, 3 * BASE_STEP + 1);
        assert_eq!((third.number, third.base), (3, 4 * BASE_STEP));
        // Though nothing was written in it.
        assert_eq!(second.next(16, 0).base, 2 * BASE_STEP);
        for generation in [Generation::FIRST, second, third] {
            for moving in [false, true] {
                let standing = Standing { generation, moving };
                assert_eq!(Standing::parse(&standing.to_text()), Some(standing));
            }
        }
        for bad in [
            "",
            "in-use",
            "in-use 0 4 0",
            "left 1 4 0",
            "in-use 1 4",
            "in-use 1 4 0 0",
        ] {
            assert_eq!(Standing::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_is_keyed_by_outlet_is_made_anew() {
        let second = Generation::FIRST.next(8, 12);
        let names: Vec<String> = Topic::ALL.into_iter().map(|topic| second.name(topic)).collect();
        let anew: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("g2.")).collect();
        assert_eq!(anew, ["reports", "judgements", "events"]);
        assert!(names.contains(&"alerts".to_owned()));
        assert_eq!(
            (second.base_of(Topic::Events), second.base_of(Topic::Registry)),
            (BASE_STEP, 0)
        );
        assert_eq!(Generation::FIRST.name(Topic::Reports), "reports");
    }
}
