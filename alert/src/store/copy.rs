//! Copies of the desk's SQLite file, and what version its schema has. Nothing here migrates: what is looked at stays as
//! it is.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::StoreError;
use super::db::MIGRATIONS;

/// The newest schema that this plume knows.
pub const KNOWN_SCHEMA: i64 = {
    let mut newest = 0;
    let mut at = 0;
    while at < MIGRATIONS.len() {
        if MIGRATIONS[at].0 > newest {
            newest = MIGRATIONS[at].0;
        }
        at += 1;
    }
    newest
};

async fn look(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.map_err(|source| StoreError::Open {
        place: path.display().to_string(),
        source,
    })
}

fn refused(statement: &str) -> impl FnOnce(sqlx::Error) -> StoreError {
    let statement = statement.to_owned();
    move |source| StoreError::Statement { statement, source }
}

/// Writes the database as it is at one moment to a new file, while a desk may be working on it (`VACUUM INTO`: the copy
/// is one transaction of a reader, and no one who writes waits for it). Errors: the target is there already, the disk.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut database = look(from).await?;
    let done = sqlx::query("VACUUM INTO $1")
        .bind(to.display().to_string())
        .execute(&mut database)
        .await;
    done.map_err(refused("VACUUM INTO"))?;
    database.close().await.map_err(refused("close"))
}

/// Whether a file is a whole database: every page, every index. Errors: it is none, or what SQLite found.
pub async fn check_sqlite(path: &Path) -> Result<(), StoreError> {
    let mut database = look(path).await?;
    let row = sqlx::query("PRAGMA integrity_check(1)")
        .fetch_one(&mut database)
        .await
        .map_err(refused("PRAGMA integrity_check"))?;
    let said: String = row.try_get(0).map_err(refused("PRAGMA integrity_check"))?;
    database.close().await.map_err(refused("close"))?;
    if said == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        column: "integrity_check",
        value: said,
    })
}

/// Folds what a desk that was killed left beside its database into the file, so that the file alone is all of it.
/// Errors: it is no database, or somebody works on it.
pub async fn fold_sqlite(path: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(path);
    let opened = options.connect().await;
    let mut database = opened.map_err(|source| StoreError::Open {
        place: path.display().to_string(),
        source,
    })?;
    let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut database)
        .await;
    folded.map_err(refused("PRAGMA wal_checkpoint"))?;
    database.close().await.map_err(refused("close"))
}

/// The version of a database file's schema; `None` where there is no schema yet.
pub async fn schema_version(path: &Path) -> Result<Option<i64>, StoreError> {
    let mut database = look(path).await?;
    let table = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_optional(&mut database)
        .await
        .map_err(refused("SELECT sqlite_master"))?;
    let version = if table.is_some() {
        let row = sqlx::query("SELECT MAX(version) FROM _sqlx_migrations")
            .fetch_one(&mut database)
            .await
            .map_err(refused("SELECT _sqlx_migrations"))?;
        row.try_get(0).map_err(refused("SELECT _sqlx_migrations"))?
    } else {
        None
    };
    database.close().await.map_err(refused("close"))?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_copy_is_whole_and_of_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
        let store = Store::open(&format!("sqlite:{}", from.display())).await.unwrap();
        copy_sqlite(&from, &to).await.unwrap();
        check_sqlite(&to).await.unwrap();
        assert_eq!(schema_version(&to).await.unwrap(), Some(KNOWN_SCHEMA));
        // A copy never replaces anything.
        copy_sqlite(&from, &to).await.unwrap_err();
        store.close().await;
        // A file cut short is found out.
        let bytes = std::fs::read(&to).unwrap();
        std::fs::write(&to, &bytes[..bytes.len() / 2]).unwrap();
        check_sqlite(&to).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_later_schema_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        let url = format!("sqlite:{}", path.display());
        Store::open(&url).await.unwrap().close().await;
        let mut database = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ($1, 'of a later plume', TRUE, x'00', 0)",
        )
        .bind(KNOWN_SCHEMA + 1)
        .execute(&mut database)
        .await
        .unwrap();
        database.close().await.unwrap();
        let error = Store::open(&url).await.err().unwrap();
        assert!(error.hint().contains("newer plume"), "{error}: {}", error.hint());
        assert_eq!(schema_version(&path).await.unwrap(), Some(KNOWN_SCHEMA + 1));
    }
}
