//! Accounts of people: what one is, who may make which, and the table a bureau imports. Pure; the desk's engine signs
//! people in with them.

use plume_schemas::ids::{ContentId, EnterpriseId, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use crate::accounts::{Role, Scope, Viewer};
use crate::named::named;
use crate::password::PasswordError;
use crate::rows::{self, Layout, RowError, Said, is_formula};
use crate::store::StoreError;

/// Most accounts of one import: the page's form takes no more text.
pub const MAX_IMPORT: usize = 500;
/// Most people of one enterprise who wait to be let in: more is play.
pub const MAX_WAITING: u32 = 5;
/// Longest login, name and telephone number.
pub const MAX_CHARS: usize = 64;
/// Wrong passwords in a row after which an account rests.
pub const MAX_FAILURES: i64 = 5;
/// How long it rests: a guesser gets 480 tries a day.
pub const LOCK_MS: i64 = 15 * MINUTE_MS;
/// A session of somebody who signed in ends after a shift.
pub const SESSION_MS: i64 = 12 * HOUR_MS;
/// An invitation is good this long.
pub const INVITATION_MS: i64 = 7 * DAY_MS;
/// A code sent to a telephone is good this long.
pub const CODE_MS: i64 = 5 * MINUTE_MS;
/// Pause before another code is sent to the same telephone.
pub const CODE_PAUSE_MS: i64 = MINUTE_MS;
/// Wrong codes before a new one is needed.
pub const CODE_TRIES: i64 = 5;

named! {
    /// Where an account stands.
    UserState {
        /// Asked for; somebody has to agree.
        Waiting = "waiting", "待审核", "to be approved";
        /// Invited; has no password yet.
        Invited = "invited", "已邀请", "invited";
        /// In use.
        Active = "active", "正常", "active";
        /// Switched off.
        Disabled = "disabled", "已停用", "disabled";
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: ContentId,
    /// What they sign in with.
    pub login: String,
    /// Shown in the trace.
    pub name: String,
    /// Mobile number, or empty.
    pub phone: String,
    /// Role.
    pub role: Role,
    /// What they may see.
    pub scope: Scope,
    /// Where it stands.
    pub state: UserState,
    /// Wrong passwords in a row.
    pub failures: i64,
    /// Until when it rests.
    pub locked_until: Option<Time>,
    /// When it was last signed in with.
    pub signed_in_at: Option<Time>,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// What they sign in with.
    pub login: String,
    /// Shown in the trace.
    pub name: String,
    /// Mobile number, or empty.
    pub phone: String,
    /// Role.
    pub role: Role,
    /// What they may see.
    pub scope: Scope,
}

/// Something about accounts was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Unknown login, wrong password or code, account at rest: which of them is not said.
    #[error("wrong account or password")]
    WrongCredentials,
    /// The role may not.
    #[error("a {role} may not do this to accounts", role = role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
    },
    /// No such account, or not theirs to see.
    #[error("no such account")]
    NoSuchUser,
    /// The login is in use.
    #[error("`{login}` is in use")]
    Taken {
        /// Which.
        login: String,
    },
    /// A field or a table that cannot be read.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// The invitation was used, has ended, or never was.
    #[error("the invitation has ended")]
    NoInvitation,
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// This desk was given no source of chance.
    #[error("no source of chance for tokens")]
    NoChance,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UserError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::WrongCredentials => {
                format!(
                    "after {MAX_FAILURES} wrong tries an account rests for {} minutes",
                    LOCK_MS / MINUTE_MS
                )
            }
            Self::NotAllowed { .. } => "ask the system administrator".into(),
            Self::NoSuchUser | Self::NoInvitation => "ask for a new invitation".into(),
            Self::Taken { .. } => "choose another login".into(),
            Self::Rows(error) => error.hint(),
            Self::Password(error) => error.hint(),
            Self::NoChance => "this is a defect of the program that opened the desk".into(),
            Self::Store(error) => error.hint(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::WrongCredentials => format!(
                "账号、密码或验证码不正确。连续 {MAX_FAILURES} 次错误，账号将锁定 {} 分钟。",
                LOCK_MS / MINUTE_MS
            ),
            Self::NotAllowed { .. } => "当前角色无权管理该账号。".into(),
            Self::NoSuchUser => "未找到该账号。".into(),
            Self::Taken { login } => format!("账号 {login} 已存在。"),
            Self::Rows(error) => error.zh(),
            Self::NoInvitation => "邀请链接已使用或已过期，请联系管理员重新邀请。".into(),
            Self::Password(error) => error.zh(),
            Self::NoChance | Self::Store(_) => "暂时无法处理，请稍后重试。".into(),
        }
    }
}

static LAYOUT: Layout = Layout {
    name: Said::new("用户表", "accounts"),
    columns: &["login", "name", "phone", "role", "scope"],
    max_rows: MAX_IMPORT,
    example: "13900001234,张环保,13900001234,enterprise,91330100MA27X0AB1C",
};
const LOGIN: Said = Said::new(
    "账号由字母、数字和 . - _ @ 组成",
    "login of letters, digits, `.`, `-`, `_` or `@`",
);
const NAME: Said = Said::new("姓名", "name");
const PHONE: Said = Said::new("手机号", "mobile number");
const ROLE: Said = Said::new("角色代码", "role");
const SCOPE: Said = Said::new(
    "范围：分局填区县，企业填统一社会信用代码，运维单位填排放口编号",
    "scope of this role",
);

