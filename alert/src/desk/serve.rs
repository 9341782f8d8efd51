//! The desk's sockets: connections counted, headers timed, and a stop that lets answers finish.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::limits::DRAIN_TIMEOUT;
use super::state::DeskState;

/// After a failed accept (no file handles left) the next one is tried after this pause, so that the log is not flooded.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves the desk until `shutdown`, then ends the live lists and waits [`DRAIN_TIMEOUT`] for answers still being
/// written.
///
/// Errors: none once the listener is bound; a connection that fails is logged at debug level and forgotten.
pub async fn serve(
    listener: TcpListener,
    state: DeskState,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = super::router(state.clone());
    let places = Arc::new(Semaphore::new(state.options().connections));
    let mut open = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => {
                let (stream, place) = accepted;
                open.spawn(connection(stream, router.clone(), state.clone(), place));
            }
            Some(_) = open.join_next(), if !open.is_empty() => {}
        }
    }
    drop(listener);
    state.stop();
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!(connections = open.len(), "desk connections were cut off at the stop");
    }
    Ok(())
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Only a closed semaphore refuses, and this one is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the desk could not accept a connection"
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: axum::Router, state: DeskState, place: Option<OwnedSemaphorePermit>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.options().header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let mut stopped = state.stopped();
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = until_stopped(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a desk connection ended early"
        );
    }
    drop(place);
}

async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    // The sender lives in the state this connection serves; if it is gone, so is the desk.
    drop(stopped.wait_for(|stopped| *stopped).await);
}
