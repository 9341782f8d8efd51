//! 操作日志: what people did. Added to in the transaction of what was done, never changed.

use plume_schemas::time::Time;

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::accounts::Role;
use crate::named::named;

/// Most lines of one page.
pub const MAX_AUDIT_ROWS: u32 = 500;

named! {
    /// What was done.
    AuditKind {
        /// Signed in.
        SignedIn = "signed_in", "登录", "signed in";
        /// A wrong password or code.
        SignInFailed = "sign_in_failed", "登录失败", "sign-in failed";
        /// Too many of them.
        Locked = "locked", "账号锁定", "account locked";
        /// An account was made.
        UserAdded = "user_added", "新增账号", "account added";
        /// Somebody asked for one.
        Registered = "registered", "自助注册", "registered";
        /// It was agreed to.
        Approved = "approved", "审核通过", "approved";
        /// An invitation went out.
        Invited = "invited", "发出邀请", "invited";
        /// The invitation was used, a password set.
        PasswordSet = "password_set", "设置密码", "password set";
        /// Data were marked.
        Marked = "marked", "人工标记", "marked";
        /// Zero or span checks were entered.
        Checked = "checked", "填报零点跨度检查", "checks entered";
        /// An account was switched off.
        Disabled = "disabled", "停用账号", "account disabled";
        /// Notices were silenced.
        Silenced = "silenced", "暂停提醒", "silenced";
        /// A silence was ended before its time.
        SilenceEnded = "silence_ended", "结束暂停提醒", "silence ended";
        /// A table was changed: routes, sentences, holidays, guidance, the duty calendar.
        TableChanged = "table_changed", "修改数据表", "table changed";
        /// A device was asked for something.
        Ordered = "ordered", "下达设备命令", "device command given";
        /// A device answered a command, or did not.
        OrderEnded = "order_ended", "设备命令结果", "device command ended";
        /// The registry was changed.
        RegistryChanged = "registry_changed", "修改基础档案", "registry changed";
        /// A change of the registry that was noted was not recorded after all.
        RegistryRefused = "registry_refused", "基础档案修改未生效", "registry change not recorded";
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Time,
    /// What.
    pub kind: AuditKind,
    /// Who; the login that was tried where nobody was let in.
    pub actor: String,
    /// In which role.
    pub role: Option<Role>,
    /// To what.
    pub object: String,
    /// Further words.
    pub detail: String,
}

/// Adds a line.
pub(crate) async fn note(tx: &mut Tx<'_>, line: &AuditLine) -> Result<(), StoreError> {
    let seq = tx.take("audit", 1).await?;
    tx.exec(
        "INSERT INTO audit (seq, at, kind, actor, role, object, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            seq,
            line.at,
            line.kind.code(),
            &line.actor,
            line.role.map(Role::code),
            &line.object,
            &line.detail,
        ],
    )
    .await?;
    Ok(())
}

impl Store {
    /// The log, newest first.
    pub async fn audit(&self, offset: u32, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT at, kind, actor, role, object, detail FROM audit ORDER BY seq DESC LIMIT $1 OFFSET $2",
                args![i64::from(limit.min(MAX_AUDIT_ROWS)), i64::from(offset)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditLine {
                    at: row.time("at")?,
                    kind: row.parsed("kind", AuditKind::from_code)?,
                    actor: row.text("actor")?,
                    role: row.opt_parsed("role", Role::from_code)?,
                    object: row.text("object")?,
                    detail: row.text("detail")?,
                })
            })
            .collect()
    }
}
