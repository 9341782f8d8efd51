//! Who is told of what, by which way: the default routes as a table (`data/routes.csv`), and what a case draws from it.
//!
//! The rows of one family and audience are a tree. A row holds for all cases of its family, or for those of one rule,
//! district, industry or enterprise only; where a case fits narrower rows, they speak instead of the wider ones. So a
//! bureau adds a row for one enterprise without touching the rest, and `none` keeps somebody out of it.

use plume_schemas::ids::{EnterpriseId, FactorCode};
use plume_schemas::judgement::{FactKey, Judgement};
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use crate::case::{Case, Certainty, Family, Tags};
use crate::config::NotifyConfig;
use crate::named::named;
use crate::notify::{Audience, Channel};
use crate::rows::{self, Layout, Row, RowError, Said};
use crate::store::CaseRow;

/// The table that comes with plume.
const EMBEDDED: &str = include_str!("../data/routes.csv");
/// Most rows of a table: every family to every audience for a hundred districts and enterprises of their own.
pub const MAX_ROUTES: usize = 5_000;

named! {
    /// In which condition of a case a route holds.
    When {
        /// Always.
        Any = "any", "任何", "any";
        /// Severity 紧急 or above.
        Urgent = "urgent", "紧急", "urgent";
        /// 初判.
        Preliminary = "preliminary", "初判", "preliminary";
        /// 已确认.
        Confirmed = "confirmed", "已确认", "confirmed";
        /// A high ratio, many hours in a row, or a listed toxic factor.
        Grave = "grave", "严重", "grave";
    }
}

named! {
    /// By which way a route tells.
    Way {
        /// A short message; by mail where no gateway for short messages is set up.
        Sms = "sms", "短信", "short message";
        /// Rings at the duty desk.
        Ring = "ring", "响铃", "ring";
        /// On the list of that audience, silently.
        List = "list", "列表", "list";
        /// Counted for that audience, not listed.
        Count = "count", "计数", "count";
        /// Not at all: keeps an audience out of what a wider row would tell it.
        None = "none", "不通知", "none";
        /// In the daily digest.
        Daily = "daily", "日报", "daily digest";
        /// In the weekly digest.
        Weekly = "weekly", "周报", "weekly digest";
    }
}

named! {
    /// What happens in the quiet hours.
    Night {
        /// Sent at once all the same.
        Now = "now", "立即", "now";
        /// Held until they end.
        Morning = "morning", "次晨", "morning";
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// For cases of this family,
    pub family: Family,
    /// in this condition,
    pub when: When,
    /// these are told
    pub audience: Audience,
    /// in this way,
    pub way: Way,
    /// so long after it began, if it still goes on,
    pub delay_min: u32,
    /// and at night so.
    pub night: Night,
    /// Contact after contact, then the next desk role, at last a call, until somebody acknowledges.
    pub chain: bool,
    /// Only for these cases.
    pub reach: Reach,
}

/// For which cases a row holds; empty parts do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// By this rule.
    pub rule: Option<RuleCode>,
    /// In this district.
    pub district: String,
    /// Of this industry.
    pub industry: String,
    /// Of this enterprise.
    pub enterprise: Option<EnterpriseId>,
}

impl Reach {
    fn fits(&self, case: &Facts<'_>) -> bool {
        let tags = case.tags;
        self.rule.is_none_or(|rule| rule == case.rule)
            && (self.district.is_empty() || self.district == tags.district)
            && (self.industry.is_empty() || self.industry == tags.industry)
            && self.enterprise.is_none_or(|own| own == tags.enterprise)
    }

    /// Of two rows that fit, the one with the larger number speaks: the enterprise's before the industry's before the
    /// district's before the rule's.
    fn narrowness(&self) -> u8 {
        let parts = [
            self.rule.is_some(),
            !self.district.is_empty(),
            !self.industry.is_empty(),
            self.enterprise.is_some(),
        ];
        (0..).zip(parts).map(|(bit, set)| u8::from(set) << bit).sum()
    }
}

/// Which cases stand on somebody's list: those that fit any part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The parts; without any nothing is listed.
    pub parts: Vec<Listed>,
}

/// One part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Cases of this family,
    pub family: Family,
    /// in this condition,
    pub when: When,
    /// opened by then,
    pub opened_by: Time,
    /// of these,
    pub reach: Reach,
    /// but not of those, for which narrower rows speak.
    pub but: Vec<Reach>,
}

