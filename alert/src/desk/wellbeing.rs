//! What whoever looks after plume must know, in sentences: made by the binary, shown on the 系统 page.

use std::sync::PoisonError;

use plume_schemas::time::Time;

use super::state::DeskState;
use super::text::{Speaks, Texts};
use super::view::number::stamp;
use super::view::sheet::{Cell, Table, text, words};
use crate::accounts::{Role, Scope, Viewer};
use crate::words::Lang;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Something does not work now; otherwise it will not for ever.
    pub grave: bool,
    /// Since when, where that is known.
    pub since: Option<Time>,
    /// What, in Chinese.
    pub zh: String,
    /// What, in English.
    pub en: String,
    /// What to do, in Chinese.
    pub todo_zh: String,
    /// What to do, in English.
    pub todo_en: String,
}

impl DeskState {
    /// Says from now on what is not as it should be; nothing when all is well.
    pub fn set_sentences(&self, sentences: Vec<Sentence>) {
        *self.sentences().lock().unwrap_or_else(PoisonError::into_inner) = sentences;
    }

    /// Devices of the registry that are linked and heard in time, linked and silent, and without a link.
    pub fn device_counts(&self) -> (u64, u64, u64) {
        let viewer = Viewer {
            name: String::new(),
            role: Role::Admin,
            scope: Scope::All,
        };
        let devices = self.devices(&viewer);
        (devices.online, devices.late, devices.offline)
    }
}

/// The table of the 系统 page: what is behind or wrong, since when, and what to do.
pub(crate) fn table(state: &DeskState, lang: Lang) -> Table {
    let t: &Texts = lang.texts();
    let sentences = state.sentences().lock().unwrap_or_else(PoisonError::into_inner).clone();
    let row = |said: &Sentence| -> Vec<Cell> {
        let since = said.since.map_or_else(|| t.dash.to_owned(), stamp);
        let class = if said.grave { "over" } else { "near" };
        vec![
            text(lang.pick(said.zh.as_str(), said.en.as_str())).class(class),
            text(since),
            text(lang.pick(said.todo_zh.as_str(), said.todo_en.as_str())),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = sentences.iter().map(row).collect();
    if rows.is_empty() {
        rows.push(vec![text(t.all_well).class("good"), text(t.dash), text("")]);
    }
    Table {
        title: t.wellbeing.to_owned(),
        note: String::new(),
        heads: vec![words(t.finding), words(t.since), words(t.to_do)],
        rows,
        ..Table::default()
    }
}
