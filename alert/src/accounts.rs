//! Who is looking, and what they may do: roles, scopes, and the one table that decides.

use plume_schemas::ids::{ContentId, EnterpriseId, OutletId};
use plume_schemas::time::Time;

use crate::case::ActKind;
use crate::named::named;

named! {
    /// The roles of the desk.
    Role {
        /// 市局值班.
        CityDuty = "city_duty", "市局值班", "city duty officer";
        /// 分局, own district.
        Branch = "branch", "分局", "district branch";
        /// 线索专员: the only one who sees leads.
        LeadOfficer = "lead_officer", "线索专员", "lead officer";
        /// 企业.
        Enterprise = "enterprise", "企业", "enterprise";
        /// 运维单位, contracted outlets.
        Contractor = "contractor", "运维单位", "O&M contractor";
        /// 系统管理.
        Admin = "admin", "系统管理", "system administrator";
        /// 安全管理.
        Security = "security", "安全管理", "security administrator";
        /// 审计.
        Audit = "audit", "审计", "auditor";
        /// 只读.
        ReadOnly = "read_only", "只读", "read-only";
    }
}

/// Which part of the world a session may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All districts.
    All,
    /// One district.
    District(String),
    /// One enterprise.
    Enterprise(EnterpriseId),
    /// These outlets (a contractor's).
    Outlets(Vec<OutletId>),
}

/// The person behind a request. Every query and act of the store takes one, so that no page can forget to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The name shown in the trace.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// What they may see.
    pub scope: Scope,
}

/// What can be asked for, besides acts on cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See cases of the service stream in scope.
    ViewCases,
    /// See leads in scope. Never the enterprise or its contractor.
    ViewLeads,
    /// See to whom notices went.
    ViewNotices,
    /// See the system page and metrics.
    ViewSystem,
    /// See the accounts one may let in or switch off.
    ViewUsers,
    /// Make accounts.
    AddUsers,
    /// Say what data were (人工标记).
    Mark,
    /// Write down zero and span checks.
    EnterChecks,
    /// See the log of operations.
    ViewAudit,
    /// Have a device examined, and ask it for its time or its data.
    AskDevices,
    /// Import and edit the registry.
    EditRegistry,
    /// Do this to a case in scope.
    Act(ActKind),
}

/// The one place that says which role may do what. Scope is checked beside it, by the store.
pub const fn authorise(role: Role, action: Action) -> bool {
    match action {
        Action::ViewCases => !matches!(role, Role::Security),
        Action::ViewLeads => matches!(role, Role::LeadOfficer),
        Action::ViewNotices => matches!(
            role,
            Role::CityDuty | Role::Branch | Role::LeadOfficer | Role::Admin | Role::Audit
        ),
        Action::ViewSystem => matches!(
            role,
            Role::CityDuty | Role::Admin | Role::Security | Role::Audit | Role::ReadOnly
        ),
        Action::ViewUsers => matches!(role, Role::Admin | Role::Security | Role::CityDuty | Role::Branch),
        Action::AddUsers | Action::EditRegistry => matches!(role, Role::Admin),
        Action::Mark => crate::marks::may_mark(role),
        Action::EnterChecks => crate::checks::may_enter(role),
        Action::ViewAudit => matches!(role, Role::Audit | Role::Security),
        Action::AskDevices => matches!(role, Role::CityDuty | Role::Branch | Role::LeadOfficer),
        Action::Act(kind) => may_act(role, kind),
    }
}

const fn may_act(role: Role, kind: ActKind) -> bool {
    let officer = matches!(role, Role::CityDuty | Role::Branch | Role::LeadOfficer);
    let enterprise = matches!(role, Role::Enterprise);
    let site = matches!(role, Role::Enterprise | Role::Contractor);
    match kind {
        ActKind::Acknowledge | ActKind::Withdraw | ActKind::Comment => officer || site,
        ActKind::Answer | ActKind::ReportFault | ActKind::ContactOfficer => enterprise,
        ActKind::Phone
        | ActKind::Assign
        | ActKind::Close
        | ActKind::CloseFalse
        | ActKind::ConfirmRetraction
        | ActKind::RejectRetraction
        | ActKind::Reopen => officer,
    }
}

impl Viewer {
    /// True where the table allows it.
    pub fn may(&self, action: Action) -> bool {
        authorise(self.role, action)
    }
}

/// Bytes of chance in a session token: 256 bits cannot be guessed.
pub const TOKEN_BYTES: usize = 32;
/// A demo session lives this long: a working day and a night.
pub const DEMO_SESSION_MS: i64 = 24 * plume_schemas::time::HOUR_MS;

/// The token a browser holds, made from chance given by the caller. The store keeps only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A token of these random bytes.
    pub fn new(chance: [u8; TOKEN_BYTES]) -> Self {
        Self(chance)
    }

    /// Parses 64 hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_BYTES * 2 {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *byte = digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?;
        }
        Some(Self(bytes))
    }

    /// What the store keeps: 128 bits of the SHA-256 of the token.
    pub fn hash(&self) -> ContentId {
        ContentId::of(&[b"session", &self.0])
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> [u8; TOKEN_BYTES] {
        self.0
    }

    /// The 64 hex digits to hand to the browser.
    pub fn reveal(&self) -> String {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(masked)")
    }
}

/// Where tokens, codes and salts come from: the host's source of randomness. `None` where it fails.
#[derive(Clone)]
pub struct Chance(std::sync::Arc<ChanceFn>);

type ChanceFn = dyn Fn() -> Option<[u8; TOKEN_BYTES]> + Send + Sync;

impl Chance {
    /// Chance by this function.
    pub fn new(draw: impl Fn() -> Option<[u8; TOKEN_BYTES]> + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(draw))
    }

    /// Bytes nobody can guess.
    pub fn draw(&self) -> Option<[u8; TOKEN_BYTES]> {
        (self.0)()
    }
}

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chance")
    }
}

/// A session as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub viewer: Viewer,
    /// Made by the demo on loopback, not by a login.
    pub demo: bool,
    /// When it ends.
    pub expires_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_hide() {
        let token = Token::new(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        assert_eq!(Token::parse(&token.reveal()), Some(token.clone()));
        assert_eq!(format!("{token:?}"), "Token(masked)");
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn leads_are_for_lead_officers_alone() {
        for &role in Role::ALL {
            assert_eq!(authorise(role, Action::ViewLeads), role == Role::LeadOfficer, "{role}");
        }
    }

    #[test]
    fn readers_do_nothing() {
        for &role in &[Role::ReadOnly, Role::Audit, Role::Admin, Role::Security] {
            for &kind in ActKind::ALL {
                assert!(!authorise(role, Action::Act(kind)), "{role} {kind}");
            }
        }
    }
}
