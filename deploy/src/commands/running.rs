//! Asking the plume that runs in a data directory.

use std::path::Path;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::system::{Addresses, run_file};

/// The answer of the plume that runs in this directory to a request of its admin pages: whether it is content, and what
/// it says. `None` where none runs.
pub(crate) async fn ask(data_dir: &Path, method: &str, path: &str) -> Option<anyhow::Result<(bool, String)>> {
    send(data_dir, method, path, "").await
}

/// [`ask`] with something to tell.
pub(crate) async fn send(
    data_dir: &Path,
    method: &str,
    path: &str,
    body: &str,
) -> Option<anyhow::Result<(bool, String)>> {
    let addresses: Addresses = serde_json::from_slice(&std::fs::read(run_file(data_dir)).ok()?).ok()?;
    let mut stream = TcpStream::connect(addresses.admin).await.ok()?;
    Some(
        async {
            stream
                .write_all(
                    format!(
                        "{method} {path} HTTP/1.0\r\nHost: plume\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    )
                    .as_bytes(),
                )
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            let (head, body) = answer
                .split_once("\r\n\r\n")
                .context("the running plume gave no answer")?;
            Ok((head.starts_with("HTTP/1.0 200"), body.to_owned()))
        }
        .await,
    )
}
