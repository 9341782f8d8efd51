//! `plume init`: a configuration for this host with every option in it, the defaults commented out, and a registry to
//! start from. Nothing that is there is touched.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::doctor::free_bytes;
use crate::cli::ops::InitArgs;
use crate::config::{Config, DEFAULTS};
use crate::out;

/// The registry of the examples: an enterprise, an outlet, a device.
const REGISTRY: &str = include_str!("../../examples/registry.toml");
/// The log may take this share of what the disk has free: the archive grows beside it.
const LOG_PARTS: u64 = 4;

/// A value that this host needs, and why.
struct Own {
    key: &'static str,
    value: String,
    why: String,
}

/// Writes both files and says what to do next.
pub(crate) fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let defaults = Config::defaults().map_err(|_| anyhow::anyhow!("the defaults do not load"))?;
    fs::create_dir_all(&args.dir).with_context(|| format!("make {}", args.dir.display()))?;
    let (config, registry) = (args.dir.join("plume.toml"), args.dir.join("registry.toml"));
    for path in [&config, &registry] {
        if path.exists() {
            bail!(
                "{} 已存在，未改动 / is there already and was not touched; name another --dir",
                path.display()
            );
        }
    }
    let own = own_values(&args.data, &defaults, free_bytes(&args.data));
    let text = commented(DEFAULTS, &own);
    let file = config.display().to_string();
    if let Err(problems) = Config::from_text(&file, &text) {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bail!("the configuration for this host would not load:\n{}", said.join("\n"));
    }
    // It is where passwords will stand.
    write_new(&config, &text, 0o600)?;
    write_new(&registry, REGISTRY, 0o640)?;
    out::line(format_args!("{}", config.display()));
    for Own { key, value, why } in &own {
        out::line(format_args!("  {key} = {value}    {why}"));
    }
    out::line(format_args!("{}", registry.display()));
    out::line(format_args!(
        "下一步 / next:\n  填写基础档案 / fill in {}\n  plume check --config {file}\n  plume doctor --config {file}\n  \
         plume run --config {file}",
        registry.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What differs on this host from the defaults.
fn own_values(data: &Path, defaults: &Config, free: Option<u64>) -> Vec<Own> {
    let mut own = vec![Own {
        key: "plume.data_dir",
        value: toml::Value::String(data.display().to_string()).to_string(),
        why: "数据目录 / as asked".to_owned(),
    }];
    let bus = &defaults.bus;
    if let Some(free) = free.filter(|free| free / LOG_PARTS < bus.max_bytes) {
        let gib = free as f64 / 1_073_741_824.0;
        // Whole segments, no fewer than the log needs to turn over.
        let max = (free / LOG_PARTS / bus.segment_bytes).max(8) * bus.segment_bytes;
        own.push(Own {
            key: "bus.max_bytes",
            value: max.to_string(),
            why: format!("磁盘余 {gib:.0} GiB 的四分之一 / a quarter of the {gib:.0} GiB free"),
        });
        if bus.keep_bytes > max / 2 {
            own.push(Own {
                key: "bus.keep_bytes",
                value: (max / 2).to_string(),
                why: "上项的一半 / half of that".to_owned(),
            });
        }
    }
    own
}

/// The defaults with every value commented out but those of this host.
fn commented(defaults: &str, own: &[Own]) -> String {
    let mut text = String::from(
        "# plume 的配置：注释掉的是默认值，去掉行首 # 并修改即生效。改后运行 plume check。\n\
         # Configuration of plume: what is commented out is the default; uncomment to change, then plume check.\n",
    );
    let mut section = "";
    for line in defaults.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            text += line;
        } else if let Some(words) = line.strip_prefix("##") {
            text += "#";
            text += words;
        } else if let Some((key, _)) = line.split_once(" = ") {
            if let Some(Own { value, why, .. }) = own.iter().find(|own| own.key.split_once('.') == Some((section, key)))
            {
                text.extend(["# 本机 / this host: ", why, "\n# ", line, "\n", key, " = ", value]);
            } else {
                text += "# ";
                text += line;
            }
        } else {
            text += line;
        }
        text += "\n";
    }
    text
}

fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_defaults_but_for_this_host() {
        let defaults = Config::defaults().unwrap();
        for free in [1 << 30, 9 << 30, 1 << 50] {
            let own = own_values(Path::new("/srv/plume \"x\""), &defaults, Some(free));
            let mut config = Config::from_text("plume.toml", &commented(DEFAULTS, &own)).unwrap();
            assert_eq!(config.plume.data_dir, Path::new("/srv/plume \"x\""));
            assert!(config.bus.max_bytes <= (free / LOG_PARTS).max(8 * config.bus.segment_bytes));
            config.plume.data_dir.clone_from(&defaults.plume.data_dir);
            config.bus = defaults.bus.clone();
            assert_eq!(config, defaults);
        }
    }
}
