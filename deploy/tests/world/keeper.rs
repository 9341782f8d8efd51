//! The archive's loop in the world (a stand-in that only commits, until the archive is plugged in).

use plume_bus::ReadLimit;
use plume_schemas::time::MINUTE_MS;

use crate::broken::Held;
use crate::roles::{ARCHIVE, ARCHIVED, at, consumer};
use crate::world::World;

impl World {
    pub(crate) fn serve_archive(&mut self) -> Held {
        let Some(process) = self.process.as_mut().filter(|process| process.archive_at <= self.now) else {
            return Ok(());
        };
        let next = self.now.plus(self.chance.within(MINUTE_MS..6 * MINUTE_MS));
        process.archive_at = next.max(self.archive_not_before);
        if self.archive_not_before > self.now {
            return Ok(());
        }
        self.look(false)?;
        self.counts.archive_rounds += 1;
        let Some(process) = &self.process else {
            return Ok(());
        };
        let bus = &process.bus;
        let done = self.machine.runtime.block_on(async {
            for topic in ARCHIVED {
                for partition in 0..bus.partitions() {
                    let line = at(topic, partition);
                    let end = bus.range(line).await?.end;
                    bus.read(line, end, ReadLimit::records(1)).await?;
                    bus.commit(consumer(ARCHIVE).unwrap(), vec![(line, end)]).await?;
                }
            }
            Ok::<(), plume_bus::BusError>(())
        });
        if done.is_err() {
            self.counts.archive_failures += 1;
            let loss = self.draw_loss();
            self.kill(Some(loss))?;
        }
        Ok(())
    }
}
