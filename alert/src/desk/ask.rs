//! What pages want of whoever has the log or the archive, put through a queue: questions, waited for only so long, and
//! entries, waited for until they are durable.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody takes such questions here, or they have stopped.
    Nobody,
    /// No answer within the patience of a page.
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
}

/// Puts a question and waits for what it is told.
pub(super) async fn ask<Q, T>(
    queue: Option<&mpsc::Sender<Q>>,
    patience: Duration,
    question: impl FnOnce(oneshot::Sender<T>) -> Q,
) -> Result<T, Unanswered> {
    let queue = queue.ok_or(Unanswered::Nobody)?;
    let (answer, told) = oneshot::channel();
    let asked = async {
        queue.send(question(answer)).await.ok()?;
        told.await.ok()
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(told) => told.ok_or(Unanswered::Nobody),
        Err(_) => Err(Unanswered::Late {
            seconds: patience.as_secs(),
        }),
    }
}

/// Has something appended to the log and waits until it is durable: an entry is worth more than its page's patience.
/// Gives why it is not.
pub(super) async fn record<Q>(
    queue: Option<&mpsc::Sender<Q>>,
    entry: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Q,
) -> Result<(), String> {
    let queue = queue.ok_or("this desk has no log")?;
    let (done, told) = oneshot::channel();
    let sent = queue.send(entry(done)).await;
    sent.map_err(|_| "the log is closed")?;
    told.await.map_err(|_| "the log gave no answer")?
}

/// Why the archive shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// This desk has no archive to ask.
    #[error("this desk has no archive")]
    None,
    /// No answer within the patience of a page.
    #[error("the archive gave no answer in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The archive cannot be read.
    #[error("the archive cannot be read: {detail}")]
    Unreadable {
        /// What it said.
        detail: String,
    },
}

impl ArchiveError {
    /// What to try.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::None => "run the desk where the archive is, or give it the archive's place",
            Self::Late { .. } => "ask for a shorter time, or look whether the archive's disk is busy",
            Self::Unreadable { .. } => "`plume verify` says what is wrong with the archive",
        }
    }
}

impl From<Unanswered> for ArchiveError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Nobody => Self::None,
            Unanswered::Late { seconds } => Self::Late { seconds },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_or_it_is_said_why_not() {
        let patience = Duration::from_secs(20);
        let (queue, mut questions) = mpsc::channel::<oneshot::Sender<u8>>(1);
        let nobody: Option<&mpsc::Sender<oneshot::Sender<u8>>> = None;
        assert_eq!(ask(nobody, patience, |answer| answer).await, Err(Unanswered::Nobody));
        let (told, ()) = tokio::join!(ask(Some(&queue), patience, |answer| answer), async {
            questions.recv().await.unwrap().send(7).unwrap();
        });
        assert_eq!(told, Ok(7));
        let short = Duration::from_millis(1);
        let (told, _kept) = tokio::join!(ask(Some(&queue), short, |answer| answer), questions.recv());
        assert_eq!(told, Err(Unanswered::Late { seconds: 0 }));
        drop(questions);
        assert_eq!(
            ask(Some(&queue), patience, |answer| answer).await,
            Err(Unanswered::Nobody)
        );
    }

    #[tokio::test]
    async fn an_entry_waits_until_it_is_durable_or_says_why_it_is_not() {
        let (queue, mut entries) = mpsc::channel::<oneshot::Sender<Result<(), String>>>(1);
        let (told, ()) = tokio::join!(record(Some(&queue), |done| done), async {
            entries.recv().await.unwrap().send(Ok(())).unwrap();
        });
        assert_eq!(told, Ok(()));
        let (told, ()) = tokio::join!(record(Some(&queue), |done| done), async {
            drop(entries.recv().await);
        });
        assert_eq!(told, Err("the log gave no answer".to_owned()));
        drop(entries);
        let told = record(Some(&queue), |done| done).await;
        assert_eq!(told, Err("the log is closed".to_owned()));
    }
}
