//! The ways in: password, code by telephone, invitation, and asking for an account. Nobody is signed in here, so there
//! is no token to check; requests that another site made are refused by the guard.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::accounts::{Role, Token};
use crate::desk::auth::{Asked, session_cookie};
use crate::desk::problem::{Problem, html};
use crate::desk::routes;
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts};
use crate::desk::view::case::Link;
use crate::notify::Channel;
use crate::users::{NewUser, UserError};
use crate::words::Lang;

/// One form of the entrance.
struct Entry {
    id: &'static str,
    heading: &'static str,
    about: String,
    action: String,
    fields: Vec<Field>,
    button: &'static str,
}

/// One line of a form.
struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    value: String,
}

/// A sentence above the forms.
struct Said {
    word: String,
    bad: bool,
}

#[derive(Template)]
#[template(path = "entrance.html")]
struct Entrance {
    shell: Shell,
    notices: Vec<Said>,
    forms: Vec<Entry>,
    link: Option<Link>,
}

fn field(name: &'static str, label: &'static str, kind: &'static str, autocomplete: &'static str) -> Field {
    Field {
        name,
        label,
        kind,
        autocomplete,
        value: String::new(),
    }
}

fn password_form(t: &'static Texts) -> Entry {
    Entry {
        id: "password",
        heading: t.sign_in_here,
        about: String::new(),
        action: "/login".to_owned(),
        fields: vec![
            field("login", t.login, "text", "username"),
            field("password", t.password, "password", "current-password"),
        ],
        button: t.sign_in_here,
    }
}

fn code_form(t: &'static Texts) -> Entry {
    Entry {
        id: "code",
        heading: t.sign_in_by_code,
        about: String::new(),
        action: "/login/code".to_owned(),
        fields: vec![field("phone", t.phone, "tel", "tel")],
        button: t.send_code,
    }
}

fn entrance(state: &DeskState, lang: Lang, said: Option<Said>) -> Result<Response, Problem> {
    let t = lang.texts();
    let mut forms = vec![password_form(t)];
    if state.desk().carries(Channel::Sms) {
        forms.push(code_form(t));
    }
    html(&Entrance {
        shell: Shell::stranger(lang, "/login", t.sign_in_here),
        notices: said.into_iter().collect(),
        forms,
        link: Some(Link {
            word: t.ask_account.to_owned(),
            href: "/register".to_owned(),
        }),
    })
}

fn bad(error: &UserError, lang: Lang) -> Said {
    Said {
        word: match lang {
            Lang::Zh => error.zh(),
            Lang::En => format!("{error}; {}", error.hint()),
        },
        bad: true,
    }
}

/// What the store or chance failed at is no matter of the form.
fn told(error: UserError, lang: Lang) -> Result<Said, Problem> {
    match error {
        UserError::Store(error) => Err(error.into()),
        UserError::NoChance => {
            tracing::error!("the desk has no source of chance: nobody can sign in");
            Err(Problem::Failed)
        }
        error => Ok(bad(&error, lang)),
    }
}

fn signed_in(state: &DeskState, token: &Token, role: Role) -> Response {
    let cookie = session_cookie(token, state.options().secure_cookies);
    ([(header::SET_COOKIE, cookie)], Redirect::to(routes::home(role))).into_response()
}

/// `GET /login`.
pub(crate) async fn form(State(state): State<DeskState>, Asked(lang): Asked) -> Result<Response, Problem> {
    entrance(&state, lang, None)
}

/// Login and password.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    login: String,
    password: String,
}

/// `POST /login`.
pub(crate) async fn sign_in(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Form(given): Form<Credentials>,
) -> Result<Response, Problem> {
    match state.desk().sign_in(&given.login, &given.password).await {
        Ok((token, role)) => Ok(signed_in(&state, &token, role)),
        Err(error) => entrance(&state, lang, Some(told(error, lang)?)),
    }
}

/// A telephone number.
#[derive(Debug, Deserialize)]
pub(crate) struct Phone {
    phone: String,
}

/// `POST /login/code`: the answer is the same whether the number is known or not.
pub(crate) async fn send_code(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Form(Phone { phone }): Form<Phone>,
) -> Result<Response, Problem> {
    let sent = state.desk().request_code(&phone).await;
    let problem = sent.err().map(|error| told(error, lang)).transpose()?;
    code_page(lang, phone, problem)
}

