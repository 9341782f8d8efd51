//! plume: from the stack to the warning desk. See docs/ARCHITECTURE.md for the rooms.

mod admin;
mod balance;
mod chance;
mod cli;
mod clock;
mod commands;
mod config;
mod conformance;
mod decoder;
mod demo;
mod durable;
mod explain;
mod finals;
mod finding;
mod keystore;
mod logging;
mod out;
mod permits;
mod polling;
mod rates;
mod registry_files;
mod reload;
mod roles;
mod run;
mod secrets;
mod status;
mod system;

use std::process::ExitCode;

use clap::Parser;

use cli::orders::QuarantineCommand;
use cli::{ChecksCommand, Cli, Command, MarksCommand, NotifyCommand};

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            out::complain(format_args!("错误 / error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => runtime()?.block_on(demo::run(args)),
        Command::Run(args) => {
            let runtime = runtime()?;
            let ended = runtime.block_on(run::run(&args));
            // What did not finish in its time is left: the log makes that harmless, a process that hangs is not.
            runtime.shutdown_background();
            ended
        }
        Command::Init(args) => commands::init::run(&args),
        Command::Doctor(args) => runtime()?.block_on(commands::doctor::run(&args)),
        Command::Status(args) => runtime()?.block_on(commands::status::run(&args)),
        Command::Backup(args) => runtime()?.block_on(commands::backup::make(&args)),
        Command::Restore(args) => runtime()?.block_on(commands::backup::restore(&args)),
        Command::Upgrade(args) => runtime()?.block_on(commands::upgrade::run(&args)),
        Command::Support(args) => runtime()?.block_on(commands::support::run(&args)),
        Command::Check(args) => commands::check::run(&args.config),
        Command::Cases(args) => runtime()?.block_on(commands::cases::run(&args)),
        Command::Notify(NotifyCommand::Test(args)) => runtime()?.block_on(commands::notify::test(&args)),
        Command::Enter(args) => runtime()?.block_on(commands::enter::run(&args)),
        Command::Simulate(args) => runtime()?.block_on(commands::simulate::run(args)),
        Command::Quarantine(QuarantineCommand::Readmit(args)) => runtime()?.block_on(commands::readmit::run(&args)),
        Command::Quarantine(QuarantineCommand::Waiting(args)) => {
            runtime()?.block_on(commands::register::waiting(&args))
        }
        Command::Quarantine(QuarantineCommand::Register(args)) => runtime()?.block_on(commands::register::run(&args)),
        Command::Order(args) => runtime()?.block_on(commands::command::run(&args)),
        Command::Permit(command) => runtime()?.block_on(commands::permit::run(&command)),
        Command::Keys(command) => commands::keys::run(&command),
        Command::Conformance(args) => commands::conformance::run(&args),
        Command::Decode(args) => commands::decode::run(&args),
        Command::Explain(args) => runtime()?.block_on(commands::explain::run(&args)),
        Command::Marks(MarksCommand::Import(args)) => runtime()?.block_on(commands::marks::run(&args)),
        Command::Checks(ChecksCommand::Import(args)) => runtime()?.block_on(commands::checks::run(&args)),
        Command::Recompute(args) => runtime()?.block_on(commands::recompute::run(&args)),
        Command::Replay(args) => runtime()?.block_on(commands::replay::run(&args)),
        Command::Score(args) if args.desk => runtime()?.block_on(commands::score_desk::run(&args)),
        Command::Score(args) if args.quality => commands::score_quality::run(&args),
        Command::Score(args) if args.drift => commands::score_drift::run(&args),
        Command::Score(args) if args.turbine.is_some() => commands::score_turbine::run(&args),
        Command::Score(args) => commands::score::run(&args),
        Command::Stats(args) => runtime()?.block_on(commands::stats::run(&args)),
        Command::Query(args) => commands::query::query(&args),
        Command::Export(args) => commands::query::export(&args),
        Command::Rate(args) => commands::rate::run(&args),
        Command::Amounts(args) => commands::amounts::run(&args),
        Command::Chart(args) => commands::chart::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Evidence(args) => commands::evidence::run(&args),
        Command::Modbus(args) => runtime()?.block_on(commands::modbus::run(args)),
        Command::Bus(command) => runtime()?.block_on(commands::bus::run(&command)),
        Command::Config => {
            out::line(config::DEFAULTS.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
