//! How processes begin and end, and what troubles do.

use plume_bus::BusError;
use plume_bus::fs::{Fault, Loss};
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};

use crate::broken::{Held, Promise, hold};
use crate::chance::Chance;
use crate::machine::{Manner, Round};
use crate::process::Process;
use crate::trouble::Trouble;
use crate::world::World;

impl World {
    /// The process starts: opens the log, records the registry if it changed, lets devices in.
    pub(crate) fn start_process(&mut self) -> Held {
        let Some((_, loss)) = self.boot.take() else {
            return Ok(());
        };
        if let Some(loss) = loss {
            self.machine.disk.restart(loss);
        }
        let opened = self.machine.open();
        let bus = match opened {
            Ok(bus) => bus,
            Err(error) => return self.could_not_open(&error),
        };
        let registry = self.registry.clone();
        let (_, mut hands) = self.hands();
        self.process = Some(Process::new(bus, registry, &mut hands));
        self.look(true)?;
        self.witness.process_started();
        self.import_registry()
    }

    /// A disk that fails while the log is being opened ends the process; the next one tries again. Anything else is a
    /// log that does not open by itself.
    fn could_not_open(&mut self, error: &BusError) -> Held {
        let excused = self.disk_troubled && matches!(error, BusError::Io { .. });
        hold(excused, Promise::OpensAgain, self.now, || {
            format!(
                "{error}: {:?}",
                std::error::Error::source(error).map(ToString::to_string)
            )
        })?;
        self.counts.failed_openings += 1;
        let loss = self.machine.disk.is_down().then(|| self.draw_loss());
        self.boot = Some((self.retry_at(), Some(loss.unwrap_or(Loss::Process))));
        Ok(())
    }

    /// What deploy does at its start and on SIGHUP.
    pub(crate) fn import_registry(&mut self) -> Held {
        if self.recorded.as_ref() == Some(&self.registry) {
            return Ok(());
        }
        let mut revision = self.registry.clone();
        revision.revision = self.recorded.as_ref().map_or(1, |last| last.revision + 1);
        revision.recorded_at = self.machine.clock().now();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        match process.import(&revision, &self.machine) {
            Ok(()) => {
                self.registry = revision.clone();
                self.recorded = Some(revision);
            }
            // Without it deploy does not start.
            Err(_) => self.kill(None)?,
        }
        Ok(())
    }

    /// The process ends without a word; `loss`: so does the machine, or its disk is started over.
    pub(crate) fn kill(&mut self, loss: Option<Loss>) -> Held {
        // What was shown to readers must be there again afterwards.
        self.look(false)?;
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        self.counts.released_segments += process.bus.stats().released_segments;
        drop(process);
        let down_ms = self.chance.within(SECOND_MS..30 * SECOND_MS);
        let back_at = self.now.plus(down_ms);
        self.boot = Some((back_at, Some(loss.unwrap_or(Loss::Process))));
        if matches!(loss, None | Some(Loss::Process)) {
            let numbers: Vec<u64> = self.links.keys().copied().collect();
            numbers.into_iter().for_each(|number| self.close_from_server(number, 1));
        } else {
            self.lose_links(back_at);
        }
        Ok(())
    }

