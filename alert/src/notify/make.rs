//! From a case that people are to be told of, to the notices: one per receiver. Pure.

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Contact, ContactRole, RegistryIndex};
use plume_schemas::rule::Severity;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};

use super::{Audience, Channel, Notice};
use crate::book::Purpose;
use crate::case::{Case, Family};
use crate::config::NotifyConfig;
use crate::duty::Roster;
use crate::links::Links;
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
    /// Who is on duty.
    pub roster: &'a Roster,
    /// One-time links, where they are set up.
    pub links: Option<&'a Links>,
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

/// What people are to be told.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// About this case,
    pub case: &'a Case,
    /// what for,
    pub purpose: Purpose,
    /// caused by this event or act,
    pub cause: ContentId,
    /// what a person adds,
    pub note: &'a str,
    /// and when.
    pub now: Time,
}

/// The notices of a piece of news. `told` are those who heard of the case before: they, and only they, hear that it is
/// over.
pub fn make(maker: &Maker<'_>, news: &News<'_>, told: &[Receiver]) -> Vec<Notice> {
    let place = Place::of(news.case.outlet, maker.registry);
    let mut notices = Vec::new();
    let old = is_old(news);
    let is_loud = |channel| matches!(channel, Channel::Ring | Channel::Voice);
    if matches!(news.purpose, Purpose::Cleared | Purpose::Retracted) {
        for receiver in told.iter().filter(|receiver| !old || !is_loud(receiver.channel)) {
            let timing = Timing {
                waits_for_morning: old,
                ..Timing::at(news.now)
            };
            notices.push(notice(maker, news, &place, receiver.clone(), timing));
        }
        return notices;
    }
    for route in maker.routes.of(news.case, maker.config) {
        // That an answer is overdue or not enough concerns the enterprise alone.
        let concerns_all = !matches!(news.purpose, Purpose::Overdue | Purpose::Returned);
        let Some(channel) = route
            .way
            .channel()
            .filter(|_| concerns_all || route.audience == Audience::Enterprise)
            .filter(|&channel| !old || !is_loud(channel))
        else {
            continue;
        };
        for (step, receiver) in receivers(maker, news, route, channel) {
            let timing = Timing {
                not_before: not_before(maker.config, news, route, step),
                waits_for_morning: old || route.night == Night::Morning,
                step,
            };
            let purpose = if step > 0 { Purpose::Escalated } else { news.purpose };
            notices.push(notice(maker, &News { purpose, ..*news }, &place, receiver, timing));
        }
    }
    notices
}

/// What was said of a window so long after its end was found out afterwards: by judging again out of the archive, or by
/// data that came days late. A mark set in time, until noon of the next day, is nearer than that.
const OLD_MS: i64 = 36 * HOUR_MS;

/// News of long ago waits for the morning and neither rings nor calls.
fn is_old(news: &News<'_>) -> bool {
    let judgement = &news.case.judgement;
    judgement.late && news.now.since(judgement.window.end) > OLD_MS
}

#[derive(Clone, Copy)]
struct Timing {
    not_before: Time,
    waits_for_morning: bool,
    step: u32,
}

impl Timing {
    fn at(now: Time) -> Self {
        Self {
            not_before: now,
            waits_for_morning: false,
            step: 0,
        }
    }
}

fn not_before(config: &NotifyConfig, news: &News<'_>, route: &Route, step: u32) -> Time {
    // The case is dated by the log's clock, messages go by the desk's: where that was set back, a warning does not wait
    // until it has caught up.
    let opened_at = news.case.opened_at.min(news.now);
    let delayed = opened_at.plus(i64::from(route.delay_min) * MINUTE_MS).max(news.now);
    // What is not urgent waits a little for company, to go as one message.
    let grouped = if news.case.severity >= Severity::Urgent {
        delayed
    } else {
        delayed.max(news.now.plus(i64::from(config.group_wait_s) * SECOND_MS))
    };
    grouped.plus(i64::from(step) * i64::from(config.escalate_after_s) * SECOND_MS)
}

/// Who is told by a route, and at which step. A chain gives contact after contact, from one desk role to the next, and
/// at last a call; otherwise it is the first contact, or all who are on duty.
fn receivers(maker: &Maker<'_>, news: &News<'_>, route: &Route, channel: Channel) -> Vec<(u32, Receiver)> {
    let mut found: Vec<(u32, Receiver)> = if route.audience.is_site() {
        (0..).zip(of_site(maker, news.case, route, channel)).collect()
    } else if route.chain {
        (0..).zip(climb(maker, news, route.audience, channel)).collect()
    } else {
        let on_duty = of_bureau(maker, news, route.audience, channel);
        on_duty.into_iter().map(|receiver| (0, receiver)).collect()
    };
    if found.is_empty() {
        // Nobody to tell is shown, not swallowed.
        let nobody = Receiver {
            audience: route.audience,
            name: maker.lang.pick(route.audience.zh(), route.audience.en()).to_owned(),
            channel,
            address: String::new(),
        };
        found.push((0, nobody));
    }
    found
}

