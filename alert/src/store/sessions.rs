//! Sessions: who a token stands for, until when.

use plume_schemas::ids::{EnterpriseId, OutletId};
use plume_schemas::time::Time;

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::accounts::{DEMO_SESSION_MS, Role, Scope, Session, Token, Viewer};

impl Store {
    /// Keeps a session of the demo for [`DEMO_SESSION_MS`].
    pub async fn create_demo_session(&self, viewer: &Viewer, token: &Token, now: Time) -> Result<(), StoreError> {
        let session = Session {
            viewer: viewer.clone(),
            demo: true,
            expires_at: now.plus(DEMO_SESSION_MS),
        };
        self.create_session(&session, token, now).await
    }

    /// Keeps a session that belongs to no account.
    pub async fn create_session(&self, session: &Session, token: &Token, now: Time) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        add(&mut tx, session, "", token, now).await?;
        tx.commit().await
    }

    /// Who a token stands for, while its session lives.
    pub async fn session(&self, token: &Token, now: Time) -> Result<Option<Session>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT name, role, scope_kind, scope, demo, expires_at FROM sessions \
                 WHERE token_hash = $1 AND expires_at > $2 AND (user_id = '' OR \
                 EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND users.state = 'active'))",
                args![token.hash(), now],
            )
            .await?;
        row.map(|row| {
            let kind = row.text("scope_kind")?;
            Ok(Session {
                viewer: Viewer {
                    name: row.text("name")?,
                    role: row.parsed("role", Role::from_code)?,
                    scope: row.parsed("scope", |text| read_scope(&kind, text))?,
                },
                demo: row.truth("demo")?,
                expires_at: row.time("expires_at")?,
            })
        })
        .transpose()
    }

    /// A secret of the desk by name: the one kept, else `chance`, kept from now on.
    pub(crate) async fn secret(&self, name: &'static str, chance: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let mut tx = self.db.begin().await?;
        tx.exec(
            "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            args![name, Token::new(chance).reveal()],
        )
        .await?;
        let row = tx.one("SELECT value FROM secrets WHERE name = $1", args![name]).await?;
        tx.commit().await?;
        let kept = row.map(|row| row.parsed("value", Token::parse)).transpose()?;
        Ok(kept.map_or(chance, |kept| kept.bytes()))
    }

    /// Ends a session.
    pub async fn end_session(&self, token: &Token) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.exec("DELETE FROM sessions WHERE token_hash = $1", args![token.hash()])
            .await?;
        tx.commit().await
    }
}

/// Keeps a session of an account, or of nobody's where `user` is empty. Sessions that have ended are swept out.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    session: &Session,
    user: &str,
    token: &Token,
    now: Time,
) -> Result<(), StoreError> {
    let (scope_kind, scope) = write_scope(&session.viewer.scope);
    tx.exec("DELETE FROM sessions WHERE expires_at <= $1", args![now])
        .await?;
    tx.exec(
        "INSERT INTO sessions (token_hash, name, role, scope_kind, scope, demo, created_at, expires_at, user_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            token.hash(),
            &session.viewer.name,
            session.viewer.role.code(),
            scope_kind,
            scope,
            session.demo,
            now,
            session.expires_at,
            user,
        ],
    )
    .await?;
    Ok(())
}

pub(super) fn write_scope(scope: &Scope) -> (&'static str, String) {
    match scope {
        Scope::All => ("all", String::new()),
        Scope::District(district) => ("district", district.clone()),
        Scope::Enterprise(enterprise) => ("enterprise", enterprise.as_str().to_owned()),
        Scope::Outlets(outlets) => {
            let names: Vec<&str> = outlets.iter().map(OutletId::as_str).collect();
            ("outlets", names.join(","))
        }
    }
}

pub(super) fn read_scope(kind: &str, text: &str) -> Option<Scope> {
    match kind {
        "all" => Some(Scope::All),
        "district" => Some(Scope::District(text.to_owned())),
        "enterprise" => EnterpriseId::new(text).ok().map(Scope::Enterprise),
        "outlets" => text
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| OutletId::new(name).ok())
            .collect::<Option<_>>()
            .map(Scope::Outlets),
        _ => None,
    }
}
