//! The world's links at work: devices write and read, the server reads and answers, ends hear of each other's end.

use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};

use crate::broken::Held;
use crate::net::Link;
use crate::pump::Pump;
use crate::station::Wish;
use crate::world::World;

impl World {
    /// Devices connect, write, and give up.
    pub(crate) fn serve_stations(&mut self) -> Held {
        for place in 0..self.stations.len() {
            let station = &self.stations[place];
            if station.wants_link(self.now) && self.process.is_some() {
                self.connect(place);
            } else if station.link.is_none() && station.next_try <= self.now {
                self.stations[place].next_try = self.retry_at();
            }
            self.stations[place].work(self.now);
            while let Some(wish) = self.stations[place].poll(self.now) {
                match wish {
                    Wish::Write(bytes) => self.write(place, &bytes),
                    Wish::Close => self.hang_up(place),
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, place: usize) {
        let number = self.next_link;
        self.next_link += 1;
        let polite = self.stations[place].is_polite();
        let (process, hands) = self.hands();
        if let Some(process) = process {
            process.accept(number, polite, &hands);
        }
        self.counts.links += 1;
        self.links.insert(number, Link::new(place));
        self.stations[place].link_up(number, self.now);
    }

    fn write(&mut self, place: usize, bytes: &[u8]) {
        let Some(number) = self.stations[place].link else {
            return;
        };
        if let Some(link) = self.links.get_mut(&number) {
            link.up.send(bytes, self.now, &mut self.weather);
        }
        let pump = self.process.as_mut().and_then(|process| process.pumps.get_mut(&number));
        if let Some(expected) = pump.and_then(|pump| pump.expected.as_mut()) {
            expected.wrote(bytes);
        }
    }

    /// The device drops its link: the server hears of it behind the last byte, if it can.
    fn hang_up(&mut self, place: usize) {
        let retry_at = self.retry_at();
        let Some(number) = self.stations[place].link else {
            return;
        };
        self.stations[place].link_down(retry_at);
        if let Some(link) = self.links.get_mut(&number) {
            link.device_open = false;
            if !link.is_cut {
                link.server_hears = Some(link.up.drained_at().unwrap_or(self.now).max(self.now).plus(1));
            }
        }
    }

    /// Bytes arrive, ends are heard of.
    pub(crate) fn serve_links(&mut self) -> Held {
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            self.serve_server_end(number)?;
            self.serve_device_end(number);
        }
        self.links.retain(|_, link| !link.is_over());
        Ok(())
    }

    fn serve_server_end(&mut self, number: u64) -> Held {
        let Some(link) = self.links.get_mut(&number).filter(|link| link.server_open) else {
            return Ok(());
        };
        let now = self.now;
        let pump = self.process.as_ref().and_then(|process| process.pumps.get(&number));
        let reading = pump.is_some_and(Pump::wants_bytes) && link.up.next().is_some_and(|at| at <= now);
        let bytes = if reading { link.up.take(now) } else { Vec::new() };
        let heard = link.server_hears.is_some_and(|at| at <= now) && (link.is_cut || link.up.next().is_none());
        if heard {
            link.server_hears = None;
        }
        let due = pump
            .and_then(|pump| pump.due(&self.machine.config))
            .is_some_and(|at| at <= now);
        if !reading && !heard && !due && !pump.is_some_and(Pump::is_done) {
            return Ok(());
        }
        let (process, mut hands) = self.hands();
        let Some(process) = process else {
            return Ok(());
        };
        let sent = process.at_link(number, &mut hands, |pump, around| {
            if reading {
                pump.read(&bytes, around);
            }
            if heard {
                pump.end(around);
            }
            pump.work(around)
        })?;
        let done = process.pumps.get(&number).is_some_and(Pump::is_done);
        if done {
            process.pumps.remove(&number);
        }
        self.answer(number, sent.into_iter().flatten());
        if done {
            self.close_from_server(number, 1);
        }
        Ok(())
    }

    /// Sends what the server says.
    pub(crate) fn answer(&mut self, number: u64, answers: impl IntoIterator<Item = Vec<u8>>) {
        if let Some(link) = self.links.get_mut(&number) {
            for answer in answers {
                link.down.send(&answer, self.now, &mut self.weather);
            }
        }
    }

    /// The server's end is gone; the device hears of it behind the last answer.
    pub(crate) fn close_from_server(&mut self, number: u64, after_ms: i64) {
        if let Some(link) = self.links.get_mut(&number) {
            link.server_open = false;
            if !link.is_cut {
                link.device_hears = Some(link.down.drained_at().unwrap_or(self.now).max(self.now).plus(after_ms));
            }
        }
    }

    fn serve_device_end(&mut self, number: u64) {
        let retry_at = self.retry_at();
        let Some(link) = self.links.get_mut(&number).filter(|link| link.device_open) else {
            return;
        };
        let station = &mut self.stations[link.station];
        while link.down.next().is_some_and(|at| at <= self.now) {
            let bytes = link.down.take(self.now);
            station.read(&bytes, self.now);
        }
        if link.device_hears.is_some_and(|at| at <= self.now) {
            link.device_open = false;
            station.link_down(retry_at);
        }
    }

    /// The network cuts a link.
    pub(crate) fn reset_link(&mut self, number: u64) {
        if let Some(link) = self.links.get_mut(&number) {
            link.reset(self.now, &mut self.chance);
            self.counts.resets += 1;
            self.counts.half_open += u64::from(link.server_hears.is_none() || link.device_hears.is_none());
        }
    }

    /// The server's machine is gone: what was on its way is lost, devices find out when they get no answer, or when the
    /// machine is back and knows nothing of their link.
    pub(crate) fn lose_links(&mut self, back_at: Time) {
        for link in self.links.values_mut() {
            link.up.cut(&mut self.chance);
            link.down.cut(&mut self.chance);
            link.is_cut = true;
            link.server_open = false;
            let late = self.chance.within(SECOND_MS..2 * MINUTE_MS);
            link.device_hears = self.chance.one_in(2).then(|| back_at.plus(late));
        }
    }
}
