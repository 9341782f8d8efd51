//! The topics as plume needs them: made by `plume bus init`, compared by `plume bus check`.

use std::ops::RangeInclusive;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{ASK_LIMIT, admin, consumer as consumer_options, failed, group_name, patiently, topic_name};
use super::generation::{self, is_keyed};
use super::state;
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ConsumerId, Topic, TopicPartition};

/// Shortest retention, days: a week, so that a long weekend without the archive loses nothing.
const LEAST_RETENTION_DAYS: u32 = 7;

/// How often it is looked whether new topics are known everywhere.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How topics are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaTopics {
    /// Partitions of each topic; fixed from then on (D7).
    pub partitions: u32,
    /// Copies of each partition. With three or more, two must have a record before it counts as written.
    pub replication: u16,
    /// How long records are kept, days; at least 7.
    pub retention_days: u32,
}

/// What a line holds and how far a consumer has come in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Which line.
    pub at: TopicPartition,
    /// First retained offset.
    pub first: u64,
    /// One past the last.
    pub next: u64,
    /// The next offset the consumer will read, if it ever committed.
    pub committed: Option<u64>,
    /// How much of the retention the oldest unread record has used up, in percent, in steps of [`AGE_STEPS`]: at 100
    /// records expire unread.
    pub aged_percent: u8,
}

/// Ages that are told apart, in percent of the retention.
pub const AGE_STEPS: [u8; 5] = [10, 25, 50, 80, 95];

impl Ends {
    /// Offsets the consumer has before it.
    pub fn behind(&self) -> u64 {
        self.next.saturating_sub(self.committed.unwrap_or(self.first))
    }
}

/// A topic as plume needs it.
struct Wanted {
    name: String,
    /// How many partitions it may have; made with the least.
    partitions: RangeInclusive<usize>,
    settings: Vec<(&'static str, String)>,
}

/// The names of all topics, and how many partitions each may have where outlets have `partitions`.
pub(super) fn names(url: &KafkaUrl, partitions: u32) -> Vec<(String, RangeInclusive<usize>)> {
    let count = partitions as usize;
    // What is not keyed by outlet may have grown already for a generation to come.
    let of = |topic| {
        if is_keyed(topic) {
            count..=count
        } else {
            count..=usize::MAX
        }
    };
    let mut names: Vec<_> = Topic::ALL
        .into_iter()
        .map(|topic| (topic_name(url, topic), of(topic)))
        .collect();
    names.push((state::topic(url), count..=count));
    names.push((generation::topic(url), 1..=1));
    names
}

/// Makes and compares topics.
pub struct TopicAdmin {
    /// With the generation in use.
    pub(super) url: KafkaUrl,
    pub(super) wanted: KafkaTopics,
    pub(super) client: AdminClient<DefaultClientContext>,
    asked: BaseConsumer,
}

impl std::fmt::Debug for TopicAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TopicAdmin({})", self.url)
    }
}

impl TopicAdmin {
    /// An administrator of the topics of `url`: those in use, with as many partitions as they have grown to. Blocks.
    ///
    /// Errors: [`BusError::Option`], [`BusError::Broker`], [`BusError::Topics`].
    pub fn new(url: &KafkaUrl, wanted: KafkaTopics) -> Result<Self, BusError> {
        if wanted.retention_days < LEAST_RETENTION_DAYS {
            return Err(BusError::Option {
                option: "kafka.retention_days",
                value: wanted.retention_days.to_string(),
                expected: format!("at least {LEAST_RETENTION_DAYS}"),
            });
        }
        let (url, standing) = generation::settle(url)?;
        let grown = standing.generation.partitions;
        let options = admin(&url);
        Ok(Self {
            wanted: KafkaTopics {
                partitions: grown.unwrap_or(wanted.partitions),
                ..wanted
            },
            client: options
                .create()
                .map_err(failed("make a client for", url.brokers.clone()))?,
            asked: options
                .create()
                .map_err(failed("make a client for", url.brokers.clone()))?,
            url,
        })
    }

