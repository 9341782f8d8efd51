//! The way to more partitions (D7): the topics in use are sealed, so that their ends stand still; whoever moves what is
//! remembered of them does so meanwhile; then others are in use.
//!
//! ```text
//! announce ─▶ seal ─▶ reports take no records ─▶ roles read to the end ─▶ memory is moved ─▶ take_over
//!    └───────────┴──────── unseal: everything goes on as before ◀──────────────┘            └▶ processes start again
//! ```
//!
//! A topic that takes no messages of any size is what a fence at the brokers comes to: no writer, however late it wakes
//! up, gets a record behind an end that was taken for the last one.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, AlterConfig, ConfigSource, NewPartitions, ResourceSpecifier};

use super::client::{ASK_LIMIT, failed, generation, topic_name};
use super::generation::{self as pointer, Generation, Standing, is_keyed};
use super::topics::{KafkaTopics, TopicAdmin};
use crate::BusError;
use crate::record::Topic;

/// The largest message of a topic, as Kafka names it.
const LARGEST: &str = "max.message.bytes";

/// How often a process looks whether it is to take no more reports.
pub const HEARD_WITHIN: Duration = pointer::LOOK_EVERY;

impl TopicAdmin {
    /// The generation in use.
    pub fn generation(&self) -> Generation {
        generation(&self.url)
    }

    /// Partitions of the generation in use.
    pub fn partitions(&self) -> u32 {
        self.wanted.partitions
    }

    /// Tells every process to take no more reports. Each looks every [`HEARD_WITHIN`]; from then on it writes none, not
    /// even Ticks. What was under way goes on to its end.
    ///
    /// Errors: [`BusError::Broker`].
    pub async fn announce(&self) -> Result<(), BusError> {
        self.tell(true).await
    }

    /// Has the brokers refuse reports of who did not hear. One may still get in for a moment, until all brokers have
    /// heard of it.
    ///
    /// Errors: [`BusError::Broker`], [`BusError::Topics`].
    pub async fn seal(&self) -> Result<(), BusError> {
        self.limit_reports(Some("0")).await
    }

    /// Ends what [`Self::announce`] and [`Self::seal`] began. Errors: as there.
    pub async fn unseal(&self) -> Result<(), BusError> {
        self.limit_reports(None).await?;
        self.tell(false).await
    }

    /// The generation that can follow, where no line of the one in use reaches `end`. Numbers whose topics are there
    /// already are left out: an attempt that was killed may have put something into them. Blocks.
    ///
    /// Errors: [`BusError::Broker`].
    pub fn next(&self, partitions: u32, end: u64) -> Result<Generation, BusError> {
        let mut next = self.generation().next(partitions, end);
        while self.is_there(&topic_name(&self.url.clone().in_generation(next), Topic::Reports))? {
            next.number += 1;
        }
        Ok(next)
    }

    /// Makes the topics of another generation, and more partitions of those that stay. Not in use yet.
    ///
    /// Errors: as [`Self::init`].
    pub async fn make(&self, next: Generation) -> Result<(), BusError> {
        let partitions = next.partitions.unwrap_or(self.wanted.partitions);
        let lasting = Topic::ALL.into_iter().filter(|&topic| !is_keyed(topic));
        let names: Vec<String> = lasting.map(|topic| topic_name(&self.url, topic)).collect();
        let wanted: Vec<_> = names
            .iter()
            .map(|name| NewPartitions::new(name, partitions as usize))
            .collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(ASK_LIMIT))
            .request_timeout(Some(ASK_LIMIT));
        let made = self.client.create_partitions(&wanted, &options).await;
        let made = made.map_err(failed("make partitions on", self.url.brokers.clone()))?;
        for (name, code) in made.into_iter().filter_map(Result::err) {
            // They are there already where this was begun before; `init` below says what does not fit.
            tracing::debug!(name, %code, "partitions were not made");
        }
        let url = self.url.clone().in_generation(next);
        let wanted = KafkaTopics {
            partitions,
            ..self.wanted
        };
        Self::new(&url, wanted)?.init().await.map(drop)
    }

    /// From here on another generation is in use. Errors: [`BusError::Broker`].
    pub async fn take_over(&self, next: Generation) -> Result<(), BusError> {
        let standing = Standing {
            generation: next,
            moving: false,
        };
        pointer::write(&self.url, standing).await
    }

    async fn tell(&self, moving: bool) -> Result<(), BusError> {
        let generation = Generation {
            partitions: Some(self.wanted.partitions),
            ..self.generation()
        };
        pointer::write(&self.url, Standing { generation, moving }).await
    }

    /// Limits the size of a report; without one to what is usual.
    async fn limit_reports(&self, limit: Option<&str>) -> Result<(), BusError> {
        let name = topic_name(&self.url, Topic::Reports);
        let own = self.own_settings(&name).await?;
        // What is not said is set back to what is usual, so all is said that somebody once said.
        let kept = own.iter().filter(|(key, _)| key != LARGEST);
        let altered = kept.fold(
            AlterConfig::new(ResourceSpecifier::Topic(&name)),
            |altered, (key, value)| altered.set(key, value),
        );
        let altered = match limit {
            Some(limit) => altered.set(LARGEST, limit),
            None => altered,
        };
        let options = AdminOptions::new().request_timeout(Some(ASK_LIMIT));
        let done = self.client.alter_configs([&altered], &options).await;
        let done = done.map_err(failed("change the settings of", name.clone()))?;
        let problems: Vec<String> = done
            .into_iter()
            .filter_map(Result::err)
            .map(|(_, code)| format!("{LARGEST} of `{name}` could not be set: {code}"))
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(BusError::Topics { problems })
        }
    }

    /// What was set of this topic, and not of all.
    async fn own_settings(&self, name: &str) -> Result<Vec<(String, String)>, BusError> {
        let options = AdminOptions::new().request_timeout(Some(ASK_LIMIT));
        let described = self
            .client
            .describe_configs([&ResourceSpecifier::Topic(name)], &options)
            .await;
        let described = described.map_err(failed("ask for the settings of", name.to_owned()))?;
        let entries = described.into_iter().flatten().flat_map(|resource| resource.entries);
        let own = entries.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        Ok(own.filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }
}
