//! 温馨提示 by date: a permit that runs out, a penalty's publicity that may end. Each says what to do, until when, and by
//! which article. Pure: dates come from the registry and the bureau's table, today from the caller.

use plume_schemas::ids::{ContentId, EnterpriseId};
use plume_schemas::registry::Enterprise;
use plume_schemas::time::{DAY_MS, Time};

use crate::named::named;
use crate::publicity::Publicity;

named! {
    /// Which kind of reminder.
    Kind {
        /// 排污许可证到期.
        Permit = "permit", "排污许可证到期", "permit expiring";
        /// 行政处罚信息公示期满.
        Publicity = "publicity", "行政处罚信息公示期满", "penalty publicity ending";
    }
}

/// Days before a permit ends at which a stage begins. The application has to be in more than 60 days before (排污许可管理条例
/// 第十四条), so day 61 is the last safe one.
const PERMIT_STAGES: [i64; 7] = [180, 120, 90, 75, LAST_SAFE_DAYS, 60, 0];
const LAST_SAFE_DAYS: i64 = 61;
/// Stages that are sent; the others are on the page.
const PERMIT_SENT: [i64; 3] = [90, 75, LAST_SAFE_DAYS];
/// What publicity and repair go by: after the shortest period repair may be applied for, after the longest publicity
/// ends.
const BY_ZH: &str = "《信用修复管理办法》，国家发展改革委令第36号";
const BY_EN: &str = "Measures for Credit Repair, NDRC decree 36";
/// Days before a publicity period ends at which a stage begins.
const PUBLICITY_STAGES: [i64; 3] = [30, 7, 0];

/// A reminder of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// From content: a stage is reached once.
    pub id: ContentId,
    /// Which kind.
    pub kind: Kind,
    /// Whose.
    pub enterprise: EnterpriseId,
    /// In which district.
    pub district: String,
    /// Permit number, or document.
    pub subject: String,
    /// The stage, in days before the date.
    pub stage_days: i64,
    /// The date.
    pub due_on: Time,
    /// What it says, Chinese and English.
    pub text: (String, String),
    /// Sent, not only shown.
    pub is_sent: bool,
}

/// The reminder of the stage that an enterprise's permit is in, if it is in one.
pub fn permit(enterprise: &Enterprise, today: Time) -> Option<Reminder> {
    let ends = enterprise.permit_valid_to?.floor(DAY_MS);
    let left = ends.beijing_day() - today.beijing_day();
    let stage = stage_of(&PERMIT_STAGES, left)?;
    let last_safe = ends.plus(-LAST_SAFE_DAYS * DAY_MS).date();
    let until = ends.date();
    let text = match stage {
        0 => (
            format!("排污许可证有效期已于 {until} 届满。有效期届满未获延续的，不得排放污染物，请立即联系审批部门。"),
            format!(
                "The discharge permit ended on {until}. Without an extension nothing may be discharged. Contact the \
                 approving authority at once."
            ),
        ),
        60 => (
            format!(
                "排污许可证有效期至 {until}（剩余 {left} 天）。已过法定申请时点（届满60日前），请立即联系审批部门并提交申请；\
                 有效期届满未获延续的，不得排放污染物。"
            ),
            format!(
                "The discharge permit ends on {until} ({left} days left). The legal time to apply (60 days \
                 before) has passed: contact the approving authority and apply at once. Without an extension \
                 nothing may be discharged after it."
            ),
        ),
        _ => (
            format!(
                "排污许可证有效期至 {until}（剩余 {left} 天）。如需继续排污，请最迟于 {last_safe}（含当日）在全国排污许可证管理\
                 信息平台提交延续申请（《排污许可管理条例》第十四条：有效期届满60日前）。"
            ),
            format!(
                "The discharge permit ends on {until} ({left} days left). To go on discharging, apply for an \
                 extension on the national permit platform by {last_safe} at the latest (Regulation on Permits, \
                 article 14: 60 days before it ends)."
            ),
        ),
    };
    Some(Reminder {
        id: id_of(Kind::Permit, enterprise.id, &enterprise.permit_number, ends, stage),
        kind: Kind::Permit,
        enterprise: enterprise.id,
        district: enterprise.district.clone(),
        subject: enterprise.permit_number.clone(),
        stage_days: stage,
        due_on: ends,
        text,
        is_sent: PERMIT_SENT.contains(&stage),
    })
}