/// One desk role after the other, and at last a call to whoever is on duty in the highest of them.
fn climb(maker: &Maker<'_>, news: &News<'_>, first: Audience, channel: Channel) -> Vec<Receiver> {
    let (mut found, mut last, mut next) = (Vec::new(), first, Some(first));
    while let Some(audience) = next {
        found.extend(of_bureau(maker, news, audience, channel));
        last = audience;
        next = audience.above();
    }
    if maker.carried.contains(&Channel::Voice) {
        let called = of_bureau(maker, news, last, Channel::Voice);
        found.extend(called.into_iter().filter(|receiver| !receiver.address.is_empty()));
    }
    found
}

fn of_site(maker: &Maker<'_>, case: &Case, route: &Route, channel: Channel) -> Vec<Receiver> {
    let enterprise = maker.registry.enterprise(case.tags.enterprise);
    let contacts = enterprise.map_or(&[][..], |enterprise| enterprise.contacts.as_slice());
    let contractor = route.audience == Audience::Contractor;
    let mut wanted: Vec<&Contact> = contacts
        .iter()
        .filter(|contact| (contact.role == ContactRole::Contractor) == contractor)
        .collect();
    wanted.sort_by_key(|contact| contact.role);
    let many = if route.chain { wanted.len() } else { 1 };
    let mut found: Vec<Receiver> = wanted
        .iter()
        .take(many)
        .map(|contact| reach(maker, route.audience, contact, channel))
        .collect();
    if route.chain && maker.carried.contains(&Channel::Voice) {
        found.extend(wanted.first().map(|contact| Receiver {
            audience: route.audience,
            name: contact.name.clone(),
            channel: Channel::Voice,
            address: contact.phone.clone(),
        }));
    }
    found
}

/// Officers: whoever is on duty, else the enterprise's own. A ring goes to the desk itself; the name says for whom.
fn of_bureau(maker: &Maker<'_>, news: &News<'_>, audience: Audience, channel: Channel) -> Vec<Receiver> {
    let tags = &news.case.tags;
    let on_duty = maker.roster.on_duty(audience, &tags.district, news.now);
    if channel == Channel::Ring {
        let name = on_duty.first().map_or_else(
            || maker.lang.pick(audience.zh(), audience.en()).to_owned(),
            |shift| shift.name.clone(),
        );
        let address = "desk".to_owned();
        return vec![Receiver {
            audience,
            name,
            channel,
            address,
        }];
    }
    let mut people: Vec<(&str, &str, &str)> = on_duty
        .iter()
        .map(|shift| (shift.name.as_str(), shift.phone.as_str(), shift.email.as_str()))
        .collect();
    let enterprise = maker.registry.enterprise(tags.enterprise);
    if let (true, Audience::Branch, Some(own)) = (people.is_empty(), audience, enterprise) {
        people.push((&own.officer, &own.officer_phone, ""));
    }
    people
        .into_iter()
        .map(|(name, phone, email)| addressed(maker, audience, name, phone, email, channel))
        .collect()
}

pub(super) fn reach(maker: &Maker<'_>, audience: Audience, contact: &Contact, channel: Channel) -> Receiver {
    addressed(maker, audience, &contact.name, &contact.phone, &contact.email, channel)
}

/// A person by the wanted channel; a short message goes by mail where nothing carries short messages or there is no
/// number.
pub(super) fn addressed(
    maker: &Maker<'_>,
    audience: Audience,
    name: &str,
    phone: &str,
    email: &str,
    channel: Channel,
) -> Receiver {
    let by_mail = channel == Channel::Sms
        && !email.is_empty()
        && maker.carried.contains(&Channel::Mail)
        && (phone.is_empty() || !maker.carried.contains(&Channel::Sms));
    let (channel, address) = match channel {
        Channel::Sms if by_mail => (Channel::Mail, email),
        Channel::Mail => (Channel::Mail, email),
        other => (other, phone),
    };
    Receiver {
        audience,
        name: name.to_owned(),
        channel,
        address: address.to_owned(),
    }
}

fn notice(maker: &Maker<'_>, news: &News<'_>, place: &Place, to: Receiver, timing: Timing) -> Notice {
    let (case, purpose) = (news.case, news.purpose);
    let id = ContentId::of(&[
        b"notice",
        case.id.as_bytes(),
        news.cause.as_bytes(),
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
    let mut message = message(
        maker.words,
        case,
        purpose,
        news.note,
        place,
        maker.catalogue,
        maker.lang,
    );
    let asks = !matches!(purpose, Purpose::Cleared | Purpose::Retracted);
    if let Some(links) = maker.links.filter(|_| asks && to.audience.is_site()) {
        message.add_link(maker.lang.pick("签收：", "Acknowledge: "), &links.address(id));
    }
    Notice {
        id,
        case: Some(case.id),
        batch: None,
        enterprise: Some(case.tags.enterprise),
        stream: case.stream,
        audience: to.audience,
        receiver: to.name,
        channel: to.channel,
        address: to.address,
        purpose,
        step: timing.step,
        lang: maker.lang,
        message,
        severity: case.severity,
        created_at: news.now,
        not_before: timing.not_before,
        stale_at,
        waits_for_morning: timing.waits_for_morning,
    }
}
