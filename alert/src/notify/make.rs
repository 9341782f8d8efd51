//! From a case that people are to be told of, to the notices: one per receiver. Pure.

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Contact, ContactRole, RegistryIndex};
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};

use super::{Audience, Channel, Notice};
use crate::book::Purpose;
use crate::case::{Case, Family};
use crate::config::NotifyConfig;
use crate::route::{Night, Route, Routes};
use crate::words::{Lang, Place, Words, message};

/// What notices are made with.
#[derive(Debug)]
pub struct Maker<'a> {
    /// The table of routes.
    pub routes: &'a Routes,
    /// The sentences.
    pub words: &'a Words,
    /// Names and units of factors.
    pub catalogue: &'a Catalogue,
    /// Names and contacts of people.
    pub registry: &'a RegistryIndex,
    /// Times and conditions.
    pub config: &'a NotifyConfig,
    /// In which language.
    pub lang: Lang,
    /// Which channels something is set up for.
    pub carried: &'a [Channel],
}

/// One receiver on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// For whom by kind.
    pub audience: Audience,
    /// Who.
    pub name: String,
    /// By which channel.
    pub channel: Channel,
    /// Where to; empty where there is none.
    pub address: String,
}

/// The notices of `case` for `purpose`, caused by `cause` at `now`. `told` are those who heard of the case before:
/// they, and only they, hear that it is over.
pub fn make(
    maker: &Maker<'_>,
    case: &Case,
    purpose: Purpose,
    cause: ContentId,
    told: &[Receiver],
    now: Time,
) -> Vec<Notice> {
    let place = Place::of(case.outlet, maker.registry);
    let mut notices = Vec::new();
    if matches!(purpose, Purpose::Cleared | Purpose::Retracted) {
        for receiver in told {
            let timing = Timing::at(now, false);
            notices.push(notice(maker, case, purpose, cause, &place, receiver.clone(), timing));
        }
        return notices;
    }
    for route in maker.routes.of(case, maker.config) {
        let Some(channel) = route.way.channel() else { continue };
        for (step, receiver) in receivers(maker, case, route, channel).into_iter().enumerate() {
            let step = u32::try_from(step).unwrap_or(u32::MAX);
            let timing = Timing {
                not_before: not_before(maker.config, case, route, step, now),
                waits_for_morning: route.night == Night::Morning,
                step,
                made_at: now,
            };
            let purpose = if step > 0 { Purpose::Escalated } else { purpose };
            notices.push(notice(maker, case, purpose, cause, &place, receiver, timing));
        }
    }
    notices
}

#[derive(Clone, Copy)]
struct Timing {
    made_at: Time,
    not_before: Time,
    waits_for_morning: bool,
    step: u32,
}

impl Timing {
    fn at(now: Time, waits_for_morning: bool) -> Self {
        Self {
            made_at: now,
            not_before: now,
            waits_for_morning,
            step: 0,
        }
    }
}

fn not_before(config: &NotifyConfig, case: &Case, route: &Route, step: u32, now: Time) -> Time {
    let delayed = case.opened_at.plus(i64::from(route.delay_min) * MINUTE_MS).max(now);
    let urgent = case.severity >= plume_schemas::rule::Severity::Urgent;
    // What is not urgent waits a little for company, to go as one message.
    let grouped = if urgent {
        delayed
    } else {
        delayed.max(now.plus(i64::from(config.group_wait_s) * SECOND_MS))
    };
    grouped.plus(i64::from(step) * i64::from(config.escalate_after_s) * SECOND_MS)
}