/// The reminder of the stage that a publicity is in: of its shortest period until that is over, then of its longest.
pub fn publicity(penalty: &Publicity, today: Time) -> Option<Reminder> {
    if penalty.ended_at.is_some_and(|ended| ended <= today) {
        return None;
    }
    let days_to = |date: Time| date.beijing_day() - today.beijing_day();
    let (due_on, longest) = if days_to(penalty.minimum_until) >= 0 {
        (penalty.minimum_until, false)
    } else {
        (penalty.maximum_until, true)
    };
    let left = days_to(due_on);
    let stage = stage_of(&PUBLICITY_STAGES, left).filter(|_| left >= 0)?;
    let (date, document) = (due_on.date(), &penalty.document);
    let text = if longest {
        (
            format!(
                "行政处罚信息公示（{document}）将于 {date} 满最长公示期（剩余 {left} 天），期满后停止公示（{BY_ZH}）；仍未停止\
                 的，请向“信用中国”网站反映。"
            ),
            format!(
                "The publicity of the penalty decision {document} reaches its longest period on {date} ({left} days \
                 left) and ends then ({BY_EN}). Should it go on, tell the Credit China website."
            ),
        )
    } else {
        (
            format!(
                "行政处罚信息公示（{document}）将于 {date} 满最短公示期（剩余 {left} 天），期满后可申请信用修复（{BY_ZH}）。请先\
                 完成整改、履行处罚决定并作出信用承诺，再通过“信用中国”网站提交申请。"
            ),
            format!(
                "The publicity of the penalty decision {document} reaches its shortest period on {date} ({left} days \
                 left); then credit repair can be applied for ({BY_EN}). Put it right, fulfil the decision and make \
                 the credit commitment first, then apply on the Credit China website."
            ),
        )
    };
    Some(Reminder {
        id: id_of(Kind::Publicity, penalty.enterprise, document, due_on, stage),
        kind: Kind::Publicity,
        enterprise: penalty.enterprise,
        district: penalty.district.clone(),
        subject: document.clone(),
        stage_days: stage,
        due_on,
        text,
        is_sent: true,
    })
}

/// The stage that `left` days belong to: the smallest that is not smaller.
fn stage_of(stages: &[i64], left: i64) -> Option<i64> {
    stages.iter().copied().filter(|&stage| left <= stage).min()
}

fn id_of(kind: Kind, enterprise: EnterpriseId, subject: &str, due_on: Time, stage: i64) -> ContentId {
    ContentId::of(&[
        b"reminder",
        kind.code().as_bytes(),
        enterprise.as_str().as_bytes(),
        subject.as_bytes(),
        &due_on.0.to_le_bytes(),
        &stage.to_le_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: &str) -> Time {
        Time::parse_stamp(date.as_bytes()).unwrap()
    }

    fn enterprise() -> Enterprise {
        Enterprise {
            id: EnterpriseId::new("E1").unwrap(),
            name: "甲".into(),
            district: "东区".into(),
            industry: String::new(),
            officer: String::new(),
            officer_phone: String::new(),
            contacts: Vec::new(),
            permit_number: "P1".into(),
            permit_valid_to: Some(at("20270301")),
        }
    }

    #[test]
    fn the_last_safe_day_is_named_and_then_the_words_change() {
        let on = |date: &str| permit(&enterprise(), at(date));
        assert_eq!(on("20260901"), None);
        assert_eq!(on("20260902").unwrap().stage_days, 180);
        let last = on("20261230").unwrap();
        assert_eq!((last.stage_days, last.is_sent), (61, true));
        assert!(last.text.0.contains("最迟于 2026-12-30（含当日）"), "{}", last.text.0);
        assert!(last.text.0.contains("剩余 61 天"));
        let missed = on("20261231").unwrap();
        assert_eq!((missed.stage_days, missed.is_sent), (60, false));
        assert!(missed.text.0.contains("已过法定申请时点"));
        assert!(on("20270302").unwrap().text.0.contains("不得排放污染物"));
    }

    #[test]
    fn a_stage_is_reached_once() {
        let ids: Vec<_> = ["20261201", "20261202", "20261210"]
            .map(|date| permit(&enterprise(), at(date)).unwrap().id)
            .into();
        assert_eq!(ids[0], ids[1]);
        assert_eq!(permit(&enterprise(), at("20261216")).unwrap().stage_days, 75);
        assert_ne!(permit(&enterprise(), at("20261216")).unwrap().id, ids[0]);
    }

    #[test]
    fn publicity_speaks_of_the_shortest_then_of_the_longest_period() {
        let penalty = Publicity {
            enterprise: EnterpriseId::new("E1").unwrap(),
            district: "东区".into(),
            document: "杭环罚〔2026〕1号".into(),
            published_at: at("20260801"),
            minimum_until: at("20261101"),
            maximum_until: at("20290801"),
            ended_at: None,
        };
        let on = |date: &str| publicity(&penalty, at(date));
        assert_eq!(on("20260901"), None);
        assert_eq!(on("20261002").unwrap().stage_days, 30);
        assert_eq!(on("20261101").unwrap().stage_days, 0);
        assert!(on("20261101").unwrap().text.0.contains("可申请信用修复"));
        assert_eq!(on("20261102"), None);
        let longest = on("20290725").unwrap();
        assert!(longest.text.0.contains("最长公示期"));
        assert_eq!(on("20290802"), None);
        for text in [on("20261101").unwrap().text.0, longest.text.0] {
            assert!(!text.contains("失信"), "{text}");
        }
        let ended = Publicity {
            ended_at: Some(at("20261010")),
            ..penalty.clone()
        };
        assert_eq!(publicity(&ended, at("20261101")), None);
    }
}
