//! Looks after how far the judge and the archive are behind, as a share of what the brokers keep: a role that is too
//! far behind would lose records to their age.

use tokio::task::JoinSet;

use super::Context;
use super::stop::Stop;
use crate::config::Config;

/// Starts looking, where the bus is on Kafka; elsewhere nothing expires unread (D6).
#[cfg(not(feature = "kafka"))]
#[expect(clippy::unnecessary_wraps, reason = "with Kafka it may fail")]
pub(crate) fn start(_: &Context, _: &Config, _: Stop, _: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(feature = "kafka")]
pub(crate) use on_kafka::start;

#[cfg(feature = "kafka")]
mod on_kafka {
    use std::sync::Arc;
    use std::time::Duration;

    use plume_bus::{BusUrl, KafkaTopics, Topic, TopicAdmin};

    use super::{Config, Context, JoinSet, Stop};
    use crate::roles::{ARCHIVE, ARCHIVED, DETECT, NOT_READY_PERCENT, consumer};

    /// How often it looks: a percent of the shortest retention is more than an hour.
    const LOOK_EVERY: Duration = Duration::from_mins(1);
    /// The one who complains.
    const LAG: &str = "lag";

    /// Starts looking, where the bus is on Kafka; elsewhere nothing expires unread (D6).
    pub(crate) fn start(
        context: &Context,
        config: &Config,
        stop: Stop,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let BusUrl::Kafka(url) = BusUrl::parse(&config.bus.url)? else {
            return Ok(());
        };
        let wanted = KafkaTopics {
            partitions: config.bus.partitions,
            replication: config.bus.kafka.replication,
            retention_days: config.bus.kafka.retention_days,
        };
        let admin = Arc::new(TopicAdmin::new(&url, wanted)?);
        tasks.spawn(look(context.clone(), admin, stop));
        Ok(())
    }

    async fn look(context: Context, admin: Arc<TopicAdmin>, stop: Stop) -> anyhow::Result<()> {
        let mut pause = tokio::time::interval(LOOK_EVERY);
        while !stop.told() {
            tokio::select! {
                _ = pause.tick() => {}
                () = stop.clone().wait() => break,
            }
            let (admin, now) = (Arc::clone(&admin), context.clock.now());
            let oldest = tokio::task::spawn_blocking(move || oldest(&admin, now.0)).await?;
            match oldest {
                Ok((percent, sentence)) => {
                    context.signals.unread_age(percent, &sentence);
                    if percent >= NOT_READY_PERCENT {
                        context.health.complain(LAG, sentence);
                    } else {
                        context.health.well(LAG);
                    }
                }
                // The brokers are away, which others say already.
                Err(error) => {
                    tracing::debug!(error = %format_args!("{error:#}"), "how far roles are behind is not known");
                }
            }
        }
        Ok(())
    }

    /// The line that is furthest behind, in percent of the retention, and a sentence about it.
    fn oldest(admin: &TopicAdmin, now_ms: i64) -> anyhow::Result<(u8, String)> {
        let mut most = (0, String::new());
        for (name, topics) in [(DETECT, &[Topic::Reports][..]), (ARCHIVE, &ARCHIVED[..])] {
            for ends in admin.ends(&consumer(name)?, topics, now_ms)? {
                if ends.aged_percent > most.0 {
                    let sentence = format!(
                        "{name} has left {} record(s) of {} unread for over {} % of the retention \
                         (hint: start more of that role, or raise `retention_days` and the topics' retention.ms)",
                        ends.behind(),
                        ends.at,
                        ends.aged_percent
                    );
                    most = (ends.aged_percent, sentence);
                }
            }
        }
        Ok(most)
    }
}
