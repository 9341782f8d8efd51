//! The world's network: ordered streams of bytes that are cut anywhere, come late, come together, and end without a
//! word. Nothing is ever reordered, doubled or altered within a link: TCP sees to that; doubling is the devices' work.

use std::collections::VecDeque;

use plume_schemas::time::{SECOND_MS, Time};

use crate::chance::Chance;

/// What one read takes, as in ingest's link.
pub(crate) const READ_BYTES: usize = 8_192;

/// How long things take on the way.
#[derive(Debug)]
pub(crate) struct Weather {
    chance: Chance,
    /// Nothing arrives before: a network that stands still.
    pub(crate) stalled_until: Time,
    /// No more long delays.
    pub(crate) calm: bool,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed, "weather"),
            stalled_until: Time(i64::MIN),
            calm: false,
        }
    }

    fn arrival(&mut self, now: Time) -> Time {
        let delay_ms = match self.chance.below(400) {
            // Longer than a device waits for its answer, so that it sends again.
            0 if !self.calm => self.chance.within(11 * SECOND_MS..45 * SECOND_MS),
            1..=10 if !self.calm => self.chance.within(SECOND_MS..6 * SECOND_MS),
            // Longer than the wait for a missing tail.
            11..=30 => self.chance.within(250..900),
            _ => self.chance.within(1..60),
        };
        now.max(self.stalled_until).plus(delay_ms)
    }
}

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Pipe {
    pieces: VecDeque<(Time, Vec<u8>)>,
    last: Time,
    cut: bool,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self {
            pieces: VecDeque::new(),
            last: Time(i64::MIN),
            cut: false,
        }
    }

    /// Puts bytes on their way, in one piece or in several.
    pub(crate) fn send(&mut self, bytes: &[u8], now: Time, weather: &mut Weather) {
        if self.cut {
            return;
        }
        let largest = match weather.chance.below(40) {
            0 => 3,
            1..=4 => bytes.len() / 5 + 1,
            5..=15 => bytes.len() / 2 + 1,
            _ => bytes.len().max(1),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((weather.chance.place(largest) + 1).max(largest / 2).min(rest.len()));
            self.last = self.last.max(weather.arrival(now));
            match self.pieces.back_mut() {
                Some((at, together)) if *at == self.last => together.extend_from_slice(piece),
                _ => self.pieces.push_back((self.last, piece.to_vec())),
            }
            rest = after;
        }
    }

    /// When the next bytes are there.
    pub(crate) fn next(&self) -> Option<Time> {
        self.pieces.front().map(|(at, _)| *at)
    }

    /// When the last bytes are there.
    pub(crate) fn drained_at(&self) -> Option<Time> {
        self.pieces.back().map(|(at, _)| *at)
    }

    /// One read: what has arrived, together.
    pub(crate) fn take(&mut self, now: Time) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some((at, piece)) = self.pieces.front_mut() {
            if *at > now || read.len() >= READ_BYTES {
                break;
            }
            let room = (READ_BYTES - read.len()).min(piece.len());
            read.extend(piece.drain(..room));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        read
    }

    /// The link is cut: of the bytes on their way some still arrive, up to any byte; nothing follows.
    pub(crate) fn cut(&mut self, chance: &mut Chance) {
        self.cut = true;
        let on_the_way: usize = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
        let mut kept = chance.place(on_the_way + 1);
        for (_, piece) in &mut self.pieces {
            piece.truncate(kept);
            kept -= piece.len();
        }
        self.pieces.retain(|(_, piece)| !piece.is_empty());
    }
}

/// A link between a device and the server, as the network sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) station: usize,
    /// From the device.
    pub(crate) up: Pipe,
    /// To the device.
    pub(crate) down: Pipe,
    pub(crate) device_open: bool,
    pub(crate) server_open: bool,
    /// When an end hears that the link is gone. `None`: not yet known to the network, or never.
    pub(crate) device_hears: Option<Time>,
    pub(crate) server_hears: Option<Time>,
    /// The network cut it: what was not read yet is lost to whoever hears of it.
    pub(crate) is_cut: bool,
}

impl Link {
    pub(crate) fn new(station: usize) -> Self {
        Self {
            station,
            up: Pipe::new(),
            down: Pipe::new(),
            device_open: true,
            server_open: true,
            device_hears: None,
            server_hears: None,
            is_cut: false,
        }
    }

    /// Cut in both directions. Each end hears of it soon, later, or never (half-open).
    pub(crate) fn reset(&mut self, now: Time, chance: &mut Chance) {
        self.is_cut = true;
        self.up.cut(chance);
        self.down.cut(chance);
        let hears = |chance: &mut Chance, after: Time| match chance.below(4) {
            0 => None,
            1 => Some(after.plus(chance.within(5 * SECOND_MS..90 * SECOND_MS))),
            _ => Some(after.plus(1)),
        };
        let drained = self.up.drained_at().unwrap_or(now).max(now);
        self.server_hears = hears(chance, drained);
        self.device_hears = hears(chance, now);
    }

    /// True once nobody uses it.
    pub(crate) fn is_over(&self) -> bool {
        !self.device_open && !self.server_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_order_and_a_cut_leaves_a_prefix() {
        for seed in 0..200 {
            let (mut weather, mut chance) = (Weather::new(seed), Chance::new(seed, "cut"));
            let mut pipe = Pipe::new();
            let sent: Vec<u8> = (0..=255).cycle().take(2_000).collect();
            for piece in sent.chunks(500) {
                pipe.send(piece, Time(0), &mut weather);
            }
            if seed % 2 == 0 {
                pipe.cut(&mut chance);
                pipe.send(b"never arrives", Time(0), &mut weather);
            }
            let mut got = Vec::new();
            while let Some(at) = pipe.next() {
                got.extend(pipe.take(at));
            }
            assert!(sent.starts_with(&got), "seed {seed}");
            assert!(seed % 2 == 0 || got.len() == sent.len(), "seed {seed}");
        }
    }
}
