//! 基础档案 on the desk: files brought and rows edited become drafts; a draft is looked at, then recorded. Whoever holds
//! the log reads the files, as `plume check` does, and records revisions; the desk asks through a queue.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Changes, MASK, ProblemSeverity, Registry, RegistryIndex, RowKind};
use plume_schemas::time::Time;
use tokio::sync::{mpsc, oneshot};

use super::ask::{Unanswered, ask};
use super::state::DeskState;
use crate::accounts::Viewer;
use crate::store::{AuditKind, StoreError};
use crate::words::Lang;

/// Reading and checking ten thousand outlets takes seconds, recording them a few more.
const PATIENCE: Duration = Duration::from_mins(1);
/// Drafts kept at a time, for all administrators; the oldest goes. Each holds a whole registry.
const MAX_DRAFTS: usize = 8;
/// Changes of a draft that are shown.
const SHOWN_CHANGES: usize = 200;
/// Changes that stand in the log of operations; the rest is counted.
const NOTED_CHANGES: usize = 20;
/// Letters of one line of the log of operations.
const NOTE_CHARS: usize = 2_000;

/// A file that somebody brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryFile {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What is wrong with a registry, or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which file, or of which row.
    pub file: String,
    /// In which line, from 1, where known.
    pub line: Option<usize>,
    /// It can be recorded all the same.
    pub is_warning: bool,
    /// What.
    pub message: String,
    /// What to try.
    pub hint: String,
}

/// Files that were read: the registry with what is odd in it, or everything that is wrong.
pub type ReadRegistry = Result<(Registry, Vec<Fault>), Vec<Fault>>;

/// Why a draft is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// Another revision is in force by now.
    Changed,
    /// Another desk holds the lease: the registry is edited there.
    Standby,
    /// The log did not take it.
    Log(String),
}

/// What the desk asks.
#[derive(Debug)]
pub enum RegistryQuestion {
    /// Read and check these files.
    Read {
        /// They.
        files: Vec<RegistryFile>,
        /// Told what they say.
        answer: oneshot::Sender<ReadRegistry>,
    },
    /// Record this, if revision `base` is still in force.
    Record {
        /// What is to be in force.
        registry: Box<Registry>,
        /// What it was made of.
        base: u64,
        /// Told what is in force from now on, once it may no longer be lost.
        answer: oneshot::Sender<Result<Arc<RegistryIndex>, RecordRefusal>>,
    },
}

/// The way to whoever reads files and records revisions.
#[derive(Clone, Debug)]
pub struct RegistryQueue(mpsc::Sender<RegistryQuestion>);

impl RegistryQueue {
    /// A way whose other end answers.
    pub fn new(queue: mpsc::Sender<RegistryQuestion>) -> Self {
        Self(queue)
    }
}

/// Where a draft came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Files of these names.
    Files(String),
    /// A row of this kind.
    Row(RowKind),
}

impl Origin {
    /// In words.
    pub(crate) fn in_lang(&self, lang: Lang) -> &str {
        match self {
            Self::Files(names) => names,
            Self::Row(kind) => lang.pick(kind.zh(), kind.en()),
        }
    }
}

/// A registry that somebody is about to record.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Its number.
    pub(crate) id: ContentId,
    /// Whose it is: nobody else records it.
    pub(crate) by: String,
    /// What it was made of.
    pub(crate) base: u64,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// What would change.
    pub(crate) changes: Changes,
    /// What is odd in it.
    pub(crate) warnings: Vec<Fault>,
    registry: Registry,
}

/// What the state of the desk keeps for this page.
#[derive(Debug, Default)]
pub(crate) struct RegistryDesk {
    queue: OnceLock<RegistryQueue>,
    drafts: Mutex<Vec<Arc<Draft>>>,
}

