//! Who may order what touches an instrument or a secret (D16): nobody, until two officers have said so and the
//! enterprise has agreed in writing. Each step is a line of `state/permits.jsonl`, on disk before it counts, and never
//! changed: who, when, which device, which orders, whose consent, which document.

pub(crate) mod routes;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use plume_ingest::exchange::order::{GUARDED, guarded};
use plume_schemas::ids::{ContentId, Mn};
use plume_schemas::time::{DAY_MS, Time};
use serde::{Deserialize, Serialize};

/// A permit lasts at most so long: then the enterprise is asked again.
const MAX_DAYS: i64 = 366;
/// A second person has so long to agree.
const AGREE_WITHIN_MS: i64 = 7 * DAY_MS;
/// Characters of a name or the number of a document.
const MAX_CHARS: usize = 60;

/// What the enterprise has agreed to, as it stands on its paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consent {
    /// Who of the enterprise signed.
    pub(crate) person: String,
    /// Number of the document.
    pub(crate) document: String,
    /// Its date, as it stands there.
    pub(crate) date: String,
}

/// An officer who signed in to give or ask for a permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Officer {
    /// The account: what tells two persons apart.
    pub(crate) login: String,
}

/// One step of a permit, a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// The first person asks.
    Asked {
        id: ContentId,
        mn: Mn,
        /// 命令编码.
        cns: Vec<u16>,
        consent: Consent,
        by: Officer,
        at: Time,
        until: Time,
    },
    /// Another person agrees: from here on it counts.
    Agreed { id: ContentId, by: Officer, at: Time },
    /// Anybody takes it back.
    Revoked { id: ContentId, by: Officer, at: Time },
}

/// A permit as its steps have made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permit {
    pub(crate) id: ContentId,
    pub(crate) mn: Mn,
    pub(crate) cns: Vec<u16>,
    pub(crate) consent: Consent,
    pub(crate) asked_by: Officer,
    pub(crate) asked_at: Time,
    pub(crate) agreed: Option<(Officer, Time)>,
    pub(crate) revoked: Option<(Officer, Time)>,
    pub(crate) until: Time,
}

impl Permit {
    /// True while orders may be given under it.
    pub(crate) fn is_in_force(&self, now: Time) -> bool {
        self.agreed.is_some() && self.revoked.is_none() && now < self.until
    }
}

/// Why a step is refused, or an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A field is empty, too long, or holds what no name holds.
    #[error("`{field}` is missing, or longer than 60 characters")]
    Field { field: &'static str },
    /// Not an order that needs a permit.
    #[error("`{order}` is no order that needs a permit")]
    Order { order: String },
    /// Too long, or over already.
    #[error("a permit ends after now and within {MAX_DAYS} days")]
    Until,
    /// No permit of this id waits for a second person.
    #[error("there is no permit {id} that waits for a second person")]
    Unknown { id: String },
    /// The first person agreed with themselves.
    #[error("{login} asked for this permit: another person must agree")]
    SamePerson { login: String },
    /// It waited too long.
    #[error("this permit waited for a second person for more than 7 days")]
    TooLate,
    /// An order without a permit.
    #[error("`{order}` (CN {cn}) touches the instrument or a secret, and no permit for it is in force for MN {mn}")]
    NotPermitted { order: &'static str, cn: u16, mn: Mn },
}

impl Refusal {
    /// What to try.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Field { field } => format!("say it with --{field}"),
            Self::Order { .. } => {
                let names: Vec<&str> = GUARDED.iter().map(|order| order.name).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Until => "give a shorter time with --days".to_owned(),
            Self::Unknown { .. } => "see plume permit list".to_owned(),
            Self::SamePerson { .. } => "have a colleague run plume permit agree with their own account".to_owned(),
            Self::TooLate => "ask anew with plume permit ask".to_owned(),
            Self::NotPermitted { .. } => {
                "plume permit ask, with the enterprise's consent; then another officer: plume permit agree".to_owned()
            }
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) mn: Mn,
    pub(crate) orders: Vec<String>,
    pub(crate) consent: Consent,
    pub(crate) days: i64,
}

/// The permits of a data directory. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    path: PathBuf,
    permits: BTreeMap<ContentId, Permit>,
}

