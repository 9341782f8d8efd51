//! `plume decode`: one packet as a table a technician can read out on the telephone.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context as _;
use plume_ingest::hj212::explain::{self, Lang, Options};
use plume_schemas::factors::Catalogue;

use crate::cli::DecodeArgs;
use crate::out;

/// Most bytes taken from a file or standard input: a day of one device is about 2 MB.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Explains each packet given by argument, file or standard input. Fails when any of them is unreadable.
pub(crate) fn run(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::embedded()?;
    let lang = if args.lang == "en" { Lang::En } else { Lang::Zh };
    let options = Options {
        key: args.key.as_ref().map(|key| key.clone().into_bytes()),
    };
    let mut fine = true;
    for input in inputs(args)? {
        for explanation in explain::explain_all(&input, &catalogue, lang, &options) {
            fine &= explanation.readable();
            if args.json {
                out::line(explanation.to_json());
            } else {
                out::line(explanation);
            }
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn inputs(args: &DecodeArgs) -> anyhow::Result<Vec<Vec<u8>>> {
    if let Some(path) = &args.file {
        let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
        return Ok(vec![read(file).with_context(|| format!("read {}", path.display()))?]);
    }
    if args.packets.is_empty() {
        return Ok(vec![read(std::io::stdin()).context("read standard input")?]);
    }
    Ok(args.packets.iter().map(|packet| packet.clone().into_bytes()).collect())
}

fn read(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_INPUT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