    fn restart(&mut self, down_ms: i64) -> Held {
        self.look(false)?;
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        self.counts.stops += 1;
        self.counts.released_segments += process.bus.stats().released_segments;
        let (_, mut hands) = self.hands();
        for (number, answer) in process.stop(&mut hands)? {
            self.answer(number, [answer]);
        }
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.close_from_server(number, 1));
        self.boot = Some((
            self.now.plus(down_ms),
            self.machine.disk.is_down().then_some(Loss::Process),
        ));
        Ok(())
    }

    /// The next trouble, or none any more.
    pub(crate) fn trouble(&mut self) -> Held {
        if self.now >= self.calm_from {
            self.trouble_at = Time(i64::MAX);
            return self.calm_down();
        }
        self.trouble_at = self
            .now
            .plus(self.chance.within(SECOND_MS..6 * MINUTE_MS))
            .min(self.calm_from);
        let trouble = Trouble::draw(&mut self.chance);
        match trouble {
            Trouble::Reset => {
                let place = self.chance.place(self.links.len());
                if let Some(number) = self.links.keys().nth(place).copied() {
                    self.reset_link(number);
                }
            }
            Trouble::ResetAll => {
                let numbers: Vec<u64> = self.links.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.reset_link(number));
            }
            Trouble::Stall { for_ms } => self.weather.stalled_until = self.now.plus(for_ms),
            Trouble::Kill { .. } => {
                self.counts.kills += u64::from(self.process.is_some());
                self.kill(None)?;
            }
            Trouble::PowerLoss { partly, .. } => {
                self.counts.power_losses += u64::from(self.process.is_some());
                let seed = self.chance.draw();
                self.kill(Some(if partly { Loss::PowerPartly(seed) } else { Loss::Power }))?;
            }
            Trouble::Restart { down_ms } => self.restart(down_ms)?,
            Trouble::SlowArchive { for_ms } => self.archive_not_before = self.now.plus(for_ms),
            Trouble::SlowJudge { for_ms } => self.judge_not_before = self.now.plus(for_ms),
            Trouble::ClockStep { by_ms, for_ms } => {
                self.counts.clock_steps += 1;
                self.machine.wrong_by_ms = by_ms;
                self.clock_right_at = Some(self.now.plus(for_ms));
            }
            _ => self.trouble_disk(trouble),
        }
        Ok(())
    }

    fn trouble_disk(&mut self, trouble: Trouble) {
        let disk = &self.machine.disk;
        self.disk_troubled = true;
        self.counts.disk_faults += 1;
        match trouble {
            Trouble::CrashAt { operation } => disk.inject(operation, Fault::Crash),
            Trouble::DiskError { operation } => disk.inject(operation, Fault::Error),
            Trouble::ShortWrite { operation } => disk.inject(operation, Fault::ShortWrite),
            Trouble::NoSpace { operation } => disk.inject(operation, Fault::NoSpace),
            Trouble::FullDisk { for_ms, spare_bytes } => {
                self.counts.full_disks += 1;
                disk.leave_room(Some(spare_bytes));
                self.full_until = Some(self.now.plus(for_ms));
            }
            _ => {}
        }
    }

    /// Everything that was in trouble is well again.
    fn calm_down(&mut self) -> Held {
        self.weather.calm = true;
        self.weather.stalled_until = self.now;
        self.full_until = None;
        self.machine.disk.leave_room(None);
        self.clock_right_at = Some(self.now);
        self.archive_not_before = self.now;
        self.judge_not_before = self.now;
        // Faults that are still planned would come later; a machine that starts again has none.
        self.kill(Some(Loss::Power))?;
        self.disk_troubled = false;
        if let Some((_, loss)) = &mut self.boot {
            loss.get_or_insert(Loss::Process);
        }
        Ok(())
    }

    /// The ticker, the judge and the archive.
    pub(crate) fn serve_roles(&mut self) -> Held {
        let now = self.now;
        if let (Some(process), hands) = self.hands() {
            process.tick(&hands);
        }
        if self.recorded.as_ref() != Some(&self.registry) {
            self.import_registry()?;
        }
        let partitions = self.process.as_ref().map_or(0, |process| process.judge_at.len());
        for partition in 0..partitions {
            let Some(process) = &mut self.process else {
                break;
            };
            if process.judge_at[partition] > now {
                continue;
            }
            let next = now.plus(self.chance.within(MINUTE_MS..7 * MINUTE_MS));
            process.judge_at[partition] = next.max(self.judge_not_before);
            if self.judge_not_before <= now {
                self.judge(u32::try_from(partition).unwrap_or(0))?;
            }
        }
        self.serve_archive()
    }

    fn judge(&mut self, partition: u32) -> Held {
        // Its checkpoint lets the log forget, so everything is looked at before.
        self.look(false)?;
        let manner = draw_manner(&mut self.chance);
        let Some(process) = &self.process else {
            return Ok(());
        };
        self.counts.judge_rounds += 1;
        match self.machine.judge(&process.bus, partition, manner) {
            Round::Done => self.counts.judge_kills += u64::from(manner == Manner::Killed),
            Round::Starved => self.counts.judge_starved += 1,
            // A role that fails ends the process.
            Round::Failed(why) => {
                hold(self.disk_troubled, Promise::JudgeRepeats, self.now, || why)?;
                self.counts.judge_failures += 1;
                let loss = self.draw_loss();
                self.kill(Some(loss))?;
            }
        }
        Ok(())
    }
}

fn draw_manner(chance: &mut Chance) -> Manner {
    match chance.below(4) {
        0 => Manner::Killed,
        1 => Manner::Eager,
        _ => Manner::Orderly,
    }
}
