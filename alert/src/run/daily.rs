//! Once a day: reminders by date, and digests. Each day's work is a batch that is noted with its notices in one
//! transaction, so that a restart neither repeats nor misses it.

use std::collections::BTreeSet;

use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Enterprise, RegistryIndex};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Span, Time};

use super::Desk;
use crate::accounts::{Role, Scope, Viewer};
use crate::book::Purpose;
use crate::digest::{self, Coverage};
use crate::notify::bulletin::{Bulletin, to_bureau, to_enterprise};
use crate::notify::{Audience, Channel};
use crate::remind::{self, Reminder};
use crate::store::{CaseFilter, CaseRow, Order, Page, ProblemFilter, StoreError, outbox, reminders};
use crate::words::{DATE_FOOTER_EN, DATE_FOOTER_ZH, factor_name, sheet};

/// Cases read for one digest; what is beyond is on the desk.
const MAX_CASES: u32 = 500;

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
        if let Some(day) = digest::day_due(now) {
            let digest = batch_of(b"digest", day.start);
            if !self.0.store.has_batch(digest).await? {
                made += self.digest(digest, day, now).await?;
            }
        }
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

    async fn digest(&self, batch: ContentId, day: Span, now: Time) -> Result<usize, StoreError> {
        let mut notices = Vec::new();
        // A digest is a mail; without one there is nothing to make.
        if self.0.carried.contains(&Channel::Mail) {
            let (tables, registry, roster) = (self.tables(), self.registry(), self.roster());
            let maker = self.maker(&tables, &registry, &roster);
            let bulletin = |message| Bulletin {
                purpose: Purpose::Digest,
                cause: batch,
                batch: Some(batch),
                channel: Channel::Mail,
                message,
                now,
            };
            let mut districts = BTreeSet::new();
            for enterprise in &registry.registry().enterprises {
                districts.insert(enterprise.district.as_str());
                let cases = self
                    .cases_of(Role::Enterprise, Scope::Enterprise(enterprise.id), day)
                    .await?;
                let coverage = self.coverage(enterprise, &registry, day);
                if cases.is_empty() && coverage.is_empty() {
                    // Nothing is known of that day, so nothing is said of it.
                    continue;
                }
                let message =
                    digest::of_enterprise(&enterprise.name, day, &cases, &coverage, self.catalogue(), maker.lang);
                notices.push(to_enterprise(&maker, enterprise, &bulletin(message)));
            }
            for district in districts {
                let message = self.bureau_digest(district, Role::Branch, day, now).await?;
                notices.extend(to_bureau(&maker, Audience::Branch, district, &bulletin(message)));
            }
            let message = self.bureau_digest("", Role::CityDuty, day, now).await?;
            notices.extend(to_bureau(&maker, Audience::City, "", &bulletin(message)));
        }
        let mut tx = self.0.store.begin().await?;
        reminders::add_batch(&mut tx, batch, "digest", &day.start.date(), now).await?;
        outbox::add(&mut tx, &notices).await?;
        tx.commit().await?;
        Ok(notices.len())
    }

    async fn bureau_digest(
        &self,
        district: &str,
        role: Role,
        day: Span,
        now: Time,
    ) -> Result<crate::words::Message, StoreError> {
        let lang = self.0.config.language;
        let (scope, name) = if district.is_empty() {
            (Scope::All, lang.pick("全市", "city").to_owned())
        } else {
            (Scope::District(district.to_owned()), district.to_owned())
        };
        let cases = self.cases_of(role, scope.clone(), day).await?;
        let viewer = system(role, scope);
        let problems = self
            .0
            .store
            .rectification(&viewer, &ProblemFilter::default(), now)
            .await?;
        Ok(digest::of_bureau(&name, day, &cases, problems, lang))
    }

    /// Cases that went on at some moment of the day, as that role sees them: leads are not among them.
    async fn cases_of(&self, role: Role, scope: Scope, day: Span) -> Result<Vec<CaseRow>, StoreError> {
        let filter = CaseFilter {
            live_within: Some(day),
            ..CaseFilter::default()
        };
        let page = Page {
            order: Order::Gravest,
            offset: 0,
            limit: MAX_CASES,
        };
        let mut cases = self.0.store.cases(&system(role, scope), &filter, page).await?.rows;
        cases.retain(|case| !case.tags.trial);
        Ok(cases)
    }

    /// Valid minutes of the day by factor with a limit, where the memory reaches back far enough to say.
    fn coverage(&self, enterprise: &Enterprise, registry: &RegistryIndex, day: Span) -> Vec<Coverage> {
        let series = self.series_store();
        let outlets = registry
            .registry()
            .outlets
            .iter()
            .filter(|outlet| outlet.enterprise == enterprise.id);
        let mut found = Vec::new();
        for outlet in outlets {
            for setup in outlet.factors.iter().filter(|setup| !setup.limits.is_empty()) {
                if let Some(valid_minutes) = series.valid_minutes(outlet.id, setup.code, day) {
                    let factor = factor_name(setup.code, &self.0.catalogue, self.0.config.language);
                    found.push(Coverage {
                        what: format!("{} {factor}", outlet.number),
                        valid_minutes,
                    });
                }
            }
        }
        found
    }
}

fn batch_of(kind: &[u8], day: Time) -> ContentId {
    ContentId::of(&[b"batch", kind, &day.0.to_le_bytes()])
}

/// plume itself, reading as a role would.
fn system(role: Role, scope: Scope) -> Viewer {
    Viewer {
        name: "plume".into(),
        role,
        scope,
    }
}
