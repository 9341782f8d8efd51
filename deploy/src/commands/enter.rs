//! `plume enter`: a link that signs one person in. Whoever may read the data directory may make one; the desk keeps
//! only its hash.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_alert::accounts::{Role, Scope, Token, Viewer};
use plume_alert::store::Store;

use crate::chance::chance;
use crate::cli::EnterArgs;
use crate::system::{Addresses, run_file};
use crate::{clock, out};

/// Makes a session in the desk's database and prints its link.
pub(crate) async fn run(args: &EnterArgs) -> anyhow::Result<ExitCode> {
    let Some(role) = Role::from_code(&args.role) else {
        bail!(
            "`{}` is no role; try {}",
            args.role,
            Role::ALL.iter().map(|role| role.code()).collect::<Vec<_>>().join(", ")
        );
    };
    let path = run_file(&args.data);
    let running = std::fs::read(&path).with_context(|| {
        format!(
            "no plume has run in {}; name its directory with --data",
            args.data.display()
        )
    })?;
    let addresses: Addresses = serde_json::from_slice(&running).with_context(|| format!("read {}", path.display()))?;
    let store = Store::open(&format!("sqlite:{}", args.data.join("desk.db").display())).await?;
    let viewer = Viewer {
        name: args.name.clone(),
        role,
        scope: Scope::All,
    };
    let token = Token::new(chance()?);
    store
        .create_demo_session(&viewer, &token, clock::system().now())
        .await?;
    store.close().await;
    out::line(format_args!("http://{}/enter/{}", addresses.desk, token.reveal()));
    Ok(ExitCode::SUCCESS)
}