    /// Every topic with its settings, as Kafka names them.
    fn wanted(&self) -> Vec<Wanted> {
        let retention = u64::from(self.wanted.retention_days) * 24 * 3600 * 1000;
        let in_sync = if self.wanted.replication >= 3 { 2 } else { 1 };
        let by_age = |name: &str| {
            // Every revision of the registry stays: it is the truth about what was valid when. So do generations.
            let for_ever = name == topic_name(&self.url, Topic::Registry) || name == generation::topic(&self.url);
            let kept = if for_ever {
                "-1".to_owned()
            } else {
                retention.to_string()
            };
            vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", kept)]
        };
        // Checkpoints are kept by key, and compacted often: each replaces the last but one.
        let by_key = || {
            let settings = [
                ("cleanup.policy", "compact"),
                ("min.cleanable.dirty.ratio", "0.2"),
                ("segment.ms", "600000"),
            ];
            settings.map(|(key, value)| (key, value.to_owned())).to_vec()
        };
        let all = names(&self.url, self.wanted.partitions).into_iter();
        let all = all.map(|(name, partitions)| {
            let mut settings = if name == state::topic(&self.url) {
                by_key()
            } else {
                by_age(&name)
            };
            settings.push(("min.insync.replicas", in_sync.to_string()));
            Wanted {
                name,
                partitions,
                settings,
            }
        });
        all.collect()
    }

    /// Makes what is missing; returns the names made. Errors: [`BusError::Topics`] names what is there and does not
    /// fit; then nothing is made.
    pub async fn init(&self) -> Result<Vec<String>, BusError> {
        let (missing, problems) = self.compare().await?;
        if !problems.is_empty() {
            return Err(BusError::Topics { problems });
        }
        let topics: Vec<_> = missing.iter().map(|wanted| self.new_topic(wanted)).collect();
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let options = AdminOptions::new()
            .operation_timeout(Some(ASK_LIMIT))
            .request_timeout(Some(ASK_LIMIT));
        let made = self.client.create_topics(&topics, &options).await;
        let made = made.map_err(failed("make topics on", self.url.brokers.clone()))?;
        // One that is there meanwhile was made by someone who did the same.
        let refused = made.into_iter().filter_map(Result::err);
        let refused = refused.filter(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists);
        let problems: Vec<_> = refused
            .map(|(name, code)| format!("`{name}` could not be made: {code}"))
            .collect();
        if !problems.is_empty() {
            return Err(BusError::Topics { problems });
        }
        self.wait_until_known().await?;
        Ok(missing.into_iter().map(|wanted| wanted.name).collect())
    }

