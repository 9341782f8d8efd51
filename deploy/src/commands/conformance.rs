//! `plume conformance`: does a device conform? From the archive, from a running plume, or on site from the device
//! itself.

mod site;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_ingest::hj212::conformance::Conformance;
use plume_ingest::hj212::explain::Lang;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Span;

use super::view;
use crate::cli::conformance::ConformanceArgs;
use crate::conformance::of_archive;
use crate::{clock, out, roles};

/// Prints the report of one device; fails where it does not conform.
pub(crate) fn run(args: &ConformanceArgs) -> anyhow::Result<ExitCode> {
    if let Some(address) = args.listen {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(site::run(args, address));
    }
    let mn = args.mn.context("no device given")?;
    let found = view::find(&args.place)?;
    let reader = view::open(&args.place)?;
    let registry = match &found.data_dir {
        Some(data_dir) => roles::registry::kept(data_dir)?,
        None => plume_schemas::registry::Registry::default(),
    };
    let until = clock::system().now();
    let span = Span {
        start: until.plus(-args.last.ms),
        end: until,
    };
    let registry = RegistryIndex::new(registry);
    let expect = found.config.ingest.expect_encryption_2025;
    let report = of_archive(&reader, &registry, mn, span, expect)?;
    if report.packets == 0 {
        bail!("{mn} 在此时段没有报文 / no packets of it in this time; --last 7d looks further back");
    }
    print(args, &report);
    Ok(code(report.is_fine()))
}

fn print(args: &ConformanceArgs, report: &Conformance) {
    if args.json {
        out::line(report.to_json());
    } else {
        let lang = if args.lang == "en" { Lang::En } else { Lang::Zh };
        out::line(report.page(lang).to_string().trim_end());
    }
}

fn code(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
