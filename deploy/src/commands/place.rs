//! Where a command finds its data directory, and what the plume that runs there answers.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::{running, view};
use crate::config::Config;

/// The configuration and the data directory that a command is about.
pub(crate) fn place(config: Option<&Path>, data: Option<&Path>) -> anyhow::Result<(Config, PathBuf)> {
    let config = view::config(config)?;
    let data_dir = data.map_or_else(|| config.plume.data_dir.clone(), Path::to_owned);
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} 不是 plume 的数据目录 / is no data directory of plume; name one with --data DIR or --config FILE",
            data_dir.display()
        );
    }
    Ok((config, data_dir))
}

/// What the plume that runs in this directory says to a request; `None` where none runs. Errors: what it refused.
pub(crate) async fn ask(data_dir: &Path, method: &str, path: &str, body: &str) -> Option<anyhow::Result<String>> {
    let answer = running::send(data_dir, method, path, body).await?;
    Some(answer.and_then(|(well, body)| {
        if !well {
            bail!("the running plume says: {}", body.trim());
        }
        Ok(body)
    }))
}