impl NewUser {
    /// An account from the words of a form or a row. `scope` is a district, an enterprise's code, or outlets with
    /// blanks between, as the role needs.
    pub fn read(line: u64, words: [&str; 5]) -> Result<Self, UserError> {
        let [login, name, phone, role, scope] = words.map(str::trim);
        let bad = |text: &str, expected| LAYOUT.bad(line, text, expected);
        let fits = |text: &str| (1..=MAX_CHARS).contains(&text.chars().count());
        if !fits(login) || !login.chars().all(|c| c.is_ascii_alphanumeric() || ".-_@".contains(c)) {
            return Err(bad(login, LOGIN).into());
        }
        if !fits(name) || is_formula(name) || name.chars().any(char::is_control) {
            return Err(bad(name, NAME).into());
        }
        let digits = phone.strip_prefix('+').unwrap_or(phone);
        if phone.len() > MAX_CHARS || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(bad(phone, PHONE).into());
        }
        let role = Role::from_code(role).ok_or_else(|| bad(role, ROLE))?;
        Ok(Self {
            login: login.to_owned(),
            name: name.to_owned(),
            phone: phone.to_owned(),
            role,
            scope: scope_of(role, scope).ok_or_else(|| bad(scope, SCOPE))?,
        })
    }
}

fn scope_of(role: Role, text: &str) -> Option<Scope> {
    match role {
        Role::Branch => (!text.is_empty()).then(|| Scope::District(text.to_owned())),
        Role::Enterprise => EnterpriseId::new(text)
            .ok()
            .filter(|_| !text.is_empty())
            .map(Scope::Enterprise),
        Role::Contractor => {
            let outlets: Option<Vec<OutletId>> = text.split_whitespace().map(|id| OutletId::new(id).ok()).collect();
            outlets.filter(|outlets| !outlets.is_empty()).map(Scope::Outlets)
        }
        _ => text.is_empty().then_some(Scope::All),
    }
}

/// Accounts from CSV with columns `login,name,phone,role,scope`; all or none.
pub fn import(text: &str) -> Result<Vec<NewUser>, UserError> {
    rows::read(&LAYOUT, text, |row| {
        NewUser::read(row.line(), std::array::from_fn(|at| row.cell(at)))
    })
}

/// Who may invite, let in or switch off whom. Enterprises and their contractors are the bureau's to let in, in its own
/// district; lead officers are agreed to by the security administrator, so that no one person can make themselves one.
pub fn may_manage(viewer: &Viewer, user: &User, registry: &RegistryIndex) -> bool {
    match (viewer.role, user.role) {
        (Role::Admin, role) => role != Role::LeadOfficer || user.state != UserState::Waiting,
        (Role::Security, Role::LeadOfficer) | (Role::CityDuty, Role::Enterprise | Role::Contractor) => true,
        (Role::Branch, Role::Enterprise | Role::Contractor) => match &viewer.scope {
            Scope::District(district) => districts_of(&user.scope, registry).contains(&district.as_str()),
            _ => false,
        },
        _ => false,
    }
}

/// The districts that a site's scope lies in.
fn districts_of<'a>(scope: &Scope, registry: &'a RegistryIndex) -> Vec<&'a str> {
    let of = |id: EnterpriseId| registry.enterprise(id).map(|enterprise| enterprise.district.as_str());
    match scope {
        Scope::Enterprise(id) => of(*id).into_iter().collect(),
        Scope::Outlets(outlets) => outlets
            .iter()
            .filter_map(|&id| of(registry.outlet(id)?.enterprise))
            .collect(),
        Scope::All | Scope::District(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_whole_or_refused_by_line() {
        let head = "login,name,phone,role,scope\n";
        let good = format!(
            "\u{feff}{head}zhou,周分局,13800000000,branch,东区\nli,李,13900001234,enterprise,91330100MA27X0AB1C\n\
             sun,孙,,contractor,91330100MA27X0AB1C:DA001 91330100MA27X0AB1C:DA002\nadmin2,管,,admin,\n"
        );
        let users = import(&good).unwrap();
        assert_eq!(users.len(), 4);
        assert!(matches!(&users[2].scope, Scope::Outlets(outlets) if outlets.len() == 2));
        for (row, expected) in [
            ("a b,李,,admin,", "login"),
            ("li,=cmd(),,admin,", "name"),
            ("li,李,12ab,admin,", "mobile"),
            ("li,李,,boss,", "role"),
            ("li,李,,branch,", "scope"),
            ("li,李,,enterprise,", "scope"),
            ("li,李,,city_duty,东区", "scope"),
        ] {
            let error = import(&format!("{head}ok,好,,admin,\n{row}\n")).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("line 3") && said.contains(expected), "{row}: {said}");
        }
        assert!(matches!(
            import("a,b\n"),
            Err(UserError::Rows(RowError::Columns { .. }))
        ));
        let many = format!("{head}{}", "x,好,,admin,\n".repeat(MAX_IMPORT + 1));
        assert!(matches!(import(&many), Err(UserError::Rows(RowError::TooLong { .. }))));
    }
}