static LAYOUT: Layout = Layout {
    name: Said::new("通知规则", "routes"),
    columns: &[
        "family",
        "when",
        "audience",
        "channel",
        "delay_min",
        "night",
        "chain",
        "rule",
        "district",
        "industry",
        "enterprise",
        "note",
    ],
    max_rows: MAX_ROUTES,
    example: "near,urgent,enterprise,sms,0,now,yes,,东区,,,夜间也通知",
};
const FAMILY: Said = Said::new(
    "类别，如 near、exceed、quality",
    "family such as near, exceed or quality",
);
const WHEN: Said = Said::new(
    "条件：any、urgent、preliminary、confirmed 或 grave",
    "condition: any, urgent, preliminary, confirmed or grave",
);
const AUDIENCE: Said = Said::new(
    "接收方：enterprise、contractor、branch、city 或 lead_officer",
    "audience: enterprise, contractor, branch, city or lead_officer",
);
const WAY: Said = Said::new(
    "方式：sms、ring、list、count、none、daily 或 weekly",
    "way: sms, ring, list, count, none, daily or weekly",
);
const DELAY: Said = Said::new("延迟分钟数", "number of minutes");
const NIGHT: Said = Said::new("夜间：now 立即，morning 次晨", "word for the night: now or morning");
const CHAIN: Said = Said::new("yes 或 no", "yes or no");
const RULE: Said = Said::new("规则代码，留空为全部", "rule, or nothing for all");
const ENTERPRISE: Said = Said::new("统一社会信用代码，留空为全部", "enterprise, or nothing for all");
const NO_DIGEST: Said = Said::new(
    "线索专员的方式，线索不进入日报和周报",
    "way for lead officers: leads stand in no digest",
);
const NOT_TO_THE_SITE: Said = Said::new(
    "线索的接收方，线索只发给 lead_officer，不得发给企业或运维单位",
    "audience of leads: leads never go to the enterprise or its contractor, only to lead_officer",
);

/// The table of routes.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// The routes that come with plume.
    pub fn embedded() -> Result<Self, RowError> {
        Self::from_csv(EMBEDDED)
    }

    /// Routes from CSV text. A table that would tell a lead to an enterprise or its contractor is refused.
    pub fn from_csv(text: &str) -> Result<Self, RowError> {
        rows::read(&LAYOUT, text, row).map(Self)
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// What stands on the list of an audience at `now`; what the routes only count, or list later, does not.
    pub fn listing(&self, audience: Audience, now: Time) -> Listing {
        let own = || self.0.iter().filter(|route| route.audience == audience);
        let narrower = |than: &Route| {
            let mut reaches: Vec<Reach> = Vec::new();
            for route in own().filter(|route| route.family == than.family) {
                if route.reach.narrowness() > than.reach.narrowness() && !reaches.contains(&route.reach) {
                    reaches.push(route.reach.clone());
                }
            }
            reaches
        };
        let parts = own()
            .filter(|route| route.way == Way::List)
            .map(|route| Listed {
                family: route.family,
                when: route.when,
                opened_by: now.plus(-i64::from(route.delay_min) * MINUTE_MS),
                reach: route.reach.clone(),
                but: narrower(route),
            })
            .collect();
        Listing { parts }
    }

    /// The rows that hold for a case as it is now: for each audience the narrowest that fit.
    pub fn of(&self, case: &Case, config: &NotifyConfig) -> Vec<&Route> {
        self.holding(&Facts::of(case, config))
    }

    /// In which ways an audience is told of a case.
    pub fn ways(&self, case: &CaseRow, audience: Audience, config: &NotifyConfig) -> Vec<Way> {
        let rows = self.holding(&Facts::of_row(case, config));
        let own = rows.into_iter().filter(|route| route.audience == audience);
        own.map(|route| route.way).collect()
    }

    fn holding(&self, case: &Facts<'_>) -> Vec<&Route> {
        let fits = |route: &&Route| route.family == case.family && route.reach.fits(case);
        let fitting: Vec<&Route> = self.0.iter().filter(fits).collect();
        let narrowest = |audience| {
            let own = fitting.iter().filter(|route| route.audience == audience);
            own.map(|route| route.reach.narrowness()).max()
        };
        fitting
            .iter()
            .copied()
            .filter(|route| Some(route.reach.narrowness()) == narrowest(route.audience))
            .filter(|route| case.meets(route.when))
            .filter(|route| case.stream != Stream::Lead || !route.audience.is_site())
            .collect()
    }
}

/// What the routes ask of a case.
struct Facts<'a> {
    family: Family,
    rule: RuleCode,
    stream: Stream,
    tags: &'a Tags,
    severity: Severity,
    certainty: Certainty,
    grave: bool,
}

impl<'a> Facts<'a> {
    fn of(case: &'a Case, config: &NotifyConfig) -> Self {
        Self {
            family: case.family,
            rule: case.rule(),
            stream: case.stream,
            tags: &case.tags,
            severity: case.severity,
            certainty: case.certainty,
            grave: is_grave(case, config),
        }
    }

    fn of_row(case: &'a CaseRow, config: &NotifyConfig) -> Self {
        Self {
            family: case.family,
            rule: case.rule,
            stream: case.stream,
            tags: &case.tags,
            severity: case.severity,
            certainty: case.certainty,
            grave: grave(&case.judgement, case.factor, Some(case.opened_at), config),
        }
    }

