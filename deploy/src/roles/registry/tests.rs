//! Files and edits in every order: what is in force after each, and what a restart makes of it.

use plume_bus::{BusOptions, BusUrl, ClockKind, Recovery};
use plume_schemas::ids::EnterpriseId;
use plume_schemas::registry::Enterprise;

use super::*;

const NOW: Time = Time(1_795_219_200_000);

fn registry(name: &str) -> Registry {
    let enterprise = Enterprise {
        id: EnterpriseId::new("E1").unwrap(),
        name: name.to_owned(),
        district: String::new(),
        industry: String::new(),
        officer: String::new(),
        officer_phone: String::new(),
        contacts: Vec::new(),
        permit_number: String::new(),
        permit_valid_to: None,
    };
    Registry {
        enterprises: vec![enterprise],
        ..Registry::default()
    }
}

struct Place {
    dir: tempfile::TempDir,
    bus: Bus,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = BusOptions {
            partitions: 2,
            clock: ClockKind::System,
            segment_bytes: 1 << 16,
            keep_bytes: 0,
            max_bytes: 1 << 20,
            pinning: Vec::new(),
            ahead_bytes: 0,
            recovery: Recovery::Refuse,
        };
        let bus = Bus::open(&BusUrl::Memory, options).await.unwrap();
        Self { dir, bus }
    }

    fn place(&self) -> (&Bus, &Path) {
        (&self.bus, self.dir.path())
    }

    /// What a plume that starts now has in force, after it has read a file that says `name`.
    async fn started(&self, name: &str) -> (u64, String) {
        let (recorder, told) = Recorder::new();
        let revision = recorder.import(self.place(), registry(name), NOW).await.unwrap();
        let in_force = told.borrow().registry().enterprises[0].name.clone();
        (revision, in_force)
    }
}

#[tokio::test]
async fn a_restart_keeps_what_was_edited_and_a_changed_file_replaces_it() {
    let place = Place::new().await;
    assert_eq!(place.started("file 1").await, (1, "file 1".into()));
    assert_eq!(place.started("file 1").await, (1, "file 1".into()), "nothing new");
    let (recorder, _told) = Recorder::new();
    let edited = recorder.edit(place.place(), registry("edit 1"), 1, NOW).await.unwrap();
    assert_eq!(edited, 2);
    assert_eq!(
        place.started("file 1").await,
        (2, "edit 1".into()),
        "the edit outlives a restart"
    );
    assert_eq!(
        recorder.edit(place.place(), registry("edit 2"), 2, NOW).await.unwrap(),
        3
    );
    assert_eq!(
        place.started("file 1").await,
        (3, "edit 2".into()),
        "and so does the one after it"
    );
    assert_eq!(
        place.started("file 2").await,
        (4, "file 2".into()),
        "a file that changed is taken"
    );
    assert_eq!(place.started("file 2").await, (4, "file 2".into()));
    assert_eq!(
        recorder.edit(place.place(), registry("file 3"), 4, NOW).await.unwrap(),
        5
    );
    // The file says what was edited: from now on it is the file that was taken.
    assert_eq!(place.started("file 3").await, (6, "file 3".into()));
    assert_eq!(
        recorder.edit(place.place(), registry("edit 3"), 6, NOW).await.unwrap(),
        7
    );
    assert_eq!(place.started("file 3").await, (7, "edit 3".into()));
}

/// A log begun anew, with the data directory of the one that was lost: a judge reads the registry from the log alone.
#[tokio::test]
async fn a_new_log_is_given_the_registry_once() {
    let old = Place::new().await;
    old.started("file 1").await;
    let new = Place {
        dir: old.dir,
        bus: Place::new().await.bus,
    };
    for _ in 0..2 {
        assert_eq!(new.started("file 1").await, (1, "file 1".into()));
        for partition in 0..2 {
            let range = new.bus.range(at(Topic::Reports, partition)).await.unwrap();
            assert_eq!(range, 0..1, "partition {partition}");
        }
    }
}

#[tokio::test]
async fn an_edit_of_what_is_no_longer_in_force_is_refused() {
    let place = Place::new().await;
    place.started("file 1").await;
    let (recorder, _told) = Recorder::new();
    recorder.edit(place.place(), registry("first"), 1, NOW).await.unwrap();
    let refused = recorder
        .edit(place.place(), registry("second"), 1, NOW)
        .await
        .unwrap_err();
    assert!(matches!(refused, EditError::Changed { base: 1, found: 2 }), "{refused}");
    assert_eq!(place.started("file 1").await, (2, "first".into()));
}

#[tokio::test]
async fn a_revision_that_was_recorded_but_not_kept_is_in_force_after_a_restart() {
    let place = Place::new().await;
    place.started("file 1").await;
    let before = std::fs::read(kept_path(place.dir.path())).unwrap();
    let (recorder, _told) = Recorder::new();
    recorder.edit(place.place(), registry("edit"), 1, NOW).await.unwrap();
    std::fs::write(kept_path(place.dir.path()), before).unwrap();
    assert_eq!(place.started("file 1").await, (2, "edit".into()));
    assert_eq!(kept(place.dir.path()).unwrap().enterprises[0].name, "edit");
}

#[tokio::test]
async fn a_revision_of_before_files_were_remembered_counts_as_its_file() {
    let place = Place::new().await;
    place.started("file 1").await;
    let path = kept_path(place.dir.path());
    let mut old = load_kept(&path).unwrap().unwrap();
    old.imported = None;
    keep(&path, &old).unwrap();
    assert_eq!(place.started("file 1").await, (1, "file 1".into()));
    let (recorder, _told) = Recorder::new();
    recorder.edit(place.place(), registry("edit"), 1, NOW).await.unwrap();
    assert_eq!(place.started("file 1").await, (2, "edit".into()));
}