/// Why something is not done with the registry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// Nobody here records revisions, or they have stopped.
    #[error("nobody here records the registry")]
    Nobody,
    /// No answer within the patience of a page.
    #[error("no answer in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Everything that is wrong with it.
    #[error("{} faults", faults.len())]
    Faults {
        /// They.
        faults: Vec<Fault>,
    },
    /// It would change nothing.
    #[error("it says what is in force")]
    Nothing,
    /// The draft is gone, or somebody else's.
    #[error("no such draft")]
    NoDraft,
    /// Recording was refused.
    #[error("not recorded: {0:?}")]
    Refused(RecordRefusal),
    /// It could not be noted who asked: then nothing is recorded.
    #[error("the log of operations cannot be written")]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// What to try.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Nobody => "run the desk beside the log",
            Self::Late { .. } => "look whether the log's disk or the brokers are busy",
            Self::Faults { .. } => "correct each line and bring the files again",
            Self::Nothing => "nothing is to be done",
            Self::NoDraft => "bring the files again",
            Self::Refused(_) => "read the registry again, then edit it",
            Self::Store(error) => return error.hint(),
        };
        hint.to_owned()
    }
}

impl DeskState {
    /// Says who reads files and records revisions. Only the first counts.
    pub fn set_registry_queue(&self, queue: RegistryQueue) {
        self.registry_desk().queue.get_or_init(|| queue);
    }

    /// True where the registry can be changed here.
    pub(crate) fn records_registry(&self) -> bool {
        self.registry_desk().queue.get().is_some()
    }

