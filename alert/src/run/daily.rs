//! Once a day: reminders by date, and digests. Each day's work is a batch that is noted with its notices in one
//! transaction, so that a restart neither repeats nor misses it.

use plume_schemas::ids::ContentId;
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};

use super::Desk;
use crate::book::Purpose;
use crate::notify::Channel;
use crate::notify::bulletin::{Bulletin, to_enterprise};
use crate::remind::{self, Reminder};
use crate::store::{StoreError, outbox, reminders};
use crate::words::{DATE_FOOTER_EN, DATE_FOOTER_ZH, sheet};

impl Desk {
    /// Does the day's work that is due at `now`. Gives the number of notices made.
    pub async fn daily(&self, now: Time) -> Result<usize, StoreError> {
        let mut made = 0;
        let today = now.floor(DAY_MS);
        let morning = today.plus(i64::from(self.0.config.notify.quiet_to_min) * MINUTE_MS);
        let reminding = batch_of(b"reminders", today);
        if now >= morning && !self.0.store.has_batch(reminding).await? {
            made += self.remind(reminding, now).await?;
        }
        made += self.digests(now).await?;
        if made > 0 {
            self.0.wake.notify_one();
        }
        Ok(made)
    }

    async fn remind(&self, batch: ContentId, now: Time) -> Result<usize, StoreError> {
        let (tables, registry, roster) = (self.tables(), self.registry(), self.roster());
        let maker = self.maker(&tables, &registry, &roster);
        let penalties = self.0.store.publicity().await?;
        let enterprises = &registry.registry().enterprises;
        let permits = enterprises
            .iter()
            .filter_map(|enterprise| remind::permit(enterprise, now));
        let public = penalties.iter().filter_map(|penalty| remind::publicity(penalty, now));
        let due: Vec<Reminder> = permits.chain(public).collect();
        let mut tx = self.0.store.begin().await?;
        let mut notices = Vec::new();
        for reminder in due {
            let first = reminders::add(&mut tx, &reminder, now).await?;
            let Some(enterprise) = registry
                .enterprise(reminder.enterprise)
                .filter(|_| first && reminder.is_sent)
            else {
                continue;
            };
            let lang = maker.lang;
            let subject = lang
                .pick(
                    &format!("【温馨提示】{} · {}", reminder.kind.zh(), enterprise.name),
                    &format!("[reminder] {} · {}", reminder.kind.en(), enterprise.name),
                )
                .to_owned();
            let text = lang.pick(&reminder.text.0, &reminder.text.1).to_owned();
            let bulletin = Bulletin {
                purpose: Purpose::Reminder,
                cause: reminder.id,
                batch: Some(batch),
                channel: Channel::Sms,
                message: sheet(&subject, &[text], lang.pick(DATE_FOOTER_ZH, DATE_FOOTER_EN), lang),
                now,
            };
            notices.push(to_enterprise(&maker, enterprise, &bulletin));
        }
        reminders::add_batch(&mut tx, batch, "reminders", &now.date(), now).await?;
        outbox::add(&mut tx, &notices).await?;
        tx.commit().await?;
        Ok(notices.len())
    }
}

pub(super) fn batch_of(kind: &[u8], day: Time) -> ContentId {
    ContentId::of(&[b"batch", kind, &day.0.to_le_bytes()])
}
