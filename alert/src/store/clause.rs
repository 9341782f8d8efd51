//! Conditions of a question, put together so that scope and stream cannot be forgotten.

use sqlx::AssertSqlSafe;

use super::db::Value;
use crate::accounts::{Action, Scope, Viewer};
use crate::route::{Listing, Reach, When};

/// A statement being put together from fixed texts; what comes from outside is only ever bound.
pub(super) struct Where {
    sql: String,
    pub(super) values: Vec<Value>,
}

impl Where {
    /// Cases a viewer may see: none at all without [`Action::ViewCases`], no leads without [`Action::ViewLeads`].
    pub(super) fn cases_of(viewer: &Viewer) -> Self {
        let mut this = Self::rows_of(viewer);
        if !viewer.may(Action::ViewLeads) {
            this.and("stream =", "service");
        }
        this
    }

    /// Rows with `district`, `enterprise` and `outlet` that lie in a viewer's scope.
    pub(super) fn rows_of(viewer: &Viewer) -> Self {
        let mut this = Self::of_enterprises(viewer);
        if let Scope::Outlets(outlets) = &viewer.scope {
            this.and_any("outlet", outlets.iter().map(|&outlet| outlet.into()));
        }
        this
    }

    /// Rows with `district` and `enterprise` only; a contractor sees those of no enterprise.
    pub(super) fn of_enterprises(viewer: &Viewer) -> Self {
        let mut this = Self {
            sql: if viewer.may(Action::ViewCases) {
                " WHERE 1 = 1"
            } else {
                " WHERE 1 = 0"
            }
            .to_owned(),
            values: Vec::new(),
        };
        match &viewer.scope {
            Scope::All | Scope::Outlets(_) => {}
            Scope::District(district) => this.and("district =", district),
            Scope::Enterprise(enterprise) => this.and("enterprise =", *enterprise),
        }
        this
    }

    pub(super) fn and(&mut self, text: &'static str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.add(&[text, " $", &self.values.len().to_string()]);
    }

    /// Rows that stand on a list.
    pub(super) fn listed(&mut self, listing: &Listing) {
        let mut parts = Vec::new();
        for part in &listing.parts {
            self.values.push(part.family.code().into());
            let family = self.values.len();
            self.values.push(part.opened_by.into());
            let opened_by = self.values.len();
            let when = match part.when {
                When::Any | When::Grave => "1 = 1",
                When::Urgent => "severity >= 3",
                When::Preliminary => "certainty = 'preliminary'",
                When::Confirmed => "certainty = 'confirmed'",
            };
            let mut here = vec![format!("family = ${family} AND opened_at <= ${opened_by} AND {when}")];
            here.extend(self.reached(&part.reach));
            for reach in &part.but {
                if let Some(but) = self.reached(reach) {
                    here.push(format!("NOT ({but})"));
                }
            }
            parts.push(format!("({})", here.join(" AND ")));
        }
        if parts.is_empty() {
            parts.push("1 = 0".to_owned());
        }
        self.add(&["(", &parts.join(" OR "), ")"]);
    }

    /// Rows that a route reaches; `None` where it reaches all.
    fn reached(&mut self, reach: &Reach) -> Option<String> {
        let parts: [(&str, Option<Value>); 4] = [
            ("rule", reach.rule.map(|rule| rule.code().into())),
            (
                "district",
                (!reach.district.is_empty()).then(|| (&reach.district).into()),
            ),
            (
                "industry",
                (!reach.industry.is_empty()).then(|| (&reach.industry).into()),
            ),
            ("enterprise", reach.enterprise.map(Value::from)),
        ];
        let mut conditions = Vec::new();
        for (column, value) in parts {
            if let Some(value) = value {
                self.values.push(value);
                conditions.push(format!("{column} = ${}", self.values.len()));
            }
        }
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// A condition that binds nothing.
    pub(super) fn fixed(&mut self, text: &'static str) {
        self.add(&[text]);
    }

    fn add(&mut self, parts: &[&str]) {
        self.sql.push_str(" AND ");
        self.sql.extend(parts.iter().copied());
    }

    pub(super) fn and_some(&mut self, text: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(text, value);
        }
    }

    /// `column IN (…)`; of an empty list nothing is in it.
    pub(super) fn and_any(&mut self, column: &'static str, values: impl Iterator<Item = Value>) {
        let mut marks = Vec::new();
        for value in values {
            self.values.push(value);
            marks.push(format!("${}", self.values.len()));
        }
        if marks.is_empty() {
            self.sql.push_str(" AND 1 = 0");
        } else {
            self.add(&[column, " IN (", &marks.join(", "), ")"]);
        }
    }

    pub(super) fn sql(&self, head: &str, tail: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("{head}{}{tail}", self.sql))
    }
}
