//! A client of the plume that runs on this machine: one request, one answer of JSON.

use std::path::Path;

use anyhow::{Context as _, bail};
use plume_alert::accounts::{Role, Scope, Token, Viewer};
use plume_alert::store::Store;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chance::chance;
use crate::clock;
use crate::config::Config;
use crate::roles::desk::store_url;
use crate::system::{Addresses, run_file};

/// The desk of a running plume, and a session on it.
pub(crate) struct Client {
    desk: std::net::SocketAddr,
    token: Token,
}

/// Whose session a command works with.
pub(crate) struct Person<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: &'a str,
}

impl Client {
    /// Makes a session in the desk's database. Whoever may read the data directory may make one.
    pub(crate) async fn sign_in(data: &Path, config: Option<&Path>, person: &Person<'_>) -> anyhow::Result<Self> {
        let Some(role) = Role::from_code(person.role) else {
            bail!(
                "`{}` 不是角色 / is no role; try {}",
                person.role,
                Role::ALL.iter().map(|role| role.code()).collect::<Vec<_>>().join(", ")
            );
        };
        let path = run_file(data);
        let running = std::fs::read(&path).with_context(|| {
            format!(
                "{} 中没有运行过 plume，请用 --data 指定 / no plume has run in {}; name its directory with --data",
                data.display(),
                data.display()
            )
        })?;
        let addresses: Addresses =
            serde_json::from_slice(&running).with_context(|| format!("read {}", path.display()))?;
        let configured = match config {
            Some(path) => Config::load(path),
            None => Config::defaults(),
        };
        let configured = configured.map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", problems.join("\n"))
        })?;
        let store = Store::open(&store_url(&configured.alert.store, data)).await?;
        let viewer = Viewer {
            name: person.name.to_owned(),
            role,
            scope: Scope::All,
        };
        let token = Token::new(chance()?);
        let kept = store.create_demo_session(&viewer, &token, clock::system().now()).await;
        store.close().await;
        kept?;
        Ok(Self {
            desk: addresses
                .desk
                .context("the plume in this directory runs without the role `desk`")?,
            token,
        })
    }

    /// A link that signs a browser in with this session.
    pub(crate) fn link(&self) -> String {
        format!("http://{}/enter/{}", self.desk, self.token.reveal())
    }

    /// Asks the desk; fails with its own words where it refuses.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(self.desk).await.with_context(|| {
            format!(
                "工作台未响应，plume 是否在运行？ / no desk answers at {}; is plume running?",
                self.desk
            )
        })?;
        let body = body.map_or_else(String::new, Value::to_string);
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.desk,
            self.token.reveal(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer).context("the desk's answer is no text")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the desk gave no answer")?;
        let value: Value =
            serde_json::from_str(body).with_context(|| format!("the desk's answer to {path} is no JSON"))?;
        if head.split(' ').nth(1) != Some("200") {
            let said = |key: &str| {
                value
                    .pointer(&format!("/error/{key}"))
                    .and_then(Value::as_str)
                    .unwrap_or("")
            };
            bail!("{}（建议 / hint: {}）", said("message"), said("hint"));
        }
        Ok(value)
    }
}
