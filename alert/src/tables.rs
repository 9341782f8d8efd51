//! Tables that the bureau edits on screen: the routes, the sentences, the holidays, the guidance, the duty calendar. A
//! text is read whole before it replaces the one in force; what cannot be read is refused by line.

use crate::accounts::Role;
use crate::calendar::{Calendar, CalendarError};
use crate::duty::{DutyError, Roster};
use crate::guidance::{Guidance, GuidanceError};
use crate::named::named;
use crate::problem::Deadlines;
use crate::route::{RouteError, Routes};
use crate::words::{Words, WordsError};

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
    }
}

impl TableKind {
    /// The table that comes with plume; of the duty calendar only its head.
    pub const fn embedded(self) -> &'static str {
        match self {
            Self::Routes => include_str!("../data/routes.csv"),
            Self::Words => include_str!("../data/words.csv"),
            Self::Holidays => include_str!("../data/holidays.csv"),
            Self::Guidance => crate::guidance::EMBEDDED,
            Self::Duty => "audience,district,start,end,name,phone,email\n",
        }
    }

    /// Who may change it: the city's desk answers for what is said to whom, the administrator sets it up.
    pub const fn may_change(role: Role) -> bool {
        matches!(role, Role::CityDuty | Role::Admin)
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
    /// The routes.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// The sentences.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The holidays.
    #[error(transparent)]
    Holidays(#[from] CalendarError),
    /// The guidance.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The duty calendar.
    #[error(transparent)]
    Duty(#[from] DutyError),
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
            Self::Routes(error) => error.hint(),
            Self::Words(error) => error.hint(),
            Self::Holidays(error) => error.hint(),
            Self::Guidance(error) => error.hint(),
            Self::Duty(error) => error.hint(),
            Self::Store(error) => error.hint(),
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

    /// The same with one table replaced by `text`. A byte-order mark, as spreadsheets write it, is no part of a table.
    pub fn replace(&mut self, kind: TableKind, text: &str) -> Result<(), TableError> {
        if text.len() > MAX_TABLE_BYTES {
            return Err(TableError::TooLarge);
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match kind {
            TableKind::Routes => self.routes = Routes::from_csv(text)?,
            TableKind::Words => self.words = Words::from_csv(text)?,
            TableKind::Holidays => self.calendar = Calendar::from_csv(text)?,
            TableKind::Guidance => self.guidance = Guidance::from_csv(text)?,
            TableKind::Duty => drop(Roster::from_csv(text)?),
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
