//! `plume enter`: a link that signs one person in. Whoever may read the data directory may make one; the desk keeps
//! only its hash.

use std::process::ExitCode;

use super::client::{Client, Person};
use crate::cli::EnterArgs;
use crate::out;

/// Makes a session in the desk's database and prints its link.
pub(crate) async fn run(args: &EnterArgs) -> anyhow::Result<ExitCode> {
    let person = Person {
        name: &args.name,
        role: &args.role,
    };
    let client = Client::sign_in(&args.data, args.config.as_deref(), &person).await?;
    out::line(client.link());
    Ok(ExitCode::SUCCESS)
}