    fn meets(&self, when: When) -> bool {
        match when {
            When::Any => true,
            When::Urgent => self.severity >= Severity::Urgent,
            When::Preliminary => self.certainty == Certainty::Preliminary,
            When::Confirmed => self.certainty == Certainty::Confirmed,
            When::Grave => self.grave,
        }
    }
}

/// True for an exceedance that rings at the duty desk.
pub fn is_grave(case: &Case, config: &NotifyConfig) -> bool {
    let starts = case.members.iter().map(|member| member.window.start);
    let first = starts.chain([case.opened_at]).min();
    grave(&case.judgement, case.factor, first, config)
}

/// A high ratio, a listed toxic factor, or many hours since the first.
fn grave(judgement: &Judgement, factor: Option<FactorCode>, first: Option<Time>, config: &NotifyConfig) -> bool {
    let ratio = judgement
        .number(FactKey::ExceedRatio)
        .is_some_and(|ratio| ratio >= config.grave_ratio);
    let toxic = factor.is_some_and(|factor| config.grave_factors.iter().any(|code| code == factor.as_str()));
    let hours = first.map_or(0, |first| judgement.window.end.since(first) / HOUR_MS);
    let lasting = hours >= i64::from(config.grave_hours.max(1));
    ratio || toxic || lasting
}

fn row(row: Row<'_>) -> Result<Route, RowError> {
    let cell = |at: usize| row.cell(at);
    let route = Route {
        family: Family::from_code(cell(0)).ok_or_else(|| row.bad(0, FAMILY))?,
        when: When::from_code(cell(1)).ok_or_else(|| row.bad(1, WHEN))?,
        audience: Audience::from_code(cell(2)).ok_or_else(|| row.bad(2, AUDIENCE))?,
        way: Way::from_code(cell(3)).ok_or_else(|| row.bad(3, WAY))?,
        delay_min: cell(4).parse().map_err(|_| row.bad(4, DELAY))?,
        night: Night::from_code(cell(5)).ok_or_else(|| row.bad(5, NIGHT))?,
        chain: match cell(6) {
            "yes" => true,
            "no" => false,
            _ => return Err(row.bad(6, CHAIN)),
        },
        reach: Reach {
            rule: part(cell(7), RuleCode::from_code).ok_or_else(|| row.bad(7, RULE))?,
            district: cell(8).to_owned(),
            industry: cell(9).to_owned(),
            enterprise: part(cell(10), |text| EnterpriseId::new(text).ok()).ok_or_else(|| row.bad(10, ENTERPRISE))?,
        },
    };
    if route.family == Family::Lead && route.audience.is_site() {
        return Err(row.bad(2, NOT_TO_THE_SITE));
    }
    if route.audience == Audience::LeadOfficer && matches!(route.way, Way::Daily | Way::Weekly) {
        return Err(row.bad(3, NO_DIGEST));
    }
    Ok(route)
}

/// A cell that may be empty; nothing where it cannot be read.
fn part<T>(cell: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if cell.is_empty() {
        return Some(None);
    }
    read(cell).map(Some)
}

impl Way {
    /// The channel that carries it, where it is a message at all.
    pub const fn channel(self) -> Option<Channel> {
        match self {
            Self::Sms => Some(Channel::Sms),
            Self::Ring => Some(Channel::Ring),
            Self::List | Self::Count | Self::None | Self::Daily | Self::Weekly => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_reads_and_covers_every_family() {
        let routes = Routes::embedded().unwrap();
        for &family in Family::ALL {
            assert!(routes.iter().any(|route| route.family == family), "{family}");
        }
    }

    #[test]
    fn a_table_that_tells_leads_to_the_site_is_refused() {
        let table = |audience: &str| format!("{}\nlead,any,{audience},sms,0,now,no,,,,,\n", LAYOUT.columns.join(","));
        for audience in ["enterprise", "contractor"] {
            let error = Routes::from_csv(&table(audience)).unwrap_err().to_string();
            assert!(
                error.contains("line 2") && error.contains("leads never go to"),
                "{error}"
            );
        }
        assert!(Routes::from_csv(&table("lead_officer")).is_ok());
        let mailed = Routes::from_csv(&table("lead_officer").replace("sms", "daily")).unwrap_err();
        assert!(mailed.to_string().contains("in no digest"), "{mailed}");
    }

    #[test]
    fn bad_cells_are_named() {
        let error = Routes::from_csv(&format!(
            "{}\nnear,often,city,sms,0,now,no,,,,,\n",
            LAYOUT.columns.join(",")
        ))
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "routes line 2: `often` is no condition: any, urgent, preliminary, confirmed or grave"
        );
        assert!(matches!(Routes::from_csv("a,b\n1,2\n"), Err(RowError::Columns { .. })));
    }
}