    async fn ask_registry<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> RegistryQuestion,
    ) -> Result<T, RegistryError> {
        let queue = self.registry_desk().queue.get().map(|queue| &queue.0);
        let told = ask(queue, PATIENCE, question).await;
        told.map_err(|unanswered| match unanswered {
            Unanswered::Nobody => RegistryError::Nobody,
            Unanswered::Late { seconds } => RegistryError::Late { seconds },
        })
    }

    /// A draft of files.
    pub(crate) async fn draft_of_files(
        &self,
        viewer: &Viewer,
        files: Vec<RegistryFile>,
    ) -> Result<Arc<Draft>, RegistryError> {
        let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
        let base = self.desk().registry();
        let read = self
            .ask_registry(|answer| RegistryQuestion::Read { files, answer })
            .await?;
        let (mut registry, warnings) = read.map_err(|faults| RegistryError::Faults { faults })?;
        let lacking = registry.unmask(base.registry());
        if !lacking.is_empty() {
            let faults = lacking.iter().map(|place| unknown_password(&registry, *place));
            return Err(RegistryError::Faults {
                faults: faults.collect(),
            });
        }
        self.keep_draft(viewer, base, registry, Origin::Files(names.join(" ")), warnings)
            .await
    }

    /// A draft of one row, by the names of its columns.
    pub(crate) async fn draft_of_row(
        &self,
        viewer: &Viewer,
        kind: RowKind,
        cells: Vec<(&'static str, String)>,
        replaces: Option<usize>,
    ) -> Result<Arc<Draft>, RegistryError> {
        let base = self.desk().registry();
        let (state, now) = (self.clone(), self.now());
        let before = Arc::clone(&base);
        let made = tokio::task::spawn_blocking(move || {
            let cells: Vec<(&str, &str)> = cells.iter().map(|(column, text)| (*column, text.as_str())).collect();
            let registry = before.registry().clone().with_row(kind, &cells, replaces);
            let registry = registry.map_err(|problems| {
                let of_row = |problem: plume_schemas::registry::CsvProblem| Fault {
                    file: problem.column,
                    line: None,
                    is_warning: false,
                    message: problem.message,
                    hint: String::new(),
                };
                problems.into_iter().map(of_row).collect::<Vec<_>>()
            })?;
            let faults = state.new_faults(before.registry(), &registry, now);
            if faults.iter().any(|fault| !fault.is_warning) {
                return Err(faults);
            }
            Ok((registry, faults))
        });
        let made = made.await.map_err(|_| RegistryError::Nobody)?;
        let (registry, warnings) = made.map_err(|faults| RegistryError::Faults { faults })?;
        self.keep_draft(viewer, base, registry, Origin::Row(kind), warnings)
            .await
    }

    /// What is wrong or odd in `next` and was not in `base`.
    fn new_faults(&self, base: &Registry, next: &Registry, now: Time) -> Vec<Fault> {
        let catalogue = self.desk().catalogue();
        let known: Vec<_> = base.check(catalogue, now);
        let known: std::collections::HashSet<(&str, &str)> = known
            .iter()
            .map(|problem| (problem.path.as_str(), problem.message.as_str()))
            .collect();
        let found = next.check(catalogue, now).into_iter();
        let new = found.filter(|problem| !known.contains(&(problem.path.as_str(), problem.message.as_str())));
        new.map(|problem| Fault {
            file: problem.path,
            line: None,
            is_warning: problem.severity == ProblemSeverity::Warning,
            message: problem.message,
            hint: problem.hint,
        })
        .collect()
    }

    async fn keep_draft(
        &self,
        viewer: &Viewer,
        base: Arc<RegistryIndex>,
        registry: Registry,
        origin: Origin,
        warnings: Vec<Fault>,
    ) -> Result<Arc<Draft>, RegistryError> {
        let by = viewer.name.clone();
        let made = tokio::task::spawn_blocking(move || {
            let changes = base.registry().changes_to(&registry, SHOWN_CHANGES);
            let base = base.registry().revision;
            let content = registry.content_hash().to_string();
            Draft {
                id: ContentId::of(&[b"draft", content.as_bytes(), &base.to_le_bytes(), by.as_bytes()]),
                by,
                base,
                origin,
                changes,
                warnings,
                registry,
            }
        });
        let draft = Arc::new(made.await.map_err(|_| RegistryError::Nobody)?);
        if draft.changes.total() == 0 {
            return Err(RegistryError::Nothing);
        }
        let mut drafts = self
            .registry_desk()
            .drafts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drafts.retain(|known| known.id != draft.id);
        if drafts.len() >= MAX_DRAFTS {
            drafts.remove(0);
        }
        drafts.push(Arc::clone(&draft));
        Ok(draft)
    }

    /// A draft of one's own.
    pub(crate) fn draft(&self, viewer: &Viewer, id: ContentId) -> Option<Arc<Draft>> {
        let drafts = self
            .registry_desk()
            .drafts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drafts
            .iter()
            .find(|draft| draft.id == id && draft.by == viewer.name)
            .map(Arc::clone)
    }

    /// Records a draft; gives the revision in force from now on.
    pub(crate) async fn record_draft(&self, viewer: &Viewer, id: ContentId) -> Result<u64, RegistryError> {
        let draft = self.draft(viewer, id).ok_or(RegistryError::NoDraft)?;
        let (object, detail) = (format!("{} → {}", draft.base, draft.base + 1), noted(&draft));
        // Noted first: a change that cannot be noted is not made.
        let desk = self.desk();
        desk.note_registry(viewer, AuditKind::RegistryChanged, &object, &detail)
            .await?;
        let asked = self.ask_registry(|answer| RegistryQuestion::Record {
            registry: Box::new(draft.registry.clone()),
            base: draft.base,
            answer,
        });
        let refused = match asked.await {
            Ok(Ok(index)) => {
                let revision = index.registry().revision;
                desk.set_registry(index);
                let mut drafts = self
                    .registry_desk()
                    .drafts
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                drafts.retain(|known| known.id != id);
                return Ok(revision);
            }
            Ok(Err(refusal)) => RegistryError::Refused(refusal),
            Err(error) => error,
        };
        desk.note_registry(viewer, AuditKind::RegistryRefused, &object, &refused.to_string())
            .await?;
        Err(refused)
    }
}

fn unknown_password(registry: &Registry, place: usize) -> Fault {
    let mn = registry
        .sources
        .get(place)
        .map_or_else(String::new, |source| source.mn.to_string());
    Fault {
        file: format!("source[{place}]"),
        line: None,
        is_warning: false,
        message: format!("the password of {mn} is {MASK}, and none is on record"),
        hint: "write it, or leave it out".to_owned(),
    }
}

/// What the log of operations says of a draft.
fn noted(draft: &Draft) -> String {
    let [added, removed, changed] = draft.changes.counts;
    let first = draft.changes.first.iter().take(NOTED_CHANGES).map(|change| {
        let (effect, kind, name) = (change.effect.zh(), change.kind.zh(), &change.name);
        let cells = change.cells.iter();
        let cells: Vec<String> = cells
            .map(|cell| format!("{} {}→{}", cell.column.1, cell.before, cell.after))
            .collect();
        format!("{effect}{kind} {name} {}", cells.join(" "))
    });
    let counts = format!("{} (+{added} −{removed} ~{changed})", draft.origin.in_lang(Lang::Zh));
    let parts: Vec<String> = std::iter::once(counts).chain(first).collect();
    parts.join("; ").chars().take(NOTE_CHARS).collect()
}
