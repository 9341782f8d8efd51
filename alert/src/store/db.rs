//! The thin layer between the store's statements and the database. Statements use `$1` placeholders and the subset of
//! SQL that SQLite and PostgreSQL share, so nothing above this file knows which one it is.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::time::Time;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite, Transaction};

use super::StoreError;

/// Connections that read beside the one that writes: a page needs a handful of short reads, more would only queue on
/// two cores.
const READERS: u32 = 4;
/// How long a statement waits for another process's lock on the file: only a backup or a person with a shell holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a page waits for a connection to PostgreSQL before it says that the database is away.
const POSTGRES_TIMEOUT: Duration = Duration::from_secs(10);
/// Key of the advisory lock that writers hold on PostgreSQL: "plume" in ASCII.
const WRITER_LOCK: i64 = 0x70_6c_75_6d_65;

/// The migrations, in order: for SQLite and for PostgreSQL. A text is never changed once released.
pub(super) const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (1, "desk", DESK, DESK),
    (
        2,
        "append only",
        include_str!("../../migrations/0002_append_only.sqlite.sql"),
        include_str!("../../migrations/0002_append_only.postgres.sql"),
    ),
    (3, "engine", ENGINE, ENGINE),
    (4, "accounts", ACCOUNTS, ACCOUNTS),
    (
        5,
        "audit",
        include_str!("../../migrations/0005_audit.sqlite.sql"),
        include_str!("../../migrations/0005_audit.postgres.sql"),
    ),
    (6, "tables", TABLES, TABLES),
];
const DESK: &str = include_str!("../../migrations/0001_desk.sql");
const ACCOUNTS: &str = include_str!("../../migrations/0004_accounts.sql");
const TABLES: &str = include_str!("../../migrations/0006_tables.sql");
const ENGINE: &str = include_str!("../../migrations/0003_engine.sql");

/// A value bound to a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
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
    Vec<u8> => |x| Self::Bytes(x);
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
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(crate) fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
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

    fn get<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|source| StoreError::Column { column, source })
    }
}

/// The database: SQLite with one writer and a few readers, or PostgreSQL.
#[derive(Debug)]
pub(crate) struct Db {
    pools: Pools,
    faults: Faults,
}

#[derive(Debug)]
enum Pools {
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    Postgres(PgPool),
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
        let place = path.display().to_string();
        let opening = |source| StoreError::Open {
            place: place.clone(),
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
        let migrating = |source| StoreError::Migrate {
            place: place.clone(),
            source,
        };
        migrator(|&(_, _, sqlite, _)| sqlite.into_sql_str())
            .run(&writer)
            .await
            .map_err(migrating)?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(opening)?;
        Ok(Self {
            pools: Pools::Sqlite { writer, reader },
            faults: Faults::default(),
        })
    }

    /// Opens (and migrates) a database of a PostgreSQL server.
    pub(crate) async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let place = super::without_password(url);
        let opening = |source| StoreError::Open {
            place: place.clone(),
            source,
        };
        let options: PgConnectOptions = url.parse().map_err(opening)?;
        let pool = PgPoolOptions::new()
            .max_connections(READERS + 1)
            .acquire_timeout(POSTGRES_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(opening)?;
        migrator(|&(_, _, _, postgres)| AssertSqlSafe(postgres.replace(" BLOB ", " BYTEA ")).into_sql_str())
            .run(&pool)
            .await
            .map_err(|source| StoreError::Migrate {
                place: place.clone(),
                source,
            })?;
        Ok(Self {
            pools: Pools::Postgres(pool),
            faults: Faults::default(),
        })
    }

    /// Begins a transaction that writes. Others that write wait; dropping it undoes it.
    pub(crate) async fn begin(&self) -> Result<Tx<'_>, StoreError> {
        let failed = |source| StoreError::Statement {
            statement: "BEGIN".into(),
            source,
        };
        let inner = match &self.pools {
            Pools::Sqlite { writer, .. } => {
                TxInner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?)
            }
            Pools::Postgres(pool) => {
                let mut tx = pool.begin().await.map_err(failed)?;
                // One writer at a time, as on SQLite: what is read here is still so when it is written.
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(WRITER_LOCK)
                    .execute(&mut *tx)
                    .await
                    .map_err(failed)?;
                TxInner::Postgres(tx)
            }
        };
        Ok(Tx {
            inner,
            faults: &self.faults,
        })
    }

    /// Rows of a statement that only reads.
    pub(crate) async fn rows(&self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        match &self.pools {
            Pools::Sqlite { reader, .. } => {
                let rows = bind_sqlite(sql, values).fetch_all(reader).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Pools::Postgres(pool) => {
                let rows = bind_postgres(sql, values).fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|source| StoreError::Statement {
            statement: start,
            source,
        })
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

    /// Closes all connections; SQLite's WAL is folded into the file.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that writes.
pub(crate) struct Tx<'db> {
    inner: TxInner,
    faults: &'db Faults,
}

enum TxInner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx<'_> {
    /// Runs a statement; gives the number of rows it touched.
    pub(crate) async fn exec(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        if self.faults.strikes() {
            return Err(StoreError::Lost { statement: start });
        }
        match &mut self.inner {
            TxInner::Sqlite(tx) => {
                let done = bind_sqlite(sql, values).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
            TxInner::Postgres(tx) => {
                let done = bind_postgres(sql, values).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| StoreError::Statement {
            statement: start,
            source,
        })
    }

    /// Rows of a statement, as this transaction sees them.
    pub(crate) async fn rows(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let start = opening_of(sql.as_str());
        match &mut self.inner {
            TxInner::Sqlite(tx) => {
                let rows = bind_sqlite(sql, values).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            TxInner::Postgres(tx) => {
                let rows = bind_postgres(sql, values).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|source| StoreError::Statement {
            statement: start,
            source,
        })
    }

    /// The first row of a statement, as this transaction sees it.
    pub(crate) async fn one(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Takes `count` numbers of a counter; gives the first.
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
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await,
            TxInner::Postgres(tx) => tx.commit().await,
        }
        .map_err(|source| StoreError::Statement {
            statement: "COMMIT".into(),
            source,
        })
    }
}

fn migrator(text: fn(&(i64, &'static str, &'static str, &'static str)) -> SqlStr) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|row| Migration::new(row.0, row.1.into(), MigrationType::Simple, text(row), false))
        .collect();
    Migrator::with_migrations(migrations)
}

macro_rules! bind {
    ($name:ident, $db:ty, $arguments:ty) => {
        fn $name<'q>(sql: SqlStr, values: Vec<Value>) -> sqlx::query::Query<'q, $db, $arguments> {
            let mut query = sqlx::query(sql);
            for value in values {
                query = match value {
                    Value::Int(value) => query.bind(value),
                    Value::Bytes(value) => query.bind(value),
                    // PostgreSQL's text holds everything but NUL.
                    Value::Text(value) => query.bind(value.map(|text| text.replace('\0', "\u{fffd}"))),
                };
            }
            query
        }
    };
}
bind!(bind_sqlite, Sqlite, SqliteArguments);
bind!(bind_postgres, Postgres, PgArguments);

/// Enough of a statement to find it in the sources.
fn opening_of(sql: &str) -> String {
    sql.chars().take(60).collect()
}
