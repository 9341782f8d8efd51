//! Tables that the bureau edits on screen: the routes, the sentences, the holidays, the guidance, the duty calendar,
//! the penalties made public. A text is read whole before it replaces the one in force; what cannot be read is
//! refused by line.

use crate::accounts::Role;
use crate::calendar::Calendar;
use crate::guidance::Guidance;
use crate::named::named;
use crate::problem::Deadlines;
use crate::route::Routes;
use crate::rows::RowError;
use crate::words::{Lang, Words};

/// Largest text of a table, bytes: the longest, a year's duty calendar of ten districts, is under 1 MiB.
pub const MAX_TABLE_BYTES: usize = 2 * 1_024 * 1_024;

named! {
    /// Which table.
    TableKind {
        /// Who is told of what, by which way.
        Routes = "routes", "通知规则", "routes";
        /// What messages say.
        Words = "words", "通知用语", "sentences";
        /// Which days are worked.
        Holidays = "holidays", "节假日与调休", "holidays";
        /// What to check and to do.
        Guidance = "guidance", "处置指引", "guidance";
        /// Who answers when.
        Duty = "duty", "值班表", "duty calendar";
        /// Which penalties are made public until when.
        Publicity = "publicity", "处罚公示", "penalty publicity";
    }
}

impl TableKind {
    /// The table that comes with plume; of those that a bureau fills itself only the head.
    pub const fn embedded(self) -> &'static str {
        match self {
            Self::Routes => include_str!("../data/routes.csv"),
            Self::Words => include_str!("../data/words.csv"),
            Self::Holidays => include_str!("../data/holidays.csv"),
            Self::Guidance => crate::guidance::EMBEDDED,
            Self::Duty => "audience,district,start,end,name,phone,email\n",
            Self::Publicity => "enterprise,document,published,minimum_until,maximum_until,ended\n",
        }
    }

    /// True where the rows are kept one by one, not as a text.
    pub(crate) const fn is_kept_by_row(self) -> bool {
        matches!(self, Self::Duty | Self::Publicity)
    }

    /// Who may change a table: the city's desk answers for what is said to whom, the administrator sets it up.
    pub const fn may_change_any(role: Role) -> bool {
        matches!(role, Role::CityDuty | Role::Admin)
    }

    /// Who may change this one.
    pub const fn may_change(self, role: Role) -> bool {
        Self::may_change_any(role) && self.may_read(role)
    }

    /// Who of the bureau may read it: penalties are for the city's desk; their enterprises and branches hear of their
    /// own by 温馨提示.
    pub const fn may_read(self, role: Role) -> bool {
        match self {
            Self::Publicity => matches!(role, Role::CityDuty),
            _ => true,
        }
    }
}

/// A table was refused; the one in force stays.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not by this role.
    #[error("a {} may not change tables", role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
    },
    /// Somebody else changed it since it was read.
    #[error("the table changed meanwhile: version {expected} was expected, it is {found}")]
    Changed {
        /// The version the person saw.
        expected: i64,
        /// The version there is.
        found: i64,
    },
    /// More than a table holds.
    #[error("the table is larger than {} MiB", MAX_TABLE_BYTES >> 20)]
    TooLarge,
    /// It cannot be read.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl TableError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NotAllowed { .. } => "ask the city's duty officer".into(),
            Self::Changed { .. } => "read the table again, then change it".into(),
            Self::TooLarge => "import one year at a time".into(),
            Self::Rows(error) => error.hint(),
            Self::Store(error) => error.hint(),
        }
    }

    /// What is wrong and what to try, for a page in this language.
    pub fn said(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::NotAllowed { .. }, Lang::Zh) => "当前角色无权修改数据表，请联系市局值班。".into(),
            (Self::Changed { found, .. }, Lang::Zh) => {
                format!("该表已被他人修改（现为第 {found} 版），请重新打开后再修改。")
            }
            (Self::TooLarge, Lang::Zh) => format!("超过 {} MiB，请分年导入。", MAX_TABLE_BYTES >> 20),
            (Self::Rows(error), lang) => error.said(lang),
            (Self::Store(_), Lang::Zh) => "暂时无法保存，请稍后重试。".into(),
            (error, Lang::En) => format!("{error}; {}", error.hint()),
        }
    }
}

/// The tables in force.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Who is told of what.
    pub routes: Routes,
    /// What is said.
    pub words: Words,
    /// Which days are worked.
    pub calendar: Calendar,
    /// What to check and to do.
    pub guidance: Guidance,
    /// The newest change they hold.
    pub version: i64,
}

impl Tables {
    /// The tables that come with plume.
    pub fn embedded() -> Result<Self, TableError> {
        Ok(Self {
            routes: Routes::embedded()?,
            words: Words::embedded()?,
            calendar: Calendar::embedded()?,
            guidance: Guidance::embedded()?,
            version: 0,
        })
    }

    /// The same with one table replaced by `text`. Tables that are kept by row are not among these.
    pub fn replace(&mut self, kind: TableKind, text: &str) -> Result<(), TableError> {
        match kind {
            TableKind::Routes => self.routes = Routes::from_csv(text)?,
            TableKind::Words => self.words = Words::from_csv(text)?,
            TableKind::Holidays => self.calendar = Calendar::from_csv(text)?,
            TableKind::Guidance => self.guidance = Guidance::from_csv(text)?,
            TableKind::Duty | TableKind::Publicity => {}
        }
        Ok(())
    }

    /// Deadlines of problems, in working days.
    pub(crate) fn deadlines(&self) -> Deadlines<'_> {
        Deadlines {
            calendar: &self.calendar,
            answer_days: crate::problem::ANSWER_WORKING_DAYS,
            review_days: crate::problem::REVIEW_WORKING_DAYS,
            on_site_days: crate::problem::ON_SITE_WORKING_DAYS,
        }
    }
}
