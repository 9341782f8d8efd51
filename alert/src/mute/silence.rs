//! 暂停提醒: a person's wish to hear nothing of something for a while, with a reason and an end. Cases go on; only telling
//! stops.

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::{RuleCode, Stream};
use plume_schemas::time::{DAY_MS, Time};

use crate::accounts::{Role, Scope, Viewer};
use crate::case::{Family, MAX_ACT_TEXT_CHARS};

/// Longest silence: what lasts longer is a stop-work filing or a wrong limit, and is put right there.
pub const MAX_SILENCE_MS: i64 = 30 * DAY_MS;

/// What is silenced. Empty parts do not restrict, but not all may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// Of this enterprise.
    pub enterprise: Option<EnterpriseId>,
    /// Of this outlet.
    pub outlet: Option<OutletId>,
    /// Of this factor.
    pub factor: Option<FactorCode>,
    /// Of this family.
    pub family: Option<Family>,
    /// By this rule.
    pub rule: Option<RuleCode>,
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            self.enterprise.map(|own| own.to_string()),
            self.outlet.map(|own| own.to_string()),
            self.factor.map(|own| own.to_string()),
            self.family.map(|own| own.to_string()),
            self.rule.map(|own| own.code().to_owned()),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its id.
    pub id: ContentId,
    /// Only in this district; empty for all (a branch silences its own only).
    pub district: String,
    /// What.
    pub matcher: Matcher,
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// In which role.
    pub role: Role,
    /// When it was made.
    pub created_at: Time,
    /// From when.
    pub starts_at: Time,
    /// Until when.
    pub ends_at: Time,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

/// A case, as far as a silence asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which enterprise.
    pub enterprise: EnterpriseId,
    /// In which district.
    pub district: String,
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of which factor.
    pub factor: Option<FactorCode>,
    /// By which rule.
    pub rule: RuleCode,
}

/// A silence was refused.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// Not by this role.
    #[error("a {} may not silence notices", role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
    },
    /// It would silence everything.
    #[error("a silence needs an enterprise, outlet, factor, family or rule")]
    Everything,
    /// No reason given, or a book.
    #[error("a silence needs a reason of 1 to {MAX_ACT_TEXT_CHARS} characters")]
    Reason,
    /// The end is before the start, past, or too far.
    #[error("a silence ends after it starts, in the future, and after at most {} days", MAX_SILENCE_MS / DAY_MS)]
    Span,
    /// There is none, or not for this person.
    #[error("no such silence")]
    NoSuchSilence,
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl SilenceError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NotAllowed { .. } => "ask the duty officer or the branch".into(),
            Self::Everything => "to send nothing at all set `alert.notify.enabled = false`".into(),
            Self::Reason => "say why, for those who come after".into(),
            Self::Span => "for longer, file stop-work or correct the registry".into(),
            Self::NoSuchSilence => "check the address".into(),
            Self::Store(error) => error.hint(),
        }
    }
}

impl Silence {
    /// Makes a silence of `viewer`, checked.
    pub fn new(
        viewer: &Viewer,
        matcher: Matcher,
        reason: &str,
        starts_at: Time,
        ends_at: Time,
        now: Time,
    ) -> Result<Self, SilenceError> {
        if !may_silence(viewer.role) {
            return Err(SilenceError::NotAllowed { role: viewer.role });
        }
        if matcher == Matcher::default() {
            return Err(SilenceError::Everything);
        }
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_ACT_TEXT_CHARS {
            return Err(SilenceError::Reason);
        }
        if ends_at <= starts_at || ends_at <= now || ends_at.since(starts_at) > MAX_SILENCE_MS {
            return Err(SilenceError::Span);
        }
        let district = match &viewer.scope {
            Scope::District(district) => district.clone(),
            Scope::All | Scope::Enterprise(_) | Scope::Outlets(_) => String::new(),
        };
        let parts = format!("{district}{matcher:?}{reason}");
        Ok(Self {
            id: ContentId::of(&[
                b"silence",
                viewer.name.as_bytes(),
                parts.as_bytes(),
                &starts_at.0.to_le_bytes(),
                &ends_at.0.to_le_bytes(),
                &now.0.to_le_bytes(),
            ]),
            district,
            matcher,
            reason: reason.to_owned(),
            by: viewer.name.clone(),
            role: viewer.role,
            created_at: now,
            starts_at,
            ends_at,
            ended_by: None,
        })
    }

