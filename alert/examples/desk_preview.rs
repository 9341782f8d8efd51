//! The desk's pages over a seeded bureau, on loopback, for looking at: `cargo run -p plume-alert --example
//! desk_preview`. Prints a login with its password and one sign-in link for each role, and serves until stopped.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool for people who work on the pages"
)]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "the seed is shared with the page tests, which use more of it"
)]

#[path = "../tests/it/desk/seed.rs"]
mod seed;

use std::sync::atomic::{AtomicU8, Ordering};

use plume_alert::Desk;
use plume_alert::accounts::Chance;
use plume_alert::desk::{DeskOptions, DeskState};
use plume_schemas::time::Clock;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("desk.db").display());
    let clock = Clock::new(|| seed::at(seed::NOW));
    let metrics = prometheus::Registry::new();
    let desk = Desk::open(&url, &seed::config(), clock, &metrics, None).await.unwrap();
    let options = DeskOptions::new(false, true);
    let state = DeskState::new(desk.clone(), options);
    seed::fill(&desk, &state).await;
    seed::confirm(&desk).await;
    // The same password on every run: nothing here is secret.
    let drawn = AtomicU8::new(100);
    desk.set_chance(Chance::new(move || Some([drawn.fetch_add(1, Ordering::SeqCst); 32])));
    if let Some((login, password)) = desk.first_admin().await.unwrap() {
        println!("{login:<13} password {password}");
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (chance, viewer) in (1_u8..).zip(seed::people()) {
        let token = desk.create_demo_session(&viewer, [chance; 32]).await.unwrap();
        println!("{:<13} http://{address}/enter/{}", viewer.role.code(), token.reveal());
    }
    plume_alert::desk::serve(listener, state, std::future::pending())
        .await
        .unwrap();
}
