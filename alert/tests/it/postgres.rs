//! The same suite on PostgreSQL: one test starts a server of its own and runs this binary again, with every world on
//! a fresh
//! schema of it. Without PostgreSQL's programs on the machine it says so and proves nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// Names the server to the second run.
const SERVER: &str = "PLUME_TEST_POSTGRES";
/// Tests run again. The desk's pages are the same code above the store, and words know no store; the long searches
/// through
/// every write are made on SQLite, one of them here too.
const AGAIN: &[&str] = &[
    "accounts::",
    "acts::",
    "api::",
    "book::",
    "crash::an_act",
    "crash::the_trace",
    "daily::",
    "escalation::",
    "followed::",
    "inhibition::",
    "leases::",
    "notices::",
    "problems::",
];

fn server() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the first run tells the second where its server is"
    )]
    std::env::var(SERVER).ok()
}

/// A fresh schema on the server, in the second run; `None` in the first. A schema is as good as a database and made
/// at once.
pub(crate) async fn fresh_database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let socket = server()?;
    let name = format!("w{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
    let url = format!("postgres://postgres@localhost/postgres?host={socket}");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE SCHEMA {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    Some(format!("{url}&options[search_path]={name}"))
}

/// Runs a statement on a world's database, past the store.
pub(crate) async fn run_on(url: &str, sql: &'static str) -> Result<(), sqlx::Error> {
    if url.starts_with("postgres") {
        let mut connection = PgConnection::connect(url).await?;
        return sqlx::query(sql).execute(&mut connection).await.map(drop);
    }
    let mut connection = SqliteConnection::connect(url).await?;
    sqlx::query(sql).execute(&mut connection).await.map(drop)
}

/// Where `initdb` and `pg_ctl` are, on Debian and elsewhere.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut candidates: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    candidates.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    candidates
        .into_iter()
        .find(|dir| dir.join("initdb").exists() && dir.join("pg_ctl").exists())
}

/// A command as a user whom PostgreSQL accepts: it refuses to run as root.
fn as_user(program: &Path, root: bool) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}

/// A server that ends with the test.
struct Server {
    programs: PathBuf,
    data: PathBuf,
    root: bool,
    _dir: tempfile::TempDir,
    socket: String,
}

impl Server {
    fn start(programs: PathBuf) -> Self {
        let root = is_root();
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        if root {
            let done = Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap();
            assert!(done.success());
        }
        let init = as_user(&programs.join("initdb"), root)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(init.success(), "initdb failed");
        let socket = dir.path().display().to_string();
        let options = format!("-c listen_addresses='' -c fsync=off -c max_connections=400 -k {socket}");
        let start = as_user(&programs.join("pg_ctl"), root)
            .args(["-w", "-l"])
            .arg(dir.path().join("log"))
            .arg("-o")
            .arg(options)
            .arg("-D")
            .arg(&data)
            .arg("start")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(start.success(), "pg_ctl start failed");
        Self {
            programs,
            data,
            root,
            _dir: dir,
            socket,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = as_user(&self.programs.join("pg_ctl"), self.root)
            .args(["-m", "immediate", "-D"])
            .arg(&self.data)
            .arg("stop")
            .current_dir("/")
            .stdout(Stdio::null())
            .status();
        assert!(stopped.is_ok_and(|status| status.success()), "pg_ctl stop failed");
    }
}

#[test]
fn the_same_suite_passes_on_postgresql() {
    if server().is_some() {
        return;
    }
    let Some(programs) = programs() else {
        eprintln!("SKIPPED: no initdb and pg_ctl found; install PostgreSQL to prove the store on it");
        return;
    };
    let server = Server::start(programs);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(AGAIN)
        .args(["--test-threads", "4"])
        .env(SERVER, &server.socket)
        .env("INSTA_UPDATE", "no")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "on PostgreSQL:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(" 0 passed"), "nothing was run:\n{text}");
}
