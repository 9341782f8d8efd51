//! Several notices to one receiver become one message, so that a bad morning is one mail and not thirty.

use plume_schemas::ids::ContentId;
use plume_schemas::rule::Severity;
use plume_schemas::time::Time;

use crate::notify::Notice;
use crate::sinks::Outgoing;
use crate::words::bundle;

/// Most notices in one message: more than a person reads at once, and well under every channel's size limit.
pub const MAX_BUNDLE: usize = 20;

/// One message and the notices it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The notices, at least one.
    pub notices: Vec<Notice>,
    /// The largest number of attempts any of them has behind it.
    pub attempts: u32,
    /// What goes out.
    pub outgoing: Outgoing,
}

impl Group {
    /// Ids of its notices.
    pub fn ids(&self) -> Vec<ContentId> {
        self.notices.iter().map(|notice| notice.id).collect()
    }
}

/// Groups notices that are to be sent at `now`: same channel, address, language and stream go together, but an urgent
/// warning always goes alone. The order of first members is kept.
pub fn group(due: Vec<(Notice, u32)>, now: Time) -> Vec<Group> {
    let mut heaps: Vec<Vec<(Notice, u32)>> = Vec::new();
    for (notice, attempts) in due {
        let fits = |heap: &&mut Vec<(Notice, u32)>| {
            heap.len() < MAX_BUNDLE && heap.first().is_some_and(|(first, _)| together(first, &notice))
        };
        match heaps.iter_mut().find(fits) {
            Some(heap) => heap.push((notice, attempts)),
            None => heaps.push(vec![(notice, attempts)]),
        }
    }
    heaps.into_iter().filter_map(|heap| message_of(&heap, now)).collect()
}

fn together(a: &Notice, b: &Notice) -> bool {
    let calm = a.severity < Severity::Urgent && b.severity < Severity::Urgent;
    calm && a.channel == b.channel && a.address == b.address && a.lang == b.lang && a.stream == b.stream
}

fn message_of(heap: &[(Notice, u32)], now: Time) -> Option<Group> {
    let (first, _) = heap.first()?;
    let (key, message) = if heap.len() == 1 {
        (first.id, first.message.clone())
    } else {
        let ids: Vec<&[u8]> = heap.iter().map(|(notice, _)| &notice.id.as_bytes()[..]).collect();
        let messages: Vec<_> = heap.iter().map(|(notice, _)| &notice.message).collect();
        (ContentId::of(&ids), bundle(&messages, first.lang))
    };
    Some(Group {
        attempts: heap.iter().map(|(_, attempts)| *attempts).max().unwrap_or(0),
        outgoing: Outgoing {
            key,
            channel: first.channel,
            receiver: first.receiver.clone(),
            address: first.address.clone(),
            lang: first.lang,
            message,
            at: now,
        },
        notices: heap.iter().map(|(notice, _)| notice.clone()).collect(),
    })
}