/// Who is told by a route. A chain gives contact after contact and at last a call; otherwise it is the first contact.
fn receivers(maker: &Maker<'_>, case: &Case, route: &Route, channel: Channel) -> Vec<Receiver> {
    let enterprise = maker.registry.enterprise(case.tags.enterprise);
    let contacts = enterprise.map_or(&[][..], |enterprise| enterprise.contacts.as_slice());
    let mut of_site: Vec<&Contact> = contacts
        .iter()
        .filter(|contact| match route.audience {
            Audience::Contractor => contact.role == ContactRole::Contractor,
            _ => contact.role != ContactRole::Contractor,
        })
        .collect();
    of_site.sort_by_key(|contact| contact.role);
    let mut found = Vec::new();
    match route.audience {
        Audience::Enterprise | Audience::Contractor => {
            let many = if route.chain { of_site.len() } else { 1 };
            found.extend(
                of_site
                    .iter()
                    .take(many)
                    .map(|contact| reach(maker, route.audience, contact, channel)),
            );
            if route.chain && maker.carried.contains(&Channel::Voice) {
                found.extend(of_site.first().map(|contact| Receiver {
                    audience: route.audience,
                    name: contact.name.clone(),
                    channel: Channel::Voice,
                    address: contact.phone.clone(),
                }));
            }
        }
        Audience::Branch | Audience::City | Audience::LeadOfficer => found.push(Receiver {
            audience: route.audience,
            name: match route.audience {
                Audience::Branch if !case.tags.officer.is_empty() => case.tags.officer.clone(),
                audience => maker.lang.pick(audience.zh(), audience.en()).to_owned(),
            },
            channel,
            address: match (channel, enterprise) {
                // The duty desk itself rings; which district's, the page decides.
                (Channel::Ring, _) => "desk".to_owned(),
                (_, Some(enterprise)) if route.audience == Audience::Branch => enterprise.officer_phone.clone(),
                _ => String::new(),
            },
        }),
    }
    if found.is_empty() {
        // Nobody to tell is shown, not swallowed.
        found.push(Receiver {
            audience: route.audience,
            name: maker.lang.pick(route.audience.zh(), route.audience.en()).to_owned(),
            channel,
            address: String::new(),
        });
    }
    found
}

/// A contact by the wanted channel; a short message goes by mail where nothing carries short messages or there is no
/// number.
fn reach(maker: &Maker<'_>, audience: Audience, contact: &Contact, channel: Channel) -> Receiver {
    let by_mail = channel == Channel::Sms
        && !contact.email.is_empty()
        && maker.carried.contains(&Channel::Mail)
        && (contact.phone.is_empty() || !maker.carried.contains(&Channel::Sms));
    let (channel, address) = match channel {
        Channel::Sms if by_mail => (Channel::Mail, &contact.email),
        Channel::Mail => (Channel::Mail, &contact.email),
        other => (other, &contact.phone),
    };
    Receiver {
        audience,
        name: contact.name.clone(),
        channel,
        address: address.clone(),
    }
}

fn notice(
    maker: &Maker<'_>,
    case: &Case,
    purpose: Purpose,
    cause: ContentId,
    place: &Place,
    to: Receiver,
    timing: Timing,
) -> Notice {
    let id = ContentId::of(&[
        b"notice",
        case.id.as_bytes(),
        cause.as_bytes(),
        purpose.code().as_bytes(),
        to.audience.code().as_bytes(),
        to.channel.code().as_bytes(),
        to.name.as_bytes(),
        to.address.as_bytes(),
        &timing.step.to_le_bytes(),
    ]);
    // A warning of an hour is worth nothing once the hour is over.
    let stale_at = (case.family == Family::Near && !matches!(purpose, Purpose::Cleared | Purpose::Retracted))
        .then_some(case.judgement.window.end);
    Notice {
        id,
        case: Some(case.id),
        batch: None,
        enterprise: case.tags.enterprise,
        stream: case.stream,
        audience: to.audience,
        receiver: to.name,
        channel: to.channel,
        address: to.address,
        purpose,
        step: timing.step,
        lang: maker.lang,
        message: message(maker.words, case, purpose, place, maker.catalogue, maker.lang),
        severity: case.severity,
        created_at: timing.made_at,
        not_before: timing.not_before,
        stale_at,
        waits_for_morning: timing.waits_for_morning,
    }
}
