//! The thin layer between the store's statements and the database. Statements use `$1` placeholders and the subset of
//! SQL that SQLite and PostgreSQL share, so nothing above this file knows which one it is.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::time::Time;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row as _, SqlSafeStr, Sqlite, Transaction};

use super::StoreError;

/// Connections that read beside the one that writes: a page needs a handful of short reads, more would only queue on
/// two cores.
const READERS: u32 = 4;
/// How long a statement waits for another process's lock on the file: only a backup or a person with a shell holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The migrations, in order. A text is never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "desk", include_str!("../../migrations/0001_desk.sql")),
    (
        2,
        "append only",
        include_str!("../../migrations/0002_append_only.sqlite.sql"),
    ),
    (3, "engine", include_str!("../../migrations/0003_engine.sql")),
];

/// A value bound to a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

macro_rules! value_from {
    ($($from:ty => |$x:ident| $value:expr;)+) => {
        $(impl From<$from> for Value {
            fn from($x: $from) -> Self {
                $value
            }
        })+
    };
}
value_from! {
    i64 => |x| Self::Int(Some(x));
    Option<i64> => |x| Self::Int(x);
    bool => |x| Self::Int(Some(i64::from(x)));
    Time => |x| Self::Int(Some(x.0));
    Option<Time> => |x| Self::Int(x.map(|at| at.0));
    &str => |x| Self::Text(Some(x.to_owned()));
    String => |x| Self::Text(Some(x));
    &String => |x| Self::Text(Some(x.clone()));
    Option<&str> => |x| Self::Text(x.map(str::to_owned));
    Option<String> => |x| Self::Text(x);
    ContentId => |x| Self::Text(Some(x.to_string()));
    Option<ContentId> => |x| Self::Text(x.map(|id| id.to_string()));
    OutletId => |x| Self::Text(Some(x.as_str().to_owned()));
    EnterpriseId => |x| Self::Text(Some(x.as_str().to_owned()));
    FactorCode => |x| Self::Text(Some(x.as_str().to_owned()));
}

/// Values for the placeholders of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::Value::from($value)),*] };
}
pub(crate) use args;

/// One row of an answer.
pub(crate) struct Row(SqliteRow);

impl Row {
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(crate) fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(crate) fn opt_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub(crate) fn truth(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Time, StoreError> {
        self.int(column).map(Time)
    }

    pub(crate) fn opt_time(&self, column: &'static str) -> Result<Option<Time>, StoreError> {
        Ok(self.opt_int(column)?.map(Time))
    }

    /// A text column read by `parse`; what it cannot read is a damaged row, and says so.
    pub(crate) fn parsed<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| StoreError::Damaged {
            column,
            value: text.chars().take(80).collect(),
        })
    }

    /// The same for a column that may be empty.
    pub(crate) fn opt_parsed<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.opt_text(column)? {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| StoreError::Damaged {
                column,
                value: text.chars().take(80).collect(),
            }),
        }
    }

    fn get<'r, T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>>(
        &'r self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.0
            .try_get(column)
            .map_err(|source| StoreError::Column { column, source })
    }
}

/// The database: one writer, a few readers.
#[derive(Debug)]
pub(crate) struct Db {
    writer: SqlitePool,
    reader: SqlitePool,
    faults: Faults,
}

/// A planned failure for tests: the n-th write statement from now fails as a lost connection would.
#[derive(Debug, Default)]
struct Faults(AtomicI64);

impl Faults {
    fn strikes(&self) -> bool {
        // Counts down from n to 0; strikes on the step from 1 to 0, and rests at 0.
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n > 0).then(|| n - 1))
            .is_ok_and(|before| before == 1)
    }
}

impl Db {
    /// Opens (and makes, and migrates) the database file. WAL, every commit synced to the disk.
    pub(crate) async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let opening = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(opening)?;
        let migrations = MIGRATIONS
            .iter()
            .map(|&(version, name, sql)| {
                Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
            })
            .collect();
        Migrator::with_migrations(migrations)
            .run(&writer)
            .await
            .map_err(|source| StoreError::Migrate {
                path: path.to_owned(),
                source,
            })?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(opening)?;
        Ok(Self {
            writer,
            reader,
            faults: Faults::default(),
        })
    }

    /// Begins a transaction that writes. Others wait; dropping it undoes it.
    pub(crate) async fn begin(&self) -> Result<Tx<'_>, StoreError> {
        let inner = self
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|source| StoreError::Statement {
                statement: "BEGIN".into(),
                source,
            })?;
        Ok(Tx {
            inner,
            faults: &self.faults,
        })
    }

    /// Rows of a statement that only reads.
    pub(crate) async fn rows(&self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        let rows = bind(sql, values)
            .fetch_all(&self.reader)
            .await
            .map_err(|source| StoreError::Statement {
                statement: start,
                source,
            })?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row of a statement that only reads.
    pub(crate) async fn one(&self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Plans a failure at the `n`-th write statement from now (1 is the next); 0 plans none.
    pub(crate) fn plan_failure(&self, n: u32) {
        self.faults.0.store(i64::from(n), Ordering::SeqCst);
    }

    /// True while a planned failure has not struck.
    pub(crate) fn failure_ahead(&self) -> bool {
        self.faults.0.load(Ordering::SeqCst) > 0
    }

    /// Closes all connections; the WAL is folded into the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A transaction that writes.
pub(crate) struct Tx<'db> {
    inner: Transaction<'static, Sqlite>,
    faults: &'db Faults,
}

impl Tx<'_> {
    /// Runs a statement; gives the number of rows it touched.
    pub(crate) async fn exec(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        if self.faults.strikes() {
            return Err(StoreError::Lost { statement: start });
        }
        bind(sql, values)
            .execute(&mut *self.inner)
            .await
            .map(|done| done.rows_affected())
            .map_err(|source| StoreError::Statement {
                statement: start,
                source,
            })
    }

    /// Rows of a statement, as this transaction sees them.
    pub(crate) async fn rows(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        let rows = bind(sql, values)
            .fetch_all(&mut *self.inner)
            .await
            .map_err(|source| StoreError::Statement {
                statement: start,
                source,
            })?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row of a statement, as this transaction sees it.
    pub(crate) async fn one(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Takes `count` numbers of a counter; gives the first. On PostgreSQL its row lock also orders the writers.
    pub(crate) async fn take(&mut self, counter: &'static str, count: i64) -> Result<i64, StoreError> {
        let row = self
            .one(
                "UPDATE counters SET value = value + $2 WHERE name = $1 RETURNING value",
                args![counter, count],
            )
            .await?
            .ok_or(StoreError::Damaged {
                column: "counters.name",
                value: counter.to_owned(),
            })?;
        Ok(row.int("value")? - count + 1)
    }

    /// Makes it durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        if self.faults.strikes() {
            return Err(StoreError::Lost {
                statement: "COMMIT".into(),
            });
        }
        self.inner.commit().await.map_err(|source| StoreError::Statement {
            statement: "COMMIT".into(),
            source,
        })
    }
}

fn bind<'q>(sql: sqlx::SqlStr, values: Vec<Value>) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        };
    }
    query
}

/// Enough of a statement to find it in the sources.
fn opening_of(sql: &str) -> String {
    sql.chars().take(60).collect()
}
