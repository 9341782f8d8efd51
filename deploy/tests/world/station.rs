//! A device at its end of the network, and what the world remembers of it.

use std::collections::HashSet;

use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;
use plume_simulator::device::{Moment, Output};
use plume_simulator::sender::Answered;

use crate::cast::{Character, Role};
use crate::witness::identity;

/// A device.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) role: Role,
    pub(crate) link: Option<u64>,
    pub(crate) next_try: Time,
    handled: Time,
    /// Every packet it wrote, by hash.
    pub(crate) written: HashSet<ContentId>,
    /// Every packet it saw answered.
    pub(crate) acked: Vec<Answered>,
    /// So many of them were found in the log.
    pub(crate) checked: usize,
    /// When it last had nothing left to deliver.
    pub(crate) last_empty: Time,
}

/// What a device wants done with its link.
pub(crate) enum Wish {
    Write(Vec<u8>),
    Close,
}

impl Station {
    pub(crate) fn new(role: Role, now: Time) -> Self {
        Self {
            role,
            link: None,
            next_try: now,
            handled: now,
            written: HashSet::new(),
            acked: Vec::new(),
            checked: 0,
            last_empty: now,
        }
    }

    pub(crate) fn is_polite(&self) -> bool {
        self.role.character == Character::Polite
    }

    /// When it wants to be called again.
    pub(crate) fn due(&self) -> Time {
        let due = self.role.device.due();
        let next = [due.world, due.wire]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Time(i64::MAX));
        let next = next.max(self.handled.plus(1));
        match self.link {
            None => next.min(self.next_try),
            Some(_) => next,
        }
    }

    /// True if it would open a link now.
    pub(crate) fn wants_link(&self, now: Time) -> bool {
        self.link.is_none() && self.next_try <= now && self.role.device.wants_link(now)
    }

    pub(crate) fn link_up(&mut self, link: u64, now: Time) {
        self.link = Some(link);
        self.role.device.link_up(Moment::real(now));
    }

    pub(crate) fn link_down(&mut self, next_try: Time) {
        self.link = None;
        self.next_try = next_try;
        self.role.device.link_down();
    }

    /// Bytes came from the platform.
    pub(crate) fn read(&mut self, bytes: &[u8], now: Time) {
        self.role.device.handle(bytes, Moment::real(now));
    }

    /// Time has passed. What it wants done next, one after the other.
    pub(crate) fn work(&mut self, now: Time) {
        if self.due() <= now {
            self.handled = now;
            self.role.device.handle_timeout(Moment::real(now));
        }
    }

    pub(crate) fn poll(&mut self, now: Time) -> Option<Wish> {
        loop {
            match self.role.device.poll_output(now) {
                None => {
                    if self.role.device.undelivered() == 0 {
                        self.last_empty = now;
                    }
                    return None;
                }
                Some(Output::Close) => return Some(Wish::Close),
                Some(Output::Write(bytes)) => {
                    self.written.insert(identity(&bytes));
                    return Some(Wish::Write(bytes));
                }
                Some(Output::Answered(answered)) => self.acked.push(answered),
            }
        }
    }
}