    /// True where it keeps quiet about `told` at `now`. Leads are never silenced: they are told to nobody outside
    /// anyway, and named officers do not lose theirs to another's wish.
    pub fn covers(&self, told: &Told, now: Time) -> bool {
        let matcher = &self.matcher;
        let live = self.ended_by.is_none() && self.starts_at <= now && now < self.ends_at;
        live && told.rule.stream() == Stream::Service
            && (self.district.is_empty() || self.district == told.district)
            && matcher.enterprise.is_none_or(|own| own == told.enterprise)
            && matcher.outlet.is_none_or(|own| own == told.outlet)
            && matcher.factor.is_none_or(|own| Some(own) == told.factor)
            && matcher.family.is_none_or(|own| own == Family::of(told.rule))
            && matcher.rule.is_none_or(|own| own == told.rule)
    }
}

/// Who may silence: officers who answer for it.
pub const fn may_silence(role: Role) -> bool {
    matches!(role, Role::CityDuty | Role::Branch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn officer(role: Role, scope: Scope) -> Viewer {
        Viewer {
            name: "周".into(),
            role,
            scope,
        }
    }

    fn told() -> Told {
        Told {
            enterprise: EnterpriseId::new("E1").unwrap(),
            district: "东区".into(),
            outlet: OutletId::new("E1:DA001").unwrap(),
            factor: FactorCode::new("a21026").ok(),
            rule: RuleCode::Const,
        }
    }

    fn of_family(family: Family) -> Matcher {
        Matcher {
            family: Some(family),
            ..Matcher::default()
        }
    }

    #[test]
    fn covers_what_it_says_while_it_lasts() {
        let viewer = officer(Role::Branch, Scope::District("东区".into()));
        let made = Silence::new(&viewer, of_family(Family::Quality), "检修", Time(0), Time(100), Time(0)).unwrap();
        assert!(made.covers(&told(), Time(0)));
        assert!(made.covers(&told(), Time(99)));
        assert!(!made.covers(&told(), Time(100)));
        let elsewhere = Told {
            district: "西区".into(),
            ..told()
        };
        assert!(
            !made.covers(&elsewhere, Time(50)),
            "a branch silences its own district only"
        );
        let over = Told {
            rule: RuleCode::ExceedHour,
            ..told()
        };
        assert!(!made.covers(&over, Time(50)));
        let ended = Silence {
            ended_by: Some("吴".into()),
            ..made
        };
        assert!(!ended.covers(&told(), Time(50)));
    }

    #[test]
    fn leads_are_not_silenced() {
        let viewer = officer(Role::CityDuty, Scope::All);
        let made = Silence::new(&viewer, of_family(Family::Lead), "不想看", Time(0), Time(100), Time(0)).unwrap();
        let lead = Told {
            rule: RuleCode::Cap,
            ..told()
        };
        assert!(!made.covers(&lead, Time(50)));
    }

    #[test]
    fn careless_silences_are_refused() {
        let viewer = officer(Role::CityDuty, Scope::All);
        let make = |viewer: &Viewer, matcher, reason: &str, ends| {
            Silence::new(viewer, matcher, reason, Time(0), Time(ends), Time(0)).unwrap_err()
        };
        let quality = || of_family(Family::Quality);
        assert!(matches!(
            make(&viewer, Matcher::default(), "x", 1),
            SilenceError::Everything
        ));
        assert!(matches!(make(&viewer, quality(), " ", 1), SilenceError::Reason));
        assert!(matches!(make(&viewer, quality(), "x", 0), SilenceError::Span));
        assert!(matches!(
            make(&viewer, quality(), "x", MAX_SILENCE_MS + 1),
            SilenceError::Span
        ));
        let enterprise = officer(Role::Enterprise, Scope::All);
        assert!(matches!(
            make(&enterprise, quality(), "x", 1),
            SilenceError::NotAllowed { .. }
        ));
    }
}
