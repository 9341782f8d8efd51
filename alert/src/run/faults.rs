//! Instruments out of order: manual samples, and the end of the repair. And what gateways say became of messages.

use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;

use super::Desk;
use crate::accounts::{Action, Viewer};
use crate::case::{ActKind, By};
use crate::config::ChannelConfig;
use crate::fault::{self, FaultError, FaultReport};
use crate::sinks::said;

/// What became of a word from a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The message arrived, and that is written down.
    Delivered,
    /// It did not, yet.
    NotDelivered,
    /// No message of that id was sent.
    UnknownMessage,
    /// No such channel, or not its secret.
    Refused,
    /// The body says nothing.
    Unreadable,
}

impl Desk {
    async fn own_report(&self, viewer: &Viewer, number: i64) -> Result<FaultReport, FaultError> {
        let found = self.store().fault_report(viewer, number).await?;
        let report = found.ok_or(FaultError::NoSuchReport)?;
        if !viewer.may(Action::Act(ActKind::ReportFault)) {
            return Err(FaultError::NotAllowed { role: viewer.role });
        }
        if report.repaired.is_some() {
            return Err(FaultError::Repaired);
        }
        Ok(report)
    }

    /// Enters a manual sample of an instrument out of order.
    pub async fn enter_sample(
        &self,
        viewer: &Viewer,
        number: i64,
        [factor, taken_at, value]: [&str; 3],
        now: Time,
    ) -> Result<(), FaultError> {
        let report = self.own_report(viewer, number).await?;
        let by = By {
            name: viewer.name.clone(),
            at: now,
        };
        let sample = fault::sample(factor, taken_at, value, by)?;
        let fits = self.store().add_sample(report.number, &sample).await?;
        fits.then_some(()).ok_or(FaultError::TooMany)
    }

    /// Says that the instrument works again: the repair clock stops. Gives the report.
    pub async fn repaired(&self, viewer: &Viewer, number: i64, now: Time) -> Result<FaultReport, FaultError> {
        let report = self.own_report(viewer, number).await?;
        let first = self.store().record_repair(number, &viewer.name, now).await?;
        first.then_some(report).ok_or(FaultError::Repaired)
    }

    /// Takes a gateway's word of a message: `secret` as its address carries it, `body` as it posts it.
    pub async fn hear_receipt(&self, name: &str, secret: &str, body: &[u8]) -> Result<Heard, crate::store::StoreError> {
        let receipts = self.0.config.channels.iter().find_map(|channel| match channel {
            ChannelConfig::Template(template) if template.name == name => template.receipts.as_ref(),
            _ => None,
        });
        // Hashes are compared: how long it takes tells nothing of the secret.
        let proof = |text: &str| ContentId::of(&[b"receipts", text.as_bytes()]);
        let proved = |wanted: &str| !wanted.is_empty() && proof(wanted) == proof(secret);
        let Some(receipts) = receipts.filter(|receipts| proved(receipts.secret.reveal())) else {
            return Ok(Heard::Refused);
        };
        let (Some(id), Some(status)) = (said(body, &receipts.id_pointer), said(body, &receipts.status_pointer)) else {
            return Ok(Heard::Unreadable);
        };
        if status != receipts.delivered_value {
            return Ok(Heard::NotDelivered);
        }
        let known = !id.is_empty() && self.store().record_delivered(&id, self.now()).await?;
        Ok(if known { Heard::Delivered } else { Heard::UnknownMessage })
    }
}
