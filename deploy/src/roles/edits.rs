//! The desk's registry: files read as `plume check` reads them, drafts recorded as the next revision.

use std::sync::Arc;

use plume_alert::Desk;
use plume_alert::desk::{Fault, ReadRegistry, RecordRefusal, RegistryFile, RegistryQuestion};
use plume_schemas::registry::{Registry, RegistryIndex};
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::Context;
use super::registry::EditError;
use super::stop::Stop;
use crate::config::Problem;
use crate::registry_files;

/// Answers until told to stop, one question after the other: revisions come in a row. `shared` where several desks
/// stand on one database: then the active one records.
pub(crate) async fn answer(
    context: Context,
    (desk, shared): (Desk, bool),
    mut questions: mpsc::Receiver<RegistryQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    while let Some(question) = super::desk::next(&mut questions, &stop).await {
        match question {
            RegistryQuestion::Read { files, answer } => {
                // Whoever waits is told that nobody answers; what they brought stops nothing else.
                match read(&context, files).await {
                    Ok(read) => drop(answer.send(read)),
                    Err(error) => tracing::error!(%error, "files of a registry stopped their reader"),
                }
            }
            RegistryQuestion::Record { answer, .. } if shared && !desk.is_active() => {
                drop(answer.send(Err(RecordRefusal::Standby)));
            }
            RegistryQuestion::Record { registry, base, answer } => {
                drop(answer.send(record(&context, *registry, base).await));
            }
        }
    }
    Ok(())
}

async fn read(context: &Context, files: Vec<RegistryFile>) -> Result<ReadRegistry, JoinError> {
    let (catalogue, now) = (Arc::clone(&context.catalogue), context.clock.now());
    let read = tokio::task::spawn_blocking(move || {
        let file = |file: RegistryFile| registry_files::RegistryFile {
            name: file.name,
            text: file.text,
        };
        let files: Vec<_> = files.into_iter().map(file).collect();
        registry_files::read(&files, &catalogue, now)
    });
    let faults = |problems: Vec<Problem>| problems.into_iter().map(fault).collect::<Vec<_>>();
    let read = read.await?;
    Ok(read
        .map(|(registry, warnings)| (registry, faults(warnings)))
        .map_err(faults))
}

fn fault(problem: Problem) -> Fault {
    Fault {
        file: problem.file,
        line: problem.place.map(|(line, _)| line),
        is_warning: problem.warning,
        message: problem.message,
        hint: problem.hint,
    }
}

async fn record(context: &Context, registry: Registry, base: u64) -> Result<Arc<RegistryIndex>, RecordRefusal> {
    let Context {
        bus,
        clock,
        data_dir,
        recorder,
        ..
    } = context;
    match recorder.edit((bus, data_dir), registry, base, clock.now()).await {
        Ok(_) => Ok(Arc::clone(&context.registry.borrow())),
        Err(EditError::Changed { .. }) => Err(RecordRefusal::Changed),
        Err(EditError::Log(error)) => {
            let error = format!("{error:#}");
            tracing::error!(error, "an edit of the registry is not recorded");
            Err(RecordRefusal::Log(error))
        }
    }
}
