//! Accounts, invitations and codes.

use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;

use super::db::{Row, Tx, args};
use super::sessions::{read_scope, write_scope};
use super::{Store, StoreError, id};
use crate::accounts::{Role, Scope, Token};
use crate::users::{NewUser, User, UserState};

const COLUMNS: &str = "id, login, name, phone, role, scope_kind, scope, state, failures, locked_until, signed_in_at";
/// Most accounts shown on one page.
const MAX_ROWS: u32 = 500;

/// A code sent to a telephone.
pub(crate) struct SentCode {
    pub(crate) hash: ContentId,
    pub(crate) sent_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) tries: i64,
}

impl Store {
    /// An account.
    pub async fn user(&self, user: ContentId) -> Result<Option<User>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT id, login, name, phone, role, scope_kind, scope, state, failures, locked_until, signed_in_at \
                 FROM users WHERE id = $1",
                args![user],
            )
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// An account by its login, with what is kept of its password.
    pub(crate) async fn user_by_login(&self, login: &str) -> Result<Option<(User, String)>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT id, login, name, phone, role, scope_kind, scope, state, failures, locked_until, signed_in_at, \
                 password FROM users WHERE login = $1",
                args![login],
            )
            .await?;
        row.map(|row| Ok((read(&row)?, row.text("password")?))).transpose()
    }

    /// The only account in use with this telephone number.
    pub(crate) async fn user_by_phone(&self, phone: &str) -> Result<Option<User>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, login, name, phone, role, scope_kind, scope, state, failures, locked_until, signed_in_at \
                 FROM users WHERE phone = $1 AND phone <> '' AND state = 'active' LIMIT 2",
                args![phone],
            )
            .await?;
        match rows.as_slice() {
            [row] => read(row).map(Some),
            _ => Ok(None),
        }
    }

    /// The account that an invitation is for, while it is good.
    pub(crate) async fn invited(&self, token: &Token, now: Time) -> Result<Option<User>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT id, login, name, phone, role, scope_kind, scope, state, failures, locked_until, signed_in_at \
                 FROM users WHERE id = (SELECT user_id FROM invitations WHERE token_hash = $1 AND expires_at > $2) \
                 AND state <> 'disabled'",
                args![token.hash(), now],
            )
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Accounts by name: those who wait first. At most 500.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM users ORDER BY CASE state WHEN 'waiting' THEN 0 ELSE 1 END, role, login \
             LIMIT {MAX_ROWS}"
        );
        let rows = self.db.rows(sqlx::AssertSqlSafe(sql), Vec::new()).await?;
        rows.iter().map(read).collect()
    }
}

/// How many accounts there are.
pub(crate) async fn count(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    let row = tx.one("SELECT COUNT(*) AS n FROM users", Vec::new()).await?;
    row.map_or(Ok(0), |row| row.int("n"))
}

/// How many people of one scope wait to be let in.
pub(crate) async fn waiting(tx: &mut Tx<'_>, scope: &Scope) -> Result<i64, StoreError> {
    let row = tx
        .one(
            "SELECT COUNT(*) AS n FROM users WHERE state = 'waiting' AND scope = $1",
            args![write_scope(scope).1],
        )
        .await?;
    row.map_or(Ok(0), |row| row.int("n"))
}

/// Keeps an account; false where the login is in use.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    user: &NewUser,
    state: UserState,
    by: &str,
    now: Time,
) -> Result<bool, StoreError> {
    let (kind, scope) = write_scope(&user.scope);
    let added = tx
        .exec(
            "INSERT INTO users (id, login, name, phone, role, scope_kind, scope, state, password, failures, \
             created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, $9, $10) \
             ON CONFLICT (login) DO NOTHING",
            args![
                id_of(&user.login),
                &user.login,
                &user.name,
                &user.phone,
                user.role.code(),
                kind,
                scope,
                state.code(),
                by,
                now,
            ],
        )
        .await?;
    Ok(added == 1)
}

/// The id of an account: its login never changes.
pub(crate) fn id_of(login: &str) -> ContentId {
    ContentId::of(&[b"user", login.as_bytes()])
}

