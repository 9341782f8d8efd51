//! Uploads: one store for all of them, by content; links say what each belongs to, and who may see that may see it.

use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;

use super::db::args;
use super::{Store, StoreError, id};
use crate::accounts::Viewer;
use crate::named::named;

/// Most photos of one item: more say nothing more.
pub const MAX_FILES: i64 = 9;

named! {
    /// What a file can belong to.
    ItemKind {
        /// A case.
        Case = "case", "预警", "case";
        /// A problem.
        Problem = "problem", "问题", "problem";
    }
}

/// Something a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Of which kind.
    pub kind: ItemKind,
    /// Which.
    pub id: ContentId,
}

/// A file, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Its id, from its content.
    pub id: ContentId,
    /// As it was called.
    pub name: String,
    /// Who linked it here.
    pub by: String,
    /// When.
    pub at: Time,
}

/// A file to keep.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// As it was called.
    pub name: String,
    /// `image/jpeg`, found from its content.
    pub media_type: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

impl Store {
    /// Keeps a file for an item the caller has been found to see; false where the item has [`MAX_FILES`] already.
    pub async fn add_file(&self, viewer: &Viewer, item: Item, file: NewFile, now: Time) -> Result<bool, StoreError> {
        let file_id = ContentId::of(&[b"file", &file.content]);
        let size = i64::try_from(file.content.len()).unwrap_or(i64::MAX);
        let mut tx = self.begin().await?;
        let row = tx
            .one(
                "SELECT COUNT(*) AS n FROM file_links WHERE item_kind = $1 AND item_id = $2",
                args![item.kind.code(), item.id],
            )
            .await?;
        if row.map_or(Ok(0), |row| row.int("n"))? >= MAX_FILES {
            return Ok(false);
        }
        tx.exec(
            "INSERT INTO files (id, name, media_type, size_bytes, content, uploaded_by, uploaded_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            args![
                file_id,
                file.name,
                file.media_type,
                size,
                file.content,
                &viewer.name,
                now
            ],
        )
        .await?;
        tx.exec(
            "INSERT INTO file_links (file_id, item_kind, item_id, linked_by, linked_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (file_id, item_kind, item_id) DO NOTHING",
            args![file_id, item.kind.code(), item.id, &viewer.name, now],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The files of an item, oldest first, where the viewer may see it.
    pub async fn files(&self, viewer: &Viewer, item: Item) -> Result<Vec<FileRow>, StoreError> {
        if !self.sees(viewer, item).await? {
            return Ok(Vec::new());
        }
        let rows = self
            .db
            .rows(
                "SELECT files.id, files.name, linked_by, linked_at FROM file_links JOIN files ON files.id = file_id \
                 WHERE item_kind = $1 AND item_id = $2 ORDER BY linked_at, files.id",
                args![item.kind.code(), item.id],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(FileRow {
                    id: row.parsed("id", id)?,
                    name: row.text("name")?,
                    by: row.text("linked_by")?,
                    at: row.time("linked_at")?,
                })
            })
            .collect()
    }

    /// A file's type and content, where the viewer may see anything it belongs to.
    pub async fn file(&self, viewer: &Viewer, file: ContentId) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let links = self
            .db
            .rows(
                "SELECT item_kind, item_id FROM file_links WHERE file_id = $1",
                args![file],
            )
            .await?;
        let mut seen = false;
        for link in &links {
            let item = Item {
                kind: link.parsed("item_kind", ItemKind::from_code)?,
                id: link.parsed("item_id", id)?,
            };
            seen = seen || self.sees(viewer, item).await?;
        }
        if !seen {
            return Ok(None);
        }
        let row = self
            .db
            .one("SELECT media_type, content FROM files WHERE id = $1", args![file])
            .await?;
        row.map(|row| Ok((row.text("media_type")?, row.bytes("content")?)))
            .transpose()
    }

    async fn sees(&self, viewer: &Viewer, item: Item) -> Result<bool, StoreError> {
        Ok(match item.kind {
            ItemKind::Case => self.case(viewer, item.id).await?.is_some(),
            ItemKind::Problem => self.problem(viewer, item.id).await?.is_some(),
        })
    }
}
