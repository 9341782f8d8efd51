//! 一键建档 on the desk: lists the devices that wait, and registers one as `plume quarantine register` does it.

use std::sync::Arc;

use plume_alert::Desk;
use plume_alert::desk::{EnrolQuestion, EnrolRefusal, Enrolled, Enrolment, WaitingDevice};
use plume_schemas::ids::FactorCode;
use tokio::sync::mpsc;

use super::Context;
use super::register::{self, Waiting, Wish};
use super::stop::Stop;

/// Answers until told to stop, one question after the other. `shared` where several desks stand on one database: then
/// the active one records.
pub(crate) async fn answer(
    context: Context,
    (desk, shared): (Desk, bool),
    mut questions: mpsc::Receiver<EnrolQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    while let Some(question) = super::desk::next(&mut questions, &stop).await {
        match question {
            EnrolQuestion::Waiting { answer } => {
                let index = Arc::clone(&context.registry.borrow());
                let waiting = register::waiting(&context.bus, &index).await;
                let shown = waiting.map(|all| all.into_iter().map(|one| shown(&context, one)).collect());
                // Who asked may have left.
                drop(answer.send(shown.map_err(|error| format!("{error:#}"))));
            }
            EnrolQuestion::Enrol { answer, .. } if shared && !desk.is_active() => {
                drop(answer.send(Err(EnrolRefusal::Standby)));
            }
            EnrolQuestion::Enrol { enrolment, answer } => {
                drop(answer.send(enrol(&context, *enrolment).await));
            }
        }
    }
    Ok(())
}

/// A device as the desk shows it: its factors under the codes that the registry keeps, and those that nobody knows as
/// the device names them.
fn shown(context: &Context, one: Waiting) -> WaitingDevice {
    let codes = one.factors.iter().filter_map(|code| FactorCode::new(code).ok());
    let mut factors: Vec<FactorCode> = codes.map(|code| context.catalogue.canonical(code).0).collect();
    factors.sort();
    factors.dedup();
    WaitingDevice {
        mn: one.mn,
        st: one.st,
        edition: one.dialect,
        packets: one.packets,
        first: one.first,
        last: one.last,
        cns: one.cns.into_iter().collect(),
        factors,
        minute_interval_min: one.minute_interval_min,
        realtime_interval_s: one.realtime_interval_s,
        has_password: one.has_password,
    }
}

async fn enrol(context: &Context, enrolment: Enrolment) -> Result<Enrolled, EnrolRefusal> {
    let wish = Wish {
        mn: enrolment.mn,
        enterprise: enrolment.enterprise,
        enterprise_name: enrolment.enterprise_name,
        outlet: enrolment.outlet,
        outlet_name: enrolment.outlet_name,
        keep_password: enrolment.keep_password,
        district: enrolment.district,
        industry: enrolment.industry,
        factors: enrolment.factors,
        by: enrolment.by,
    };
    match register::register(context, wish).await {
        Ok(registered) => Ok(Enrolled {
            registry: Arc::clone(&context.registry.borrow()),
            taken: registered.packets.taken,
            still: registered.packets.still.values().sum(),
        }),
        Err(error) => {
            let detail = format!("{error:#}");
            tracing::warn!(detail, "a waiting device is not registered from the desk");
            Err(EnrolRefusal::Refused(detail))
        }
    }
}