fn code_page(lang: Lang, phone: String, problem: Option<Said>) -> Result<Response, Problem> {
    let t = lang.texts();
    let mut known = field("phone", t.phone, "tel", "tel");
    known.value = phone;
    html(&Entrance {
        shell: Shell::stranger(lang, "/login", t.sign_in_by_code),
        notices: problem.into_iter().collect(),
        forms: vec![Entry {
            id: "verify",
            heading: t.sign_in_by_code,
            about: t.code_sent.to_owned(),
            action: "/login/verify".to_owned(),
            fields: vec![known, field("code", t.login_code, "text", "one-time-code")],
            button: t.sign_in_here,
        }],
        link: Some(Link {
            word: t.back.to_owned(),
            href: "/login".to_owned(),
        }),
    })
}

/// Number and code.
#[derive(Deserialize)]
pub(crate) struct Code {
    phone: String,
    code: String,
}

/// `POST /login/verify`.
pub(crate) async fn verify(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Form(given): Form<Code>,
) -> Result<Response, Problem> {
    match state.desk().sign_in_by_code(&given.phone, &given.code).await {
        Ok((token, role)) => Ok(signed_in(&state, &token, role)),
        Err(error) => code_page(lang, given.phone, Some(told(error, lang)?)),
    }
}

fn invite_page(lang: Lang, address: &str, name: &str, problem: Option<Said>) -> Result<Response, Problem> {
    let t = lang.texts();
    html(&Entrance {
        shell: Shell::stranger(lang, address, t.set_password),
        notices: problem.into_iter().collect(),
        forms: vec![Entry {
            id: "invite",
            heading: t.set_password,
            about: format!("{name} · {}", t.set_password_hint),
            action: address.to_owned(),
            fields: vec![field("password", t.password, "password", "new-password")],
            button: t.set_password,
        }],
        link: None,
    })
}

/// `GET /invite/{token}`.
pub(crate) async fn invited(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let parsed = Token::parse(&token).ok_or(Problem::BadLink)?;
    let user = state.desk().invited(&parsed).await?.ok_or(Problem::BadLink)?;
    invite_page(lang, &format!("/invite/{token}"), &user.name, None)
}

/// A password to be.
#[derive(Deserialize)]
pub(crate) struct NewPassword {
    password: String,
}

/// `POST /invite/{token}`.
pub(crate) async fn accept(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Path(token): Path<String>,
    Form(given): Form<NewPassword>,
) -> Result<Response, Problem> {
    let parsed = Token::parse(&token).ok_or(Problem::BadLink)?;
    match state.desk().accept(&parsed, &given.password).await {
        Ok((session, role)) => Ok(signed_in(&state, &session, role)),
        Err(UserError::NoInvitation) => Err(Problem::BadLink),
        Err(error) => {
            let name = state
                .desk()
                .invited(&parsed)
                .await?
                .map_or_else(String::new, |user| user.name);
            invite_page(lang, &format!("/invite/{token}"), &name, Some(told(error, lang)?))
        }
    }
}

fn register_page(lang: Lang, said: Option<Said>) -> Result<Response, Problem> {
    let t = lang.texts();
    html(&Entrance {
        shell: Shell::stranger(lang, "/register", t.ask_account),
        notices: said.into_iter().collect(),
        forms: vec![Entry {
            id: "register",
            heading: t.ask_account,
            about: t.ask_account_hint.to_owned(),
            action: "/register".to_owned(),
            fields: vec![
                field("enterprise", t.credit_code, "text", "off"),
                field("name", t.person, "text", "name"),
                field("phone", t.phone, "tel", "tel"),
            ],
            button: t.send,
        }],
        link: Some(Link {
            word: t.back.to_owned(),
            href: "/login".to_owned(),
        }),
    })
}

/// `GET /register`.
pub(crate) async fn register_form(Asked(lang): Asked) -> Result<Response, Problem> {
    register_page(lang, None)
}

/// Who asks for an account.
#[derive(Debug, Deserialize)]
pub(crate) struct Registration {
    enterprise: String,
    name: String,
    phone: String,
}

/// `POST /register`: the telephone number becomes the login.
pub(crate) async fn register(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Form(asked): Form<Registration>,
) -> Result<Response, Problem> {
    let role = Role::Enterprise.code();
    let read = NewUser::read(0, [&asked.phone, &asked.name, &asked.phone, role, &asked.enterprise]);
    let done = match read {
        Ok(user) => state.desk().register(&user).await,
        Err(error) => Err(error),
    };
    let said = match done {
        Ok(()) => Said {
            word: lang.texts().ask_account_done.to_owned(),
            bad: false,
        },
        Err(error) => told(error, lang)?,
    };
    register_page(lang, Some(said))
}
