//! 用户 and 操作日志: who may sign in, and what was done.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use plume_schemas::ids::ContentId;
use serde::Deserialize;

use super::silences::Nothing;
use crate::Invitation;
use crate::accounts::{Action, Role, Scope};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::Speaks;
use crate::desk::view::case::Link;
use crate::desk::view::number::stamp;
use crate::desk::view::sheet::{Sheet, Table, text, words};
use crate::store::{MAX_AUDIT_ROWS, mask};
use crate::users::{NewUser, User, UserError, UserState, may_manage};
use crate::words::Lang;

/// An account, as shown.
struct Row {
    id: String,
    login: String,
    name: String,
    phone: String,
    role: &'static str,
    scope: String,
    state: String,
    signed_in: String,
    acts: Vec<Press>,
}

/// An invitation, as shown once.
struct Invited {
    login: String,
    name: String,
    href: String,
}

impl From<Invitation> for Invited {
    fn from(invitation: Invitation) -> Self {
        Self {
            href: format!("/invite/{}", invitation.token.reveal()),
            login: invitation.login,
            name: invitation.name,
        }
    }
}

/// A button.
struct Press {
    action: &'static str,
    word: &'static str,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    problem: Option<String>,
    invitations: Vec<Invited>,
    users: Vec<Row>,
    may_add: bool,
    roles: Vec<Link>,
    csv: String,
}

/// What an act on accounts came to.
type Done = Result<Vec<Invitation>, UserError>;

/// `GET /users`.
pub(crate) async fn list(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    page(&state, &visitor, Ok(Vec::new()), String::new()).await
}

async fn page(state: &DeskState, visitor: &Visitor, done: Done, csv: String) -> Result<Response, Problem> {
    let lang = visitor.lang;
    let (invitations, problem) = match done {
        Ok(invitations) => (invitations, None),
        Err(UserError::Store(error)) => return Err(error.into()),
        Err(UserError::NotAllowed { .. }) => return Err(Problem::Forbidden),
        Err(UserError::NoSuchUser) => return Err(Problem::NotFound),
        Err(error) => (
            Vec::new(),
            Some(match lang {
                Lang::Zh => error.zh(),
                Lang::En => format!("{error}; {}", error.hint()),
            }),
        ),
    };
    let users = state.desk().users_of(&visitor.viewer).await?;
    html(&UsersPage {
        shell: Shell::new(visitor, lang.texts().users),
        csv: if problem.is_some() { csv } else { String::new() },
        problem,
        invitations: invitations.into_iter().map(Invited::from).collect(),
        users: users.iter().map(|user| row(state, visitor, user)).collect(),
        may_add: visitor.viewer.may(Action::AddUsers),
        roles: Role::ALL
            .iter()
            .map(|role| Link {
                word: lang.pick(role.zh(), role.en()).to_owned(),
                href: role.code().to_owned(),
            })
            .collect(),
    })
}

fn row(state: &DeskState, visitor: &Visitor, user: &User) -> Row {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let locked = user.locked_until.is_some_and(|until| until > state.now());
    let mut acts = Vec::new();
    if may_manage(&visitor.viewer, user, &state.desk().registry()) {
        acts.push(Press {
            action: "invite",
            word: match user.state {
                UserState::Waiting => t.approve,
                _ => t.invite_again,
            },
        });
        if user.state != UserState::Disabled {
            acts.push(Press {
                action: "disable",
                word: t.disable,
            });
        }
    }
    let standing = lang.pick(user.state.zh(), user.state.en());
    Row {
        id: user.id.to_string(),
        login: user.login.clone(),
        name: user.name.clone(),
        phone: mask(&user.phone),
        role: lang.pick(user.role.zh(), user.role.en()),
        scope: scope(&user.scope, &state.names(lang), t.all),
        state: if locked {
            format!("{standing} · {}", t.locked)
        } else {
            standing.to_owned()
        },
        signed_in: user.signed_in_at.map_or_else(|| t.dash.to_owned(), stamp),
        acts,
    }
}

fn scope(scope: &Scope, names: &Names<'_>, all: &str) -> String {
    match scope {
        Scope::All => all.to_owned(),
        Scope::District(district) => district.clone(),
        Scope::Enterprise(id) => names.enterprise(*id),
        Scope::Outlets(outlets) => {
            let outlets: Vec<String> = outlets.iter().map(|&id| names.outlet(id).full()).collect();
            outlets.join("、")
        }
    }
}

/// The form of one account.
#[derive(Debug, Deserialize)]
pub(crate) struct UserForm {
    login: String,
    name: String,
    #[serde(default)]
    phone: String,
    role: String,
    #[serde(default)]
    scope: String,
}

/// `POST /users/add`.
pub(crate) async fn add(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(form): Signed<UserForm>,
) -> Result<Response, Problem> {
    let read = NewUser::read(0, [&form.login, &form.name, &form.phone, &form.role, &form.scope]);
    let done = match read {
        Ok(user) => state.desk().add_users(&visitor.viewer, &[user]).await,
        Err(error) => Err(error),
    };
    page(&state, &visitor, done, String::new()).await
}

/// The form of a table.
#[derive(Debug, Deserialize)]
pub(crate) struct ImportForm {
    csv: String,
}

/// `POST /users/import`.
pub(crate) async fn import(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(form): Signed<ImportForm>,
) -> Result<Response, Problem> {
    let done = state.desk().import_users(&visitor.viewer, &form.csv).await;
    page(&state, &visitor, done, form.csv).await
}

/// `POST /users/{id}/invite`: lets in who waits, or gives a new link.
pub(crate) async fn invite(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    let id = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    let done = state.desk().let_in(&visitor.viewer, id).await;
    page(&state, &visitor, done.map(|invitation| vec![invitation]), String::new()).await
}

/// `POST /users/{id}/disable`.
pub(crate) async fn disable(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    let id = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    let done = state.desk().disable(&visitor.viewer, id).await;
    page(&state, &visitor, done.map(|()| Vec::new()), String::new()).await
}

/// `GET /audit`: what was done besides acts on cases, newest first.
pub(crate) async fn audit(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let lines = state.store().audit(0, MAX_AUDIT_ROWS).await?;
    let rows = lines.iter().map(|line| {
        vec![
            text(stamp(line.at)).class("mono"),
            text(lang.pick(line.kind.zh(), line.kind.en())),
            text(line.actor.clone()),
            text(line.role.map_or("", |role| lang.pick(role.zh(), role.en()))),
            text(mask_login(&line.object)).class("mono"),
            text(line.detail.clone()),
        ]
    });
    let sheet = Sheet {
        title: t.audit.to_owned(),
        about: t.audit_about.to_owned(),
        tables: vec![Table {
            title: t.audit.to_owned(),
            note: String::new(),
            heads: [t.time, t.what, t.who, t.role, t.object, t.note].map(words).into(),
            rows: rows.collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// A login that is a telephone number is shown as one.
fn mask_login(login: &str) -> String {
    let is_phone = login.len() >= 8 && login.bytes().all(|b| b.is_ascii_digit() || b == b'+');
    if is_phone { mask(login) } else { login.to_owned() }
}
