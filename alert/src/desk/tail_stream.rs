//! `GET /devices/{mn}/events`: the packets of one device as they come, each as a row of its page's table.
//!
//! The id of each event is the packet's number since plume's start, so a browser that comes back misses nothing of
//! what is still kept. One whose number is from before a restart is told to read the page again.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use plume_schemas::ids::Mn;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::Visitor;
use super::limits::{LIVE_QUEUE, RETRY, SESSION_CHECK, TAIL_STEP};
use super::live::{End, last_heard, session_lives};
use super::pages::device::row_of;
use super::problem::Problem;
use super::state::{DeskState, LivePlace};

/// One browser that looks at one device.
struct Looker {
    state: DeskState,
    visitor: Visitor,
    mn: Mn,
    seen: u64,
    /// Its number is from before a restart.
    stale: bool,
    packets: watch::Receiver<u64>,
    to: mpsc::Sender<Result<Event, Infallible>>,
    _place: LivePlace,
}

/// Begins a stream behind packet number `after`, or behind what the browser says that it heard last. Whether the
/// device is the visitor's to see has been asked before.
pub(super) fn stream(
    state: DeskState,
    visitor: Visitor,
    mn: Mn,
    after: Option<i64>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let place = state.live_place().ok_or(Problem::Busy)?;
    let (packets, newest) = {
        let mut tail = state.tail();
        (tail.watch(mn), tail.last())
    };
    let heard = last_heard(headers)
        .or(after)
        .and_then(|heard| u64::try_from(heard).ok());
    let (to, from) = mpsc::channel(LIVE_QUEUE);
    let looker = Looker {
        state,
        visitor,
        mn,
        seen: heard.unwrap_or(newest),
        stale: heard.is_some_and(|heard| heard > newest),
        packets,
        to,
        _place: place,
    };
    tokio::spawn(looker.run());
    Ok(([("x-accel-buffering", "no")], Sse::new(ReceiverStream::new(from))).into_response())
}

impl Looker {
    async fn run(mut self) {
        let mut stop = self.state.stopped();
        let ended = tokio::select! {
            ended = self.look() => ended,
            _ = stop.wait_for(|stopped| *stopped) => return,
        };
        if let Err(End::Store(error)) = ended {
            tracing::warn!(error = &error as &dyn std::error::Error, "a live tail was cut off");
        }
    }

    async fn look(&mut self) -> Result<(), End> {
        // What opens the stream also says that it lives.
        self.send(Event::default().retry(RETRY).comment("plume")).await?;
        if self.stale {
            return self.send(Event::default().event("stale").data("")).await;
        }
        let mut heart = tokio::time::interval(self.state.heartbeat());
        let mut check = tokio::time::interval(SESSION_CHECK);
        let mut step = tokio::time::interval(TAIL_STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.catch_up().await?;
            step.tick().await;
            tokio::select! {
                changed = self.packets.changed() => changed.map_err(|_| End::Gone)?,
                _ = heart.tick() => self.send(Event::default().comment("")).await?,
                _ = check.tick() => if !session_lives(&self.state, &self.visitor).await? {
                    return Err(End::Session);
                },
            }
        }
    }

    /// Sends what came since, the oldest first.
    async fn catch_up(&mut self) -> Result<(), End> {
        self.packets.borrow_and_update();
        let mut fresh = self.state.tail().of(self.mn);
        fresh.retain(|heard| heard.number > self.seen);
        for heard in fresh.iter().rev() {
            self.seen = heard.number;
            let row = row_of(&self.state, heard).map_err(|_| End::Gone)?;
            let event = Event::default().event("packet").id(heard.number.to_string());
            self.send(event.json_data(row).map_err(|_| End::Gone)?).await?;
        }
        Ok(())
    }

    async fn send(&self, event: Event) -> Result<(), End> {
        self.to.send(Ok(event)).await.map_err(|_| End::Gone)
    }
}
