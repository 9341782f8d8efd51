//! `plume notify test`: whether a channel works, before it is needed at night.

use std::process::ExitCode;

use plume_alert::Desk;
use plume_alert::notify::Channel;

use crate::cli::NotifyTestArgs;
use crate::config::Config;
use crate::{clock, out};

/// Sends one message by a channel of the configuration and says what came of it.
pub(crate) async fn test(args: &NotifyTestArgs) -> anyhow::Result<ExitCode> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(problems) => {
            problems.iter().for_each(out::complain);
            return Ok(ExitCode::FAILURE);
        }
    };
    let Some(channel) = Channel::from_code(&args.channel) else {
        anyhow::bail!(
            "`{}` 不是通道 / is no channel; try mail, sms, voice or ring",
            args.channel
        );
    };
    let now = clock::system().now();
    match Desk::try_channel(&config.alert, channel, &args.to, now).await {
        Ok(()) => {
            out::line(format_args!("已交付 {} 通道 → {} / handed over", channel.zh(), args.to));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            out::complain(format_args!("{error}\n  hint: {}", error.hint()));
            Ok(ExitCode::FAILURE)
        }
    }
}
