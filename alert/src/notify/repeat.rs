//! What nobody has signed for is said again, as long as it goes on. Pure.

use plume_schemas::ids::ContentId;
use plume_schemas::time::{HOUR_MS, Time};

use super::{Channel, Notice};
use crate::book::Purpose;
use crate::config::NotifyConfig;

/// The notice that follows one sent at `sent_at`, unless it is of a kind that is said once: the end of something, a
/// ring, a call, a warning of an hour that is over by then. Whether it still holds is decided when its time comes.
pub fn repeat(notice: &Notice, sent_at: Time, config: &NotifyConfig) -> Option<Notice> {
    let begins = matches!(
        notice.purpose,
        Purpose::First | Purpose::Worsened | Purpose::Reopened | Purpose::Repeated
    );
    let once = matches!(notice.channel, Channel::Ring | Channel::Voice) || notice.stale_at.is_some();
    if config.repeat_h == 0 || !begins || once || notice.case.is_none() || notice.step > 0 {
        return None;
    }
    let mut message = notice.message.clone();
    if notice.purpose != Purpose::Repeated {
        message.mark_repeated(notice.lang);
    }
    Some(Notice {
        id: ContentId::of(&[b"repeat", notice.id.as_bytes()]),
        purpose: Purpose::Repeated,
        message,
        created_at: sent_at,
        not_before: sent_at.plus(i64::from(config.repeat_h) * HOUR_MS),
        waits_for_morning: true,
        ..notice.clone()
    })
}
