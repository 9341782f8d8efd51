//! Notices that are about no case: digests and reminders, to an enterprise or to the officers on duty. Pure.

use plume_schemas::ids::{ContentId, EnterpriseId};
use plume_schemas::registry::{ContactRole, Enterprise};
use plume_schemas::rule::{Severity, Stream};
use plume_schemas::time::Time;

use super::make::{Maker, Receiver, addressed, reach};
use super::{Audience, Channel, Notice};
use crate::book::Purpose;
use crate::words::Message;

/// One message to one or several people.
#[derive(Clone, Debug)]
pub struct Bulletin {
    /// What for.
    pub purpose: Purpose,
    /// What it is made from: the same content makes the same notice.
    pub cause: ContentId,
    /// The batch it belongs to.
    pub batch: Option<ContentId>,
    /// By which channel.
    pub channel: Channel,
    /// What it says.
    pub message: Message,
    /// When.
    pub now: Time,
}

/// The notice to an enterprise: to its environmental officer, else to whoever comes first.
pub fn to_enterprise(maker: &Maker<'_>, enterprise: &Enterprise, bulletin: &Bulletin) -> Notice {
    let own = enterprise
        .contacts
        .iter()
        .filter(|contact| contact.role != ContactRole::Contractor)
        .min_by_key(|contact| contact.role);
    let receiver = own.map_or_else(
        || nobody(maker, Audience::Enterprise, bulletin.channel),
        |contact| reach(maker, Audience::Enterprise, contact, bulletin.channel),
    );
    notice(maker, Some(enterprise.id), receiver, bulletin)
}

/// The notice to the enterprise's contractor, where it has one.
pub fn to_contractor(maker: &Maker<'_>, enterprise: &Enterprise, bulletin: &Bulletin) -> Option<Notice> {
    let own = enterprise
        .contacts
        .iter()
        .find(|contact| contact.role == ContactRole::Contractor)?;
    let receiver = reach(maker, Audience::Contractor, own, bulletin.channel);
    Some(notice(maker, Some(enterprise.id), receiver, bulletin))
}

/// The notices to the officers on duty of a district, or of the city where it is empty.
pub fn to_bureau(maker: &Maker<'_>, audience: Audience, district: &str, bulletin: &Bulletin) -> Vec<Notice> {
    let on_duty = maker.roster.on_duty(audience, district, bulletin.now);
    on_duty
        .iter()
        .map(|shift| {
            let receiver = addressed(
                maker,
                audience,
                &shift.name,
                &shift.phone,
                &shift.email,
                bulletin.channel,
            );
            notice(maker, None, receiver, bulletin)
        })
        .collect()
}

fn nobody(maker: &Maker<'_>, audience: Audience, channel: Channel) -> Receiver {
    Receiver {
        audience,
        name: maker.lang.pick(audience.zh(), audience.en()).to_owned(),
        channel,
        address: String::new(),
    }
}

fn notice(maker: &Maker<'_>, enterprise: Option<EnterpriseId>, to: Receiver, bulletin: &Bulletin) -> Notice {
    let id = ContentId::of(&[
        b"bulletin",
        bulletin.cause.as_bytes(),
        bulletin.purpose.code().as_bytes(),
        enterprise.as_ref().map_or("", EnterpriseId::as_str).as_bytes(),
        to.audience.code().as_bytes(),
        to.channel.code().as_bytes(),
        to.name.as_bytes(),
        to.address.as_bytes(),
    ]);
    Notice {
        id,
        case: None,
        batch: bulletin.batch,
        enterprise,
        stream: Stream::Service,
        audience: to.audience,
        receiver: to.name,
        channel: to.channel,
        address: to.address,
        purpose: bulletin.purpose,
        step: 0,
        lang: maker.lang,
        message: bulletin.message.clone(),
        severity: Severity::Notice,
        created_at: bulletin.now,
        not_before: bulletin.now,
        stale_at: None,
        waits_for_morning: true,
    }
}
