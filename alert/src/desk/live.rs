//! `GET /events`: the live list. Rows a visitor may see, as they change; the clock, as it moves.
//!
//! The id of each event is the change number, so a browser that comes back says what it has seen and misses nothing.

use std::convert::Infallible;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use plume_schemas::rule::Severity;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::Visitor;
use super::limits::{LIVE_QUEUE, REPLAY_ROWS, RETRY, SESSION_CHECK};
use super::pages::duty::clock;
use super::problem::Problem;
use super::state::{DeskState, LivePlace};
use crate::case::State as CaseState;
use crate::store::{Change, StoreError};

/// Where the page stood.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct After {
    pub(super) after: Option<i64>,
}

/// A changed case.
#[derive(Debug, Serialize)]
struct Changed {
    id: String,
    /// To be rung: grave, going on, and nobody has said that they saw it.
    urgent: bool,
}

/// The desk's clock.
#[derive(Debug, Serialize)]
struct Clock {
    /// Milliseconds since 1970.
    now: i64,
    /// The last record's, as shown.
    clock: String,
}

/// One listening browser.
struct Listener {
    state: DeskState,
    visitor: Visitor,
    seen: i64,
    changes: broadcast::Receiver<i64>,
    to: mpsc::Sender<Result<Event, Infallible>>,
    _place: LivePlace,
}

/// Why a listener ends.
pub(super) enum End {
    /// The browser went away.
    Gone,
    /// The session did.
    Session,
    /// The store failed; the browser comes back.
    Store(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// `GET /events`.
pub(crate) async fn events(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = state.live_place().ok_or(Problem::Busy)?;
    let last = last_heard(&headers);
    let newest = state.store().last_change().await?;
    // A number from before a restore, or made up, would keep the list silent for ever.
    let seen = last.or(query.after).filter(|&seen| seen <= newest).unwrap_or(newest);
    let (to, from) = mpsc::channel(LIVE_QUEUE);
    let listener = Listener {
        changes: state.changes(),
        state,
        visitor,
        seen,
        to,
        _place: place,
    };
    tokio::spawn(listener.run());
    // Proxies that gather answers before passing them on are asked not to.
    Ok(([("x-accel-buffering", "no")], Sse::new(ReceiverStream::new(from))).into_response())
}

/// True while the visitor is still signed in.
pub(super) async fn session_lives(state: &DeskState, visitor: &Visitor) -> Result<bool, StoreError> {
    let session = state.store().session(&visitor.token, state.now()).await?;
    Ok(session.is_some())
}

/// The number that a browser which comes back heard last.
pub(super) fn last_heard(headers: &HeaderMap) -> Option<i64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

impl Listener {
    async fn run(mut self) {
        let mut stop = self.state.stopped();
        let ended = tokio::select! {
            ended = self.listen() => ended,
            _ = stop.wait_for(|stopped| *stopped) => return,
        };
        if let Err(End::Store(error)) = ended {
            tracing::warn!(error = &error as &dyn std::error::Error, "a live list was cut off");
        }
    }

    async fn listen(&mut self) -> Result<(), End> {
        self.send(Event::default().retry(RETRY).event("clock"), &self.clock())
            .await?;
        self.catch_up().await?;
        let mut heart = tokio::time::interval(self.state.heartbeat());
        let mut check = tokio::time::interval(SESSION_CHECK);
        loop {
            tokio::select! {
                changed = self.changes.recv() => match changed {
                    // Whatever was said meanwhile is in the store already.
                    Ok(_) | Err(RecvError::Lagged(_)) => self.catch_up().await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = heart.tick() => self.send(Event::default().event("clock"), &self.clock()).await?,
                _ = check.tick() => self.check_session().await?,
            }
        }
    }

    /// Sends what changed since; a list that missed too much is told to be read again.
    async fn catch_up(&mut self) -> Result<(), End> {
        self.changes = self.changes.resubscribe();
        let changes = self
            .state
            .store()
            .changes_since(&self.visitor.viewer, self.seen)
            .await?;
        if changes.len() > REPLAY_ROWS {
            self.seen = self.state.store().last_change().await?;
            let event = Event::default().event("stale").id(self.seen.to_string());
            return self.send(event, &()).await;
        }
        for Change { seq, case } in changes {
            self.seen = seq;
            let changed = Changed {
                id: case.id.to_string(),
                urgent: case.state == CaseState::Open
                    && case.severity >= Severity::Urgent
                    && case.acknowledged.is_none(),
            };
            self.send(Event::default().event("case").id(seq.to_string()), &changed)
                .await?;
        }
        Ok(())
    }

    fn clock(&self) -> Clock {
        let now = self.state.now();
        Clock {
            now: now.0,
            clock: clock(self.state.last_record().unwrap_or(now)),
        }
    }

    async fn check_session(&self) -> Result<(), End> {
        let lives = session_lives(&self.state, &self.visitor).await?;
        if lives { Ok(()) } else { Err(End::Session) }
    }

    async fn send(&self, event: Event, data: &impl Serialize) -> Result<(), End> {
        let event = event.json_data(data).map_err(|_| End::Gone)?;
        self.to.send(Ok(event)).await.map_err(|_| End::Gone)
    }
}
