//! Who is told of what, by which way: the default routes as a table (`data/routes.csv`), and what a case draws from it.
//!
//! The rows of one family and audience are a tree. A row holds for all cases of its family, or for those of one rule,
//! district, industry or enterprise only; where a case fits narrower rows, they speak instead of the wider ones. So a
//! bureau adds a row for one enterprise without touching the rest, and `none` keeps somebody out of it.

use plume_schemas::ids::EnterpriseId;
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::{MINUTE_MS, Time};

use crate::case::{Case, Certainty, Family};
use crate::config::NotifyConfig;
use crate::named::named;
use crate::notify::{Audience, Channel};

/// The table that comes with plume.
const EMBEDDED: &str = include_str!("../data/routes.csv");
const COLUMNS: [&str; 12] = [
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
];
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
    fn fits(&self, case: &Case) -> bool {
        let tags = &case.tags;
        self.rule.is_none_or(|rule| rule == case.rule())
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

/// A row of the routes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The file is no CSV.
    #[error("the routes cannot be read")]
    Csv(#[from] csv::Error),
    /// Other columns than expected.
    #[error("the routes have columns `{found}`, expected `{}`", COLUMNS.join(","))]
    Columns {
        /// The header found.
        found: String,
    },
    /// A cell that plume does not know.
    #[error("routes line {line}: `{text}` is no {column}")]
    Unknown {
        /// Which line.
        line: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        text: String,
    },
    /// More rows than a bureau has routes.
    #[error("the routes have more than {MAX_ROUTES} rows")]
    TooLong,
    /// A lead would be told to those it is about.
    #[error("routes line {line}: leads never go to the {audience}", audience = audience.en())]
    LeadToSite {
        /// Which line.
        line: u64,
        /// To whom it would go.
        audience: Audience,
    },
}

impl RouteError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::LeadToSite { .. } => "leads go to `lead_officer` only".into(),
            _ => format!("columns are {}; see the routes that come with plume", COLUMNS.join(",")),
        }
    }
}

/// The table of routes.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// The routes that come with plume.
    pub fn embedded() -> Result<Self, RouteError> {
        Self::from_csv(EMBEDDED)
    }

    /// Routes from CSV text. A table that would tell a lead to an enterprise or its contractor is refused.
    pub fn from_csv(text: &str) -> Result<Self, RouteError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header: Vec<&str> = reader.headers()?.iter().map(str::trim).collect::<Vec<_>>();
        if header != COLUMNS {
            return Err(RouteError::Columns {
                found: header.join(","),
            });
        }
        let mut routes = Vec::new();
        for record in reader.records() {
            if routes.len() >= MAX_ROUTES {
                return Err(RouteError::TooLong);
            }
            routes.push(row(&record?)?);
        }
        Ok(Self(routes))
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
            .filter(|route| holds(route.when, case, config))
            .filter(|route| case.stream != Stream::Lead || !route.audience.is_site())
            .collect()
    }
}

fn holds(when: When, case: &Case, config: &NotifyConfig) -> bool {
    match when {
        When::Any => true,
        When::Urgent => case.severity >= Severity::Urgent,
        When::Preliminary => case.certainty == Certainty::Preliminary,
        When::Confirmed => case.certainty == Certainty::Confirmed,
        When::Grave => is_grave(case, config),
    }
}

/// True for an exceedance that rings at the duty desk.
pub fn is_grave(case: &Case, config: &NotifyConfig) -> bool {
    use plume_schemas::judgement::FactKey;
    let ratio = case
        .judgement
        .number(FactKey::ExceedRatio)
        .is_some_and(|ratio| ratio >= config.grave_ratio);
    let toxic = case
        .factor
        .is_some_and(|factor| config.grave_factors.iter().any(|code| code == factor.as_str()));
    let first = case
        .members
        .iter()
        .map(|member| member.window.start)
        .chain([case.opened_at])
        .min();
    let hours = first.map_or(0, |first| {
        case.judgement.window.end.since(first) / plume_schemas::time::HOUR_MS
    });
    let lasting = hours >= i64::from(config.grave_hours.max(1));
    ratio || toxic || lasting
}

fn row(record: &csv::StringRecord) -> Result<Route, RouteError> {
    let line = record.position().map_or(0, csv::Position::line);
    let cell = |at: usize| record.get(at).unwrap_or_default().trim();
    let unknown = |at: usize| RouteError::Unknown {
        line,
        column: COLUMNS.get(at).copied().unwrap_or_default(),
        text: cell(at).to_owned(),
    };
    let route = Route {
        family: Family::from_code(cell(0)).ok_or_else(|| unknown(0))?,
        when: When::from_code(cell(1)).ok_or_else(|| unknown(1))?,
        audience: Audience::from_code(cell(2)).ok_or_else(|| unknown(2))?,
        way: Way::from_code(cell(3)).ok_or_else(|| unknown(3))?,
        delay_min: cell(4).parse().map_err(|_| unknown(4))?,
        night: Night::from_code(cell(5)).ok_or_else(|| unknown(5))?,
        chain: match cell(6) {
            "yes" => true,
            "no" => false,
            _ => return Err(unknown(6)),
        },
        reach: Reach {
            rule: part(cell(7), RuleCode::from_code, unknown(7))?,
            district: cell(8).to_owned(),
            industry: cell(9).to_owned(),
            enterprise: part(cell(10), |text| EnterpriseId::new(text).ok(), unknown(10))?,
        },
    };
    if route.family == Family::Lead && route.audience.is_site() {
        return Err(RouteError::LeadToSite {
            line,
            audience: route.audience,
        });
    }
    Ok(route)
}

/// A cell that may be empty.
fn part<T>(cell: &str, read: impl FnOnce(&str) -> Option<T>, unknown: RouteError) -> Result<Option<T>, RouteError> {
    if cell.is_empty() {
        return Ok(None);
    }
    read(cell).map(Some).ok_or(unknown)
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
        let table = |audience: &str| format!("{}\nlead,any,{audience},sms,0,now,no,,,,,\n", COLUMNS.join(","));
        for audience in ["enterprise", "contractor"] {
            let error = Routes::from_csv(&table(audience)).unwrap_err();
            assert!(matches!(error, RouteError::LeadToSite { line: 2, .. }), "{error}");
        }
        assert!(Routes::from_csv(&table("lead_officer")).is_ok());
    }

    #[test]
    fn bad_cells_are_named() {
        let error =
            Routes::from_csv(&format!("{}\nnear,often,city,sms,0,now,no,,,,,\n", COLUMNS.join(","))).unwrap_err();
        assert_eq!(error.to_string(), "routes line 2: `often` is no when");
        assert!(matches!(
            Routes::from_csv("a,b\n1,2\n"),
            Err(RouteError::Columns { .. })
        ));
    }
}
