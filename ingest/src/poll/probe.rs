//! A look at one device, for a technician: every register with its neighbours.

use std::time::Duration;

use super::link::{Link, OpenError};
use crate::modbus::decode::Image;
use crate::modbus::hints::Found;
use crate::modbus::map::{Connect, Model};
use crate::modbus::plan::plan;
use crate::modbus::read::{Miss, Read};

/// The device cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ProbeError(#[from] OpenError);

impl ProbeError {
    /// What to try.
    pub fn hint(&self) -> String {
        self.0.hint()
    }
}

/// A device that is looked at.
#[derive(Debug)]
pub struct Probe {
    connect: Connect,
    unit: u8,
    limit: Duration,
    line: Option<Link>,
}

impl Probe {
    /// Opens the bus of a device. Errors: it cannot be reached.
    pub async fn open(connect: Connect, unit: u8, limit: Duration) -> Result<Self, ProbeError> {
        let line = Link::open(&connect, limit).await?;
        Ok(Self {
            connect,
            unit,
            limit,
            line: Some(line),
        })
    }

    /// One round over a model, by as few requests as polling makes.
    pub async fn round(&mut self, model: &Model) -> Image {
        let mut image = Image::default();
        for read in plan(&model.reads(), model.limits) {
            image.put(read, self.ask(read).await);
        }
        image
    }

    /// The registers with their neighbours, each asked for alone, so that one that is not there hides no other.
    pub async fn neighbours(&mut self, model: &Model) -> Vec<Found> {
        let mut found = Vec::new();
        for register in &model.registers {
            let at = register.read;
            let one = |address: u32| {
                u16::try_from(address).ok().map(|address| Read {
                    address,
                    count: 1,
                    ..at
                })
            };
            let before = u32::from(at.address).checked_sub(1).and_then(one);
            found.push(Found {
                words: self.ask(at).await,
                before: self.one(before).await,
                after: self.one(one(at.end())).await,
            });
        }
        found
    }

    async fn one(&mut self, read: Option<Read>) -> Option<u16> {
        let words = self.ask(read?).await.ok()?;
        words.first().copied()
    }

    /// Asks on a connection that is opened again where the last answer did not come.
    async fn ask(&mut self, read: Read) -> Result<Vec<u16>, Miss> {
        if self.line.is_none() {
            self.line = Link::open(&self.connect, self.limit).await.ok();
        }
        let Some(line) = &mut self.line else {
            return Err(Miss::NoLink);
        };
        let answer = line.ask(self.unit, read, self.limit).await;
        if answer.as_ref().is_err_and(|miss| miss.spoils_link()) {
            self.line = None;
        }
        answer
    }
}
