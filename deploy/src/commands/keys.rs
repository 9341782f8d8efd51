//! `plume keys`: the key that seals the keys of devices, and how old those are. No key of a device is ever shown.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::place::place;
use crate::cli::permits::{KeysCommand, PlaceArgs};
use crate::{clock, keystore, out};

/// Makes a sealing key, or lists the devices' keys.
pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::NewSeal { file } => new_seal(file),
        KeysCommand::List(args) => list(&args.place),
    }
}

fn new_seal(path: &Path) -> anyhow::Result<ExitCode> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("make {}", path.display()))?;
    file.write_all(keystore::new_seal()?.as_bytes())?;
    file.sync_all()?;
    out::line(format_args!(
        "已生成 {path}（仅本用户可读）。写入配置 [keys] seal_file，并另存一份：没有它，备份中的设备密钥打不开。\n\
         made {path}, readable by this user alone. Name it in [keys] seal_file and keep a copy elsewhere: without it \
         the devices' keys in a backup cannot be opened.",
        path = path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(at: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(at.config.as_deref(), at.data.as_deref())?;
    let ages = keystore::kept_ages(&config.keys, &data_dir, clock::system().now())?;
    for age in &ages {
        let (mn, id, days) = (age.mn, age.id.as_str(), age.days);
        if at.json {
            let since = age.since.to_string();
            out::line(json!({"mn": mn, "key_id": id, "since": since, "days": days, "changing": age.changing}));
            continue;
        }
        let since: String = age.since.to_string().chars().take(10).collect();
        let changing = if age.changing { "  更换中 / changing" } else { "" };
        out::line(format_args!(
            "{mn}  {id}  自 / since {since}  {days} 天 / days{changing}"
        ));
    }
    if ages.is_empty() && !at.json {
        out::line("没有封存的设备密钥 / no keys of devices are kept");
    }
    Ok(ExitCode::SUCCESS)
}
