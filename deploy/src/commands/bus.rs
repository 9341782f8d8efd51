//! `plume bus`: the topics on Kafka, made, compared and measured.

use std::process::ExitCode;

use crate::cli::BusCommand;
use crate::config::Config;
use crate::out;

/// Does what was asked; fails where the topics do not fit, or a role is too far behind.
pub(crate) async fn run(command: &BusCommand) -> anyhow::Result<ExitCode> {
    let args = match command {
        BusCommand::Init(args) | BusCommand::Check(args) | BusCommand::Lag(args) => args,
        BusCommand::Grow(args) => &args.bus,
    };
    let mut config = match Config::load(&args.run.config) {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                out::complain(problem);
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(url) = &args.bus {
        config.bus.url.clone_from(url);
    }
    on_kafka(command, &config).await
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::unused_async, reason = "with Kafka it asks")]
async fn on_kafka(_: &BusCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let url = config.bus.url.clone();
    Err(plume_bus::BusError::NotBuilt { url }.into())
}

#[cfg(feature = "kafka")]
async fn on_kafka(command: &BusCommand, config: &Config) -> anyhow::Result<ExitCode> {
    use plume_bus::{BusUrl, KafkaTopics, TopicAdmin};

    let BusUrl::Kafka(url) = BusUrl::parse(&config.bus.url).map_err(explained)? else {
        anyhow::bail!(
            "`bus.url` is {}; these commands are for kafka://… (hint: set it, or give --bus kafka://host:port/prefix)",
            config.bus.url
        );
    };
    let wanted = KafkaTopics {
        partitions: config.bus.partitions,
        replication: config.bus.kafka.replication,
        retention_days: config.bus.kafka.retention_days,
    };
    let admin = TopicAdmin::new(&url, wanted).map_err(explained)?;
    match command {
        BusCommand::Init(_) => {
            let made = admin.init().await.map_err(explained)?;
            for name in &made {
                out::line(format_args!("已创建 / made  {name}"));
            }
            let count = made.len();
            out::line(format_args!(
                "{count} 个主题已创建，其余符合配置 / {count} topic(s) made, the others fit"
            ));
            Ok(ExitCode::SUCCESS)
        }
        BusCommand::Check(_) => {
            let problems = admin.check().await.map_err(explained)?;
            for problem in &problems {
                out::line(problem);
            }
            if problems.is_empty() {
                out::line("主题符合配置 / the topics fit the configuration");
                return Ok(ExitCode::SUCCESS);
            }
            Ok(ExitCode::FAILURE)
        }
        BusCommand::Lag(_) => lag(&admin),
        BusCommand::Grow(args) => super::grow::run(config, (&url, admin), args.partitions).await,
    }
}

/// Prints every line a role has to read; fails where one is so far behind that records are about to expire unread.
#[cfg(feature = "kafka")]
fn lag(admin: &plume_bus::TopicAdmin) -> anyhow::Result<ExitCode> {
    use crate::roles::{ARCHIVE, ARCHIVED, DETECT, NOT_READY_PERCENT, consumer};
    use plume_bus::Topic;

    let now = crate::clock::system().now();
    let mut code = ExitCode::SUCCESS;
    out::line("角色 role   位置 line             滞后 behind   保留期 of retention");
    for (name, topics) in [(DETECT, &[Topic::Reports][..]), (ARCHIVE, &ARCHIVED[..])] {
        for ends in admin.ends(&consumer(name)?, topics, now.0).map_err(explained)? {
            let percent = ends.aged_percent;
            out::line(format_args!(
                "{name:<10}  {:<20} {:>12}   {percent:>3} %",
                ends.at.to_string(),
                ends.behind()
            ));
            if percent >= NOT_READY_PERCENT {
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

#[cfg(feature = "kafka")]
#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
pub(super) fn explained(error: plume_bus::BusError) -> anyhow::Error {
    let hint = error.hint();
    anyhow::anyhow!("{error} (hint: {hint})")
}
