//! Accounts at work: signing in, inviting, letting in, switching off. Every step is one transaction with its line in
//! the log of operations; passwords are hashed beside the runtime, two at a time.

use plume_schemas::ids::ContentId;
use plume_schemas::rule::{Severity, Stream};
use plume_schemas::time::Time;

use super::Desk;
use crate::accounts::{Action, Chance, Role, Scope, Session, TOKEN_BYTES, Token, Viewer};
use crate::book::Purpose;
use crate::notify::{Audience, Channel, Notice};
use crate::password;
use crate::store::audit::{self, AuditKind, AuditLine};
use crate::store::db::Tx;
use crate::store::{StoreError, outbox, sessions, users as rows};
use crate::users::{
    CODE_MS, CODE_PAUSE_MS, CODE_TRIES, INVITATION_MS, LOCK_MS, MAX_FAILURES, MAX_WAITING, NewUser, SESSION_MS, User,
    UserError, UserState, import, may_manage,
};
use crate::words::{DATE_FOOTER_EN, DATE_FOOTER_ZH, code_message, sheet};

/// The account that exists before anybody made one.
const FIRST_LOGIN: &str = "admin";
/// A code has this many digits.
const CODE_SPACE: u32 = 1_000_000;

/// An account that may now set its password.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Whose.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The token of the link; shown once to who invited, and sent where a telephone is known.
    pub token: Token,
}

impl Desk {
    /// Gives the desk its source of randomness; without one nobody can sign in. Only the first counts.
    pub fn set_chance(&self, chance: Chance) {
        self.0.chance.get_or_init(|| chance);
    }

    fn draw(&self) -> Result<[u8; TOKEN_BYTES], UserError> {
        let drawn = self.0.chance.get().and_then(Chance::draw);
        drawn.ok_or(UserError::NoChance)
    }

    /// Makes the first system administrator where there is no account at all; gives login and password, to be shown
    /// once.
    pub async fn first_admin(&self) -> Result<Option<(String, String)>, UserError> {
        let mut tx = self.0.store.begin().await?;
        if rows::count(&mut tx).await? > 0 {
            return Ok(None);
        }
        let made = password::make(self.draw()?);
        let kept = self.hashed(made.clone()).await?;
        let admin = NewUser {
            login: FIRST_LOGIN.to_owned(),
            name: self.language().pick("系统管理员", "Administrator").to_owned(),
            phone: String::new(),
            role: Role::Admin,
            scope: Scope::All,
        };
        let now = self.now();
        rows::add(&mut tx, &admin, UserState::Invited, "", now).await?;
        rows::set_password(&mut tx, rows::id_of(FIRST_LOGIN), &kept).await?;
        note(&mut tx, AuditKind::UserAdded, None, FIRST_LOGIN, now).await?;
        tx.commit().await?;
        Ok(Some((admin.login, made)))
    }

    /// Signs somebody in. What was wrong is not said, and takes as long as what was right.
    pub async fn sign_in(&self, login: &str, given: &str) -> Result<(Token, Role), UserError> {
        let login = login.trim();
        let found = self.0.store.user_by_login(login).await?;
        let known = |(_, kept): &(User, String)| !kept.is_empty();
        let kept = found
            .as_ref()
            .filter(|found| known(found))
            .map(|(_, kept)| kept.clone());
        let fits = self
            .verified(given.to_owned(), kept.unwrap_or_else(password::nobody))
            .await?;
        let Some((user, _)) = found.filter(known) else {
            self.note_failure(None, login).await?;
            return Err(UserError::WrongCredentials);
        };
        if fits && let Some(done) = self.begin_session(&user).await? {
            return Ok(done);
        }
        self.note_failure(Some(&user), login).await?;
        Err(UserError::WrongCredentials)
    }

    /// A session for an account that is in use and not at rest.
    async fn begin_session(&self, user: &User) -> Result<Option<(Token, Role)>, UserError> {
        let (now, token) = (self.now(), Token::new(self.draw()?));
        let mut tx = self.0.store.begin().await?;
        if !rows::signed_in(&mut tx, user.id, now).await? {
            return Ok(None);
        }
        let session = Session {
            viewer: Viewer {
                name: user.name.clone(),
                role: user.role,
                scope: user.scope.clone(),
            },
            demo: false,
            expires_at: now.plus(self.lived_ms(SESSION_MS)),
        };
        sessions::add(&mut tx, &session, &user.id.to_string(), &token, now).await?;
        note(&mut tx, AuditKind::SignedIn, Some(&session.viewer), &user.login, now).await?;
        tx.commit().await?;
        Ok(Some((token, user.role)))
    }