/// Sets the password; invitation and sessions end.
pub(crate) async fn set_password(tx: &mut Tx<'_>, user: ContentId, kept: &str) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE users SET password = $2, state = 'active', failures = 0, locked_until = NULL WHERE id = $1",
        args![user, kept],
    )
    .await?;
    tx.exec("DELETE FROM invitations WHERE user_id = $1", args![user])
        .await?;
    end_sessions(tx, user).await
}

/// Ends every session of an account.
pub(crate) async fn end_sessions(tx: &mut Tx<'_>, user: ContentId) -> Result<(), StoreError> {
    tx.exec("DELETE FROM sessions WHERE user_id = $1", args![user.to_string()])
        .await?;
    Ok(())
}

/// Moves an account to another state.
pub(crate) async fn set_state(tx: &mut Tx<'_>, user: ContentId, state: UserState) -> Result<(), StoreError> {
    tx.exec("UPDATE users SET state = $2 WHERE id = $1", args![user, state.code()])
        .await?;
    Ok(())
}

/// Counts a wrong password; gives how many there are in a row now.
pub(crate) async fn count_failure(tx: &mut Tx<'_>, user: ContentId) -> Result<i64, StoreError> {
    let row = tx
        .one(
            "UPDATE users SET failures = failures + 1 WHERE id = $1 RETURNING failures",
            args![user],
        )
        .await?;
    row.map_or(Ok(0), |row| row.int("failures"))
}

/// Puts an account at rest.
pub(crate) async fn lock(tx: &mut Tx<'_>, user: ContentId, until: Time) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE users SET failures = 0, locked_until = $2 WHERE id = $1",
        args![user, until],
    )
    .await?;
    Ok(())
}

/// Notes that an account was signed in with; false where it rests or is not in use.
pub(crate) async fn signed_in(tx: &mut Tx<'_>, user: ContentId, now: Time) -> Result<bool, StoreError> {
    let touched = tx
        .exec(
            "UPDATE users SET failures = 0, locked_until = NULL, signed_in_at = $2 WHERE id = $1 AND state = 'active' \
             AND (locked_until IS NULL OR locked_until <= $2)",
            args![user, now],
        )
        .await?;
    Ok(touched == 1)
}

/// Keeps an invitation; an older one of the account ends.
pub(crate) async fn invite(
    tx: &mut Tx<'_>,
    user: ContentId,
    token: &Token,
    expires_at: Time,
) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO invitations (user_id, token_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE \
         SET token_hash = $2, expires_at = $3",
        args![user, token.hash(), expires_at],
    )
    .await?;
    Ok(())
}

/// Uses an invitation up; false where there is none any more.
pub(crate) async fn use_invitation(tx: &mut Tx<'_>, token: &Token, now: Time) -> Result<bool, StoreError> {
    let used = tx
        .exec(
            "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2",
            args![token.hash(), now],
        )
        .await?;
    Ok(used == 1)
}

/// The code that was sent last.
pub(crate) async fn code(tx: &mut Tx<'_>, user: ContentId) -> Result<Option<SentCode>, StoreError> {
    let row = tx
        .one(
            "SELECT code_hash, sent_at, expires_at, tries FROM login_codes WHERE user_id = $1",
            args![user],
        )
        .await?;
    row.map(|row| {
        Ok(SentCode {
            hash: row.parsed("code_hash", id)?,
            sent_at: row.time("sent_at")?,
            expires_at: row.time("expires_at")?,
            tries: row.int("tries")?,
        })
    })
    .transpose()
}

/// Keeps a code, in place of an earlier one.
pub(crate) async fn keep_code(tx: &mut Tx<'_>, user: ContentId, sent: &SentCode) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO login_codes (user_id, code_hash, sent_at, expires_at, tries) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (user_id) DO UPDATE SET code_hash = $2, sent_at = $3, expires_at = $4, tries = $5",
        args![user, sent.hash, sent.sent_at, sent.expires_at, sent.tries],
    )
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<User, StoreError> {
    let kind = row.text("scope_kind")?;
    Ok(User {
        id: row.parsed("id", id)?,
        login: row.text("login")?,
        name: row.text("name")?,
        phone: row.text("phone")?,
        role: row.parsed("role", Role::from_code)?,
        scope: row.parsed("scope", |text| read_scope(&kind, text))?,
        state: row.parsed("state", UserState::from_code)?,
        failures: row.int("failures")?,
        locked_until: row.opt_time("locked_until")?,
        signed_in_at: row.opt_time("signed_in_at")?,
    })
}
