//! 报告设备异常: a numbered report of an instrument out of order, the clock of its repair, and the manual samples taken
//! meanwhile. Pure.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::time::{DAY_MS, HOUR_MS, Time};

use crate::accounts::Role;
use crate::case::By;

/// While automatic data are missing a source is sampled by hand at least this often a day (HJ 75-2017 12.2; a bureau's
/// own notice may ask for more).
pub const SAMPLES_A_DAY: usize = 4;
/// And at most this far apart.
pub const SAMPLE_GAP_MS: i64 = 6 * HOUR_MS;
/// Samples of one report: two months at four a day for two factors. Longer repairs are a stop.
pub const MAX_SAMPLES: usize = 500;
/// A sample is entered at most this long after it was taken: laboratories answer within the week.
const OLDEST_SAMPLE_MS: i64 = 10 * DAY_MS;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// Its running number.
    pub number: i64,
    /// As printed: `YC20261121-0007`.
    pub label: String,
    /// Of this case.
    pub case: ContentId,
    /// Of this enterprise.
    pub enterprise: EnterpriseId,
    /// At this outlet.
    pub outlet: OutletId,
    /// Of this factor, if of one.
    pub factor: Option<FactorCode>,
    /// What is wrong.
    pub text: String,
    /// Who said so, and when: the repair clock runs from then.
    pub reported: By,
    /// Who said that it is repaired, and when.
    pub repaired: Option<By>,
}

/// A manual sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Of what.
    pub factor: FactorCode,
    /// When it was taken.
    pub taken_at: Time,
    /// What it gave, in the factor's unit, as judged (corrected where a reference oxygen applies).
    pub value: Decimal,
    /// Who entered it, and when.
    pub entered: By,
}

impl FaultReport {
    /// By when the next sample is due; `None` once it is repaired.
    pub fn next_sample_due(&self, samples: &[Sample]) -> Option<Time> {
        let last = samples.iter().map(|sample| sample.taken_at).max();
        let from = last.unwrap_or(self.reported.at).max(self.reported.at);
        self.repaired.is_none().then(|| from.plus(SAMPLE_GAP_MS))
    }
}

/// A sample or a repair was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// There is no such report, or not for this person.
    #[error("no such report")]
    NoSuchReport,
    /// Not by this role.
    #[error("a {} may not enter samples", role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
    },
    /// It is repaired already.
    #[error("the instrument is reported repaired")]
    Repaired,
    /// A field that makes no sense.
    #[error("`{text}` is no {expected}")]
    Field {
        /// What stands there.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A sample taken before anybody could, or after now.
    #[error("a sample is entered after it was taken, and within {} days", OLDEST_SAMPLE_MS / DAY_MS)]
    Moment,
    /// More than a report holds.
    #[error("a report holds {MAX_SAMPLES} samples")]
    TooMany,
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl FaultError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchReport => "check the address".into(),
            Self::NotAllowed { .. } => "the enterprise enters its own samples".into(),
            Self::Repaired => "report the fault again if it came back".into(),
            Self::Field { .. } => "write a number such as 28.5 and a moment such as 2026-11-21T14:30".into(),
            Self::Moment => "check date and time of the sample".into(),
            Self::TooMany => "call the district officer: so long a repair is agreed upon".into(),
            Self::Store(error) => error.hint(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::NoSuchReport => "未找到该报告".into(),
            Self::NotAllowed { .. } => "仅排污单位可录入手工监测结果".into(),
            Self::Repaired => "该设备已报告修复".into(),
            Self::Field { text, .. } => format!("“{text}”无法识别，请按示例填写"),
            Self::Moment => format!("采样时间应早于当前时间，且在 {} 天以内", OLDEST_SAMPLE_MS / DAY_MS),
            Self::TooMany => format!("一份报告最多录入 {MAX_SAMPLES} 条手工监测结果"),
            Self::Store(_) => "数据库暂不可用，未作任何更改，请稍后重试".into(),
        }
    }
}

/// Reads a sample from a form.
pub fn sample(factor: &str, taken_at: &str, value: &str, by: By) -> Result<Sample, FaultError> {
    let bad = |text: &str, expected| FaultError::Field {
        text: text.chars().take(80).collect(),
        expected,
    };
    let taken = crate::duty::moment(taken_at).ok_or_else(|| bad(taken_at, "moment"))?;
    if taken > by.at || by.at.since(taken) > OLDEST_SAMPLE_MS {
        return Err(FaultError::Moment);
    }
    let number = Decimal::parse(value.trim().as_bytes()).filter(|number| number.mantissa >= 0);
    Ok(Sample {
        factor: FactorCode::new(factor).map_err(|_| bad(factor, "factor code"))?,
        taken_at: taken,
        value: number.ok_or_else(|| bad(value, "number"))?,
        entered: by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(stamp: &str) -> By {
        By {
            name: "张环保".into(),
            at: Time::parse_stamp(stamp.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn a_sample_is_read_or_refused_by_name() {
        let now = || by("20261121150000");
        let fine = sample("a21026", "2026-11-21T14:30", "28.5", now()).unwrap();
        assert_eq!(
            (fine.factor.as_str(), fine.value.to_string().as_str()),
            ("a21026", "28.5")
        );
        assert!(matches!(
            sample("a21026", "2026-11-21T15:01", "1", now()),
            Err(FaultError::Moment)
        ));
        assert!(matches!(
            sample("a21026", "2026-11-01T15:01", "1", now()),
            Err(FaultError::Moment)
        ));
        for (factor, at, value) in [
            ("so 2", "2026-11-21T14:30", "1"),
            ("a21026", "gestern", "1"),
            ("a21026", "2026-11-21T14:30", "-1"),
        ] {
            assert!(
                matches!(sample(factor, at, value, now()), Err(FaultError::Field { .. })),
                "{factor} {at} {value}"
            );
        }
        assert!(matches!(
            sample("a21026", "2026-11-21T14:30", "=1+1", now()),
            Err(FaultError::Field { .. })
        ));
    }

    #[test]
    fn the_next_sample_is_due_six_hours_after_the_last() {
        let report = FaultReport {
            number: 1,
            label: "YC20261121-0001".into(),
            case: ContentId::of(&[b"case"]),
            enterprise: EnterpriseId::default(),
            outlet: OutletId::new("E:DA001").unwrap(),
            factor: None,
            text: "泵停".into(),
            reported: by("20261121100000"),
            repaired: None,
        };
        let due = |samples: &[Sample]| report.next_sample_due(samples).map(Time::stamp14);
        assert_eq!(due(&[]).as_deref(), Some("20261121160000"));
        let taken = sample("a21026", "2026-11-21T14:30", "28.5", by("20261121150000")).unwrap();
        assert_eq!(due(&[taken]).as_deref(), Some("20261121203000"));
        let done = FaultReport {
            repaired: Some(by("20261121180000")),
            ..report.clone()
        };
        assert_eq!(done.next_sample_due(&[]), None);
    }
}