    async fn note_failure(&self, user: Option<&User>, login: &str) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.0.store.begin().await?;
        let shown: String = login.chars().take(crate::users::MAX_CHARS).collect();
        note(&mut tx, AuditKind::SignInFailed, None, &shown, now).await?;
        // At rest nothing more is counted: who guesses on does not keep the owner out for good.
        if let Some(user) = user.filter(|user| user.locked_until.is_none_or(|until| until <= now))
            && rows::count_failure(&mut tx, user.id).await? >= MAX_FAILURES
        {
            rows::lock(&mut tx, user.id, now.plus(self.lived_ms(LOCK_MS))).await?;
            note(&mut tx, AuditKind::Locked, None, &shown, now).await?;
        }
        tx.commit().await
    }

    /// Sends a code to a telephone that belongs to an account; says nothing of whether it does.
    pub async fn request_code(&self, phone: &str) -> Result<(), UserError> {
        let now = self.now();
        let Some(user) = self.0.store.user_by_phone(phone.trim()).await? else {
            return Ok(());
        };
        let mut tx = self.0.store.begin().await?;
        let pause = self.lived_ms(CODE_PAUSE_MS);
        let earlier = rows::code(&mut tx, user.id).await?;
        if earlier.is_some_and(|sent| now.since(sent.sent_at) < pause) {
            return Ok(());
        }
        let chance = self.draw()?;
        let number = chance
            .iter()
            .take(4)
            .fold(0_u32, |sum, &byte| (sum << 8) | u32::from(byte))
            % CODE_SPACE;
        let code = format!("{number:06}");
        let sent = rows::SentCode {
            hash: code_hash(&user, &code),
            sent_at: now,
            expires_at: now.plus(self.lived_ms(CODE_MS)),
            tries: 0,
        };
        rows::keep_code(&mut tx, user.id, &sent).await?;
        tx.commit().await?;
        // Sent beside the answer, so that the answer takes as long where there is no such account.
        let (desk, phone) = (self.clone(), user.phone.clone());
        tokio::spawn(async move {
            let message = code_message(&code, CODE_MS, desk.language());
            if let Err(error) = desk.send_now(Channel::Sms, &phone, message).await {
                tracing::warn!(%error, hint = error.hint(), "a sign-in code was not sent");
            }
        });
        Ok(())
    }

    /// Signs somebody in by the code sent to their telephone.
    pub async fn sign_in_by_code(&self, phone: &str, code: &str) -> Result<(Token, Role), UserError> {
        let now = self.now();
        let Some(user) = self.0.store.user_by_phone(phone.trim()).await? else {
            return Err(UserError::WrongCredentials);
        };
        let mut tx = self.0.store.begin().await?;
        let sent = rows::code(&mut tx, user.id).await?;
        let Some(mut sent) = sent.filter(|sent| now < sent.expires_at && sent.tries < CODE_TRIES) else {
            return Err(UserError::WrongCredentials);
        };
        let fits = sent.hash == code_hash(&user, code.trim());
        // A code is good once: right or wrong, it is counted before anything else happens.
        sent.tries = if fits { CODE_TRIES } else { sent.tries + 1 };
        rows::keep_code(&mut tx, user.id, &sent).await?;
        tx.commit().await?;
        if fits && let Some(done) = self.begin_session(&user).await? {
            return Ok(done);
        }
        self.note_failure(None, &user.login).await?;
        Err(UserError::WrongCredentials)
    }

    /// Makes accounts and invites them: all or none.
    pub async fn add_users(&self, viewer: &Viewer, users: &[NewUser]) -> Result<Vec<Invitation>, UserError> {
        if !viewer.may(Action::AddUsers) {
            return Err(UserError::NotAllowed { role: viewer.role });
        }
        let now = self.now();
        let mut invitations = Vec::new();
        let mut tx = self.0.store.begin().await?;
        for user in users {
            let waits = user.role == Role::LeadOfficer;
            let state = if waits { UserState::Waiting } else { UserState::Invited };
            if !rows::add(&mut tx, user, state, &viewer.name, now).await? {
                return Err(UserError::Taken {
                    login: user.login.clone(),
                });
            }
            note(&mut tx, AuditKind::UserAdded, Some(viewer), &user.login, now).await?;
            if !waits {
                invitations.push(self.invite(&mut tx, viewer, user, now).await?);
            }
        }
        tx.commit().await?;
        self.0.wake.notify_one();
        Ok(invitations)
    }

    /// Makes the accounts of a table.
    pub async fn import_users(&self, viewer: &Viewer, csv: &str) -> Result<Vec<Invitation>, UserError> {
        self.add_users(viewer, &import(csv)?).await
    }

    /// A new link to set a password with; the old password goes on working until it is used.
    async fn invite(
        &self,
        tx: &mut Tx<'_>,
        viewer: &Viewer,
        user: &NewUser,
        now: Time,
    ) -> Result<Invitation, UserError> {
        let token = Token::new(self.draw()?);
        rows::invite(
            tx,
            rows::id_of(&user.login),
            &token,
            now.plus(self.lived_ms(INVITATION_MS)),
        )
        .await?;
        note(tx, AuditKind::Invited, Some(viewer), &user.login, now).await?;
        let base = &self.0.config.notify.link_base_url;
        if !base.is_empty() && !user.phone.is_empty() {
            let link = format!("{}/invite/{}", base.trim_end_matches('/'), token.reveal());
            outbox::add(tx, &[self.invitation_notice(user, &link, &token, now)]).await?;
        }
        Ok(Invitation {
            login: user.login.clone(),
            name: user.name.clone(),
            token,
        })
    }

    fn invitation_notice(&self, user: &NewUser, link: &str, token: &Token, now: Time) -> Notice {
        let lang = self.language();
        let subject = lang.pick(
            "【账号邀请】请设置预警平台密码",
            "[invitation] Set your password for the desk",
        );
        let text = format!(
            "{}{link}",
            lang.pick("七日内有效，仅可使用一次：", "Good for seven days, once: ")
        );
        Notice {
            id: ContentId::of(&[b"invitation", token.hash().as_bytes()]),
            case: None,
            batch: None,
            enterprise: match &user.scope {
                Scope::Enterprise(id) => Some(*id),
                _ => None,
            },
            stream: Stream::Service,
            audience: audience_of(user.role),
            receiver: user.name.clone(),
            channel: Channel::Sms,
            address: user.phone.clone(),
            purpose: Purpose::Invitation,
            step: 0,
            lang,
            message: sheet(subject, &[text], lang.pick(DATE_FOOTER_ZH, DATE_FOOTER_EN), lang),
            severity: Severity::Notice,
            created_at: now,
            not_before: now,
            stale_at: Some(now.plus(self.lived_ms(INVITATION_MS))),
            waits_for_morning: true,
        }
    }

    /// The account that an invitation is for.
    pub async fn invited(&self, token: &Token) -> Result<Option<User>, StoreError> {
        self.0.store.invited(token, self.now()).await
    }

    /// Uses an invitation: sets the password and signs in.
    pub async fn accept(&self, token: &Token, given: &str) -> Result<(Token, Role), UserError> {
        let user = self.invited(token).await?.ok_or(UserError::NoInvitation)?;
        password::check(given, &user.login)?;
        let kept = self.hashed(given.to_owned()).await?;
        let now = self.now();
        let mut tx = self.0.store.begin().await?;
        if !rows::use_invitation(&mut tx, token, now).await? {
            return Err(UserError::NoInvitation);
        }
        rows::set_password(&mut tx, user.id, &kept).await?;
        note(&mut tx, AuditKind::PasswordSet, None, &user.login, now).await?;
        tx.commit().await?;
        self.begin_session(&user).await?.ok_or(UserError::NoInvitation)
    }

    /// Somebody of an enterprise asks for an account. Says nothing of whether there is such an enterprise or login.
    pub async fn register(&self, asked: &NewUser) -> Result<(), UserError> {
        let known = match (&asked.role, &asked.scope) {
            (Role::Enterprise, Scope::Enterprise(id)) => self.registry().enterprise(*id).is_some(),
            _ => false,
        };
        let now = self.now();
        let mut tx = self.0.store.begin().await?;
        if !known || rows::waiting(&mut tx, &asked.scope).await? >= i64::from(MAX_WAITING) {
            return Ok(());
        }
        if rows::add(&mut tx, asked, UserState::Waiting, "", now).await? {
            note(&mut tx, AuditKind::Registered, None, &asked.login, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The accounts a person may let in, invite or switch off.
    pub async fn users_of(&self, viewer: &Viewer) -> Result<Vec<User>, StoreError> {
        if !viewer.may(Action::ViewUsers) {
            return Ok(Vec::new());
        }
        let registry = self.registry();
        let mut users = self.0.store.users().await?;
        users.retain(|user| viewer.role == Role::Admin || may_manage(viewer, user, &registry));
        Ok(users)
    }

    async fn managed(&self, viewer: &Viewer, id: ContentId) -> Result<User, UserError> {
        let user = self.0.store.user(id).await?.ok_or(UserError::NoSuchUser)?;
        if !viewer.may(Action::ViewUsers) {
            return Err(UserError::NotAllowed { role: viewer.role });
        }
        if !may_manage(viewer, &user, &self.registry()) {
            return Err(UserError::NoSuchUser);
        }
        Ok(user)
    }

    /// Lets in who waits, or invites again who lost the link or the password.
    pub async fn let_in(&self, viewer: &Viewer, id: ContentId) -> Result<Invitation, UserError> {
        let user = self.managed(viewer, id).await?;
        let now = self.now();
        let mut tx = self.0.store.begin().await?;
        if matches!(user.state, UserState::Waiting | UserState::Disabled) {
            rows::set_state(&mut tx, id, UserState::Invited).await?;
            note(&mut tx, AuditKind::Approved, Some(viewer), &user.login, now).await?;
        }
        let again = NewUser {
            login: user.login,
            name: user.name,
            phone: user.phone,
            role: user.role,
            scope: user.scope,
        };
        let invitation = self.invite(&mut tx, viewer, &again, now).await?;
        tx.commit().await?;
        self.0.wake.notify_one();
        Ok(invitation)
    }

    /// Switches an account off; its sessions end at once.
    pub async fn disable(&self, viewer: &Viewer, id: ContentId) -> Result<(), UserError> {
        let user = self.managed(viewer, id).await?;
        let mut tx = self.0.store.begin().await?;
        rows::set_state(&mut tx, id, UserState::Disabled).await?;
        rows::end_sessions(&mut tx, id).await?;
        note(&mut tx, AuditKind::Disabled, Some(viewer), &user.login, self.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes that somebody marked data of these outlets.
    pub(crate) async fn note_marks(&self, viewer: &Viewer, outlets: &[String]) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        for outlet in outlets {
            note(&mut tx, AuditKind::Marked, Some(viewer), outlet, self.now()).await?;
        }
        tx.commit().await
    }

    /// Notes that somebody entered zero or span checks of these outlets.
    pub(crate) async fn note_checks(&self, viewer: &Viewer, outlets: &[String]) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        for outlet in outlets {
            note(&mut tx, AuditKind::Checked, Some(viewer), outlet, self.now()).await?;
        }
        tx.commit().await
    }

    /// Notes a change of the registry, or that it was not recorded.
    pub(crate) async fn note_registry(
        &self,
        viewer: &Viewer,
        kind: AuditKind,
        object: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let line = AuditLine {
            at: self.now(),
            kind,
            actor: viewer.name.clone(),
            role: Some(viewer.role),
            object: object.to_owned(),
            detail: detail.to_owned(),
        };
        let mut tx = self.0.store.begin().await?;
        audit::note(&mut tx, &line).await?;
        tx.commit().await
    }

    /// Notes a command to a device, or what came of it.
    pub(crate) async fn note_order(&self, viewer: &Viewer, kind: AuditKind, object: &str) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        note(&mut tx, kind, Some(viewer), object, self.now()).await?;
        tx.commit().await
    }

    async fn hashed(&self, given: String) -> Result<String, UserError> {
        let mut salt = [0; password::SALT_BYTES];
        for (byte, drawn) in salt.iter_mut().zip(self.draw()?) {
            *byte = drawn;
        }
        self.beside(move || password::hash(&given, salt))
            .await?
            .map_err(UserError::from)
    }

    async fn verified(&self, given: String, kept: String) -> Result<bool, UserError> {
        self.beside(move || password::verify(&given, &kept)).await
    }

    /// Runs what takes a core for tens of milliseconds beside the runtime; few at a time, so that a flood of sign-ins
    /// takes neither all memory nor all cores.
    async fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, UserError> {
        let failed = |detail: String| UserError::Password(password::PasswordError::Hash { detail });
        let place = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let done = tokio::task::spawn_blocking(work).await;
        drop(place);
        done.map_err(|error| failed(error.to_string()))
    }
}

fn code_hash(user: &User, code: &str) -> ContentId {
    ContentId::of(&[b"code", user.id.as_bytes(), code.as_bytes()])
}

const fn audience_of(role: Role) -> Audience {
    match role {
        Role::Enterprise => Audience::Enterprise,
        Role::Contractor => Audience::Contractor,
        Role::Branch => Audience::Branch,
        Role::LeadOfficer => Audience::LeadOfficer,
        _ => Audience::City,
    }
}

async fn note(
    tx: &mut Tx<'_>,
    kind: AuditKind,
    viewer: Option<&Viewer>,
    object: &str,
    at: Time,
) -> Result<(), StoreError> {
    let line = AuditLine {
        at,
        kind,
        actor: viewer.map_or_else(String::new, |viewer| viewer.name.clone()),
        role: viewer.map(|viewer| viewer.role),
        object: object.to_owned(),
        detail: String::new(),
    };
    audit::note(tx, &line).await
}