impl Permits {
    /// Reads the steps so far. Errors: a line that cannot be read, for a permit is not guessed.
    pub(crate) fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("state").join("permits.jsonl");
        let kept = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.with_context(|| format!("read {}", path.display()))?,
        };
        let mut book = Book {
            path,
            permits: BTreeMap::new(),
        };
        // A line that a crash cut off was never said to be done.
        let whole = kept.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < kept.len() {
            let file = OpenOptions::new().write(true).open(&book.path);
            let cut = file.and_then(|file| file.set_len(whole as u64));
            cut.with_context(|| format!("cut {} back to its last whole line", book.path.display()))?;
        }
        let lines = kept
            .get(..whole)
            .unwrap_or_default()
            .split_inclusive(|&byte| byte == b'\n');
        for (number, line) in (1..).zip(lines) {
            let step = serde_json::from_slice(line).with_context(|| {
                let hint = "hint: restore it from a backup; without it no such order is given";
                format!("{}:{number} is no step of a permit ({hint})", book.path.display())
            })?;
            book.fold(step);
        }
        Ok(Self(Arc::new(Mutex::new(book))))
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first person asks; nothing counts yet.
    pub(crate) fn ask(&self, wish: Wish, by: Officer, now: Time) -> anyhow::Result<Permit> {
        let named = |field, text: &str| {
            let fits = (1..=MAX_CHARS).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
            if fits { Ok(()) } else { Err(Refusal::Field { field }) }
        };
        named("consent-by", &wish.consent.person)?;
        named("document", &wish.consent.document)?;
        named("consent-date", &wish.consent.date)?;
        let cn = |name: &String| {
            let order = GUARDED.iter().find(|order| order.name == name);
            order
                .map(|order| order.cn)
                .ok_or_else(|| Refusal::Order { order: name.clone() })
        };
        let cns: Vec<u16> = wish.orders.iter().map(cn).collect::<Result<_, _>>()?;
        if cns.is_empty() {
            return Err(Refusal::Field { field: "order" }.into());
        }
        if !(1..=MAX_DAYS).contains(&wish.days) {
            return Err(Refusal::Until.into());
        }
        let about = format!("{cns:?} {:?}", wish.consent);
        let id = ContentId::of(&[
            wish.mn.as_str().as_bytes(),
            about.as_bytes(),
            by.login.as_bytes(),
            &now.0.to_le_bytes(),
        ]);
        let asked = Step::Asked {
            id,
            mn: wish.mn,
            cns,
            consent: wish.consent,
            by,
            at: now,
            until: now.plus(wish.days * DAY_MS),
        };
        self.book().take(asked, id)
    }

    /// Another person agrees; from here on it counts. `id` may be cut short.
    pub(crate) fn agree(&self, id: &str, by: Officer, now: Time) -> anyhow::Result<Permit> {
        let mut book = self.book();
        let permit = book.find(id, |permit| permit.agreed.is_none())?;
        if permit.asked_by.login == by.login {
            return Err(Refusal::SamePerson { login: by.login }.into());
        }
        if now.since(permit.asked_at) > AGREE_WITHIN_MS {
            return Err(Refusal::TooLate.into());
        }
        let id = permit.id;
        book.take(Step::Agreed { id, by, at: now }, id)
    }

    /// Takes a permit back, agreed or not.
    pub(crate) fn revoke(&self, id: &str, by: Officer, now: Time) -> anyhow::Result<Permit> {
        let mut book = self.book();
        let id = book.find(id, |_| true)?.id;
        book.take(Step::Revoked { id, by, at: now }, id)
    }

    /// All of them, the newest first.
    pub(crate) fn all(&self) -> Vec<Permit> {
        let mut all: Vec<Permit> = self.book().permits.values().cloned().collect();
        all.sort_by_key(|permit| std::cmp::Reverse(permit.asked_at));
        all
    }

    /// The permit for an order that needs one; `None` for every other.
    pub(crate) fn for_order(&self, mn: Mn, cn: u16, now: Time) -> Result<Option<ContentId>, Refusal> {
        let Some(order) = guarded(cn) else {
            return Ok(None);
        };
        let order = order.name;
        let book = self.book();
        let mut fitting = book.permits.values();
        let found = fitting.find(|permit| permit.mn == mn && permit.cns.contains(&cn) && permit.is_in_force(now));
        let found = found.map(|permit| Some(permit.id));
        found.ok_or(Refusal::NotPermitted { order, cn, mn })
    }
}

impl Book {
    fn find(&self, id: &str, fits: impl Fn(&Permit) -> bool) -> Result<&Permit, Refusal> {
        let named = |permit: &&Permit| {
            let open = permit.revoked.is_none() && fits(permit);
            id.len() >= 6 && permit.id.to_string().starts_with(id) && open
        };
        let found = self.permits.values().find(named);
        found.ok_or_else(|| Refusal::Unknown {
            id: id.chars().take(40).collect(),
        })
    }

    /// Writes a step and then lets it count.
    fn take(&mut self, step: Step, id: ContentId) -> anyhow::Result<Permit> {
        let line = serde_json::to_string(&step)? + "\n";
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            self.path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
        };
        write().with_context(|| format!("write {}", self.path.display()))?;
        tracing::info!(step = line.trim_end(), "permit");
        self.fold(step);
        self.permits
            .get(&id)
            .cloned()
            .context("a permit that was just written is not there")
    }

    fn fold(&mut self, step: Step) {
        match step {
            Step::Asked {
                id,
                mn,
                cns,
                consent,
                by,
                at,
                until,
            } => {
                let permit = Permit {
                    id,
                    mn,
                    cns,
                    consent,
                    asked_by: by,
                    asked_at: at,
                    agreed: None,
                    revoked: None,
                    until,
                };
                self.permits.entry(id).or_insert(permit);
            }
            Step::Agreed { id, by, at } => {
                // Whatever a hand has written into the file: one person is not two.
                if let Some(permit) = self
                    .permits
                    .get_mut(&id)
                    .filter(|permit| permit.asked_by.login != by.login)
                {
                    permit.agreed.get_or_insert((by, at));
                }
            }
            Step::Revoked { id, by, at } => {
                if let Some(permit) = self.permits.get_mut(&id) {
                    permit.revoked.get_or_insert((by, at));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