    /// The controller has made the topics; a moment later every broker knows of them.
    async fn wait_until_known(&self) -> Result<(), BusError> {
        let deadline = tokio::time::Instant::now() + ASK_LIMIT;
        while !self.compare().await?.0.is_empty() {
            if tokio::time::Instant::now() >= deadline {
                return Err(BusError::Broker {
                    action: "see the new topics on",
                    place: self.url.brokers.clone(),
                    reason: format!("not within {} s", ASK_LIMIT.as_secs()),
                });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn new_topic<'a>(&self, wanted: &'a Wanted) -> NewTopic<'a> {
        let partitions = i32::try_from(*wanted.partitions.start()).unwrap_or(i32::MAX);
        let replication = TopicReplication::Fixed(i32::from(self.wanted.replication));
        let fresh = NewTopic::new(&wanted.name, partitions, replication);
        wanted
            .settings
            .iter()
            .fold(fresh, |topic, (key, value)| topic.set(key, value))
    }

    /// Everything that is missing or differs from what plume needs, a sentence each; empty means all is well.
    pub async fn check(&self) -> Result<Vec<String>, BusError> {
        let (missing, mut problems) = self.compare().await?;
        problems.extend(missing.iter().map(|wanted| format!("`{}` is missing", wanted.name)));
        Ok(problems)
    }

    /// True where the brokers have a topic of this name. Blocks.
    pub(super) fn is_there(&self, name: &str) -> Result<bool, BusError> {
        let found = self.asked.fetch_metadata(Some(name), ASK_LIMIT);
        let found = found.map_err(failed("ask", self.url.brokers.clone()))?;
        Ok(found
            .topics()
            .first()
            .is_some_and(|topic| !topic.partitions().is_empty()))
    }

    async fn compare(&self) -> Result<(Vec<Wanted>, Vec<String>), BusError> {
        let (mut missing, mut problems) = (Vec::new(), Vec::new());
        for wanted in self.wanted() {
            let name = &wanted.name;
            let found = self.asked.fetch_metadata(Some(name), ASK_LIMIT);
            let found = found.map_err(failed("ask", self.url.brokers.clone()))?;
            let partitions = found
                .topics()
                .first()
                .map(MetadataTopic::partitions)
                .unwrap_or_default();
            let Some(first) = partitions.first() else {
                missing.push(wanted);
                continue;
            };
            if !wanted.partitions.contains(&partitions.len()) {
                problems.push(format!(
                    "`{name}` has {} partitions, configured are {}; outlets would change places (`plume bus grow` \
                     moves them)",
                    partitions.len(),
                    wanted.partitions.start()
                ));
            }
            let copies = first.replicas().len();
            if copies != usize::from(self.wanted.replication) {
                problems.push(format!(
                    "`{name}` has {copies} copies, configured are {}",
                    self.wanted.replication
                ));
            }
            self.compare_settings(&wanted, &mut problems).await?;
        }
        Ok((missing, problems))
    }

    async fn compare_settings(&self, wanted: &Wanted, problems: &mut Vec<String>) -> Result<(), BusError> {
        let name = &wanted.name;
        let resource = ResourceSpecifier::Topic(name);
        let options = AdminOptions::new().request_timeout(Some(ASK_LIMIT));
        let described = self.client.describe_configs([&resource], &options).await;
        let described = described.map_err(failed("ask for the settings of", name.clone()))?;
        for config in described.into_iter().flatten() {
            for (setting, wanted) in &wanted.settings {
                let found = config
                    .get(setting)
                    .and_then(|entry| entry.value.clone())
                    .unwrap_or_default();
                let longer = *setting == "retention.ms" && keeps_longer(&found, wanted);
                if found != *wanted && !longer {
                    problems.push(format!("`{name}` has {setting}={found}, wanted is {wanted}"));
                }
            }
        }
        Ok(())
    }

    /// The greatest step that the oldest unread record of a line is older than.
    fn age(&self, asked: &BaseConsumer, line: (&str, i32), ends: &Ends, now_ms: i64) -> Result<u8, BusError> {
        let retention_ms = i64::from(self.wanted.retention_days) * 24 * 3600 * 1000;
        let unread = ends.committed.unwrap_or(ends.first).max(ends.first);
        let mut age = 0;
        for step in AGE_STEPS {
            let since = now_ms - retention_ms / 100 * i64::from(step);
            let mut list = TopicPartitionList::new();
            let placed = list.add_partition_offset(line.0, line.1, Offset::Offset(since.max(0)));
            placed.map_err(failed("ask for the age of", line.0))?;
            let found = patiently(|| asked.offsets_for_times(list.clone(), ASK_LIMIT));
            let found = found.map_err(failed("ask for the age of", line.0))?;
            // The end, where nothing is as young as that.
            let younger = match found.elements().first().map(TopicPartitionListElem::offset) {
                Some(Offset::Offset(offset)) => u64::try_from(offset).unwrap_or_default(),
                _ => ends.next,
            };
            if unread < younger {
                age = step;
            }
        }
        Ok(age)
    }

    /// How far `consumer` has come in every line of `topics`; `now_ms` since 1970. Blocks.
    pub fn ends(&self, consumer: &ConsumerId, topics: &[Topic], now_ms: i64) -> Result<Vec<Ends>, BusError> {
        let group = group_name(&self.url, consumer);
        let made = consumer_options(&self.url, &group).create();
        let member: BaseConsumer = made.map_err(failed("make a member of", group.clone()))?;
        let mut all = Vec::new();
        for topic in topics {
            for partition in 0..self.wanted.partitions {
                let (name, index) = (
                    topic_name(&self.url, *topic),
                    i32::try_from(partition).unwrap_or(i32::MAX),
                );
                let ends = patiently(|| member.fetch_watermarks(&name, index, ASK_LIMIT));
                let (first, next) = ends.map_err(failed("ask for the ends of", name.clone()))?;
                let mut list = TopicPartitionList::new();
                list.add_partition(&name, index);
                let found = patiently(|| member.committed_offsets(list.clone(), ASK_LIMIT));
                let found = found.map_err(failed("ask for the offsets of", group.clone()))?;
                let offset = found.elements().first().and_then(|place| place.offset().to_raw());
                let mut ends = Ends {
                    at: TopicPartition::new(*topic, partition),
                    first: u64::try_from(first).unwrap_or_default(),
                    next: u64::try_from(next).unwrap_or_default(),
                    committed: offset.and_then(|offset| u64::try_from(offset).ok()),
                    aged_percent: 0,
                };
                if ends.behind() > 0 {
                    ends.aged_percent = self.age(&member, (&name, index), &ends, now_ms)?;
                }
                all.push(ends);
            }
        }
        Ok(all)
    }
}

/// True where records stay at least as long as they should; -1 is for ever.
fn keeps_longer(found: &str, wanted: &str) -> bool {
    match (found.parse::<i64>(), wanted.parse::<i64>()) {
        (Ok(-1), Ok(_)) => true,
        (Ok(found), Ok(wanted)) => wanted >= 0 && found >= wanted,
        _ => false,
    }
}
