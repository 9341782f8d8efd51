//! Permits over the admin pages: each step by a person who signs in with their own account of the desk.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plume_alert::Desk;
use plume_alert::accounts::{Action, authorise};

use super::{Officer, Permit, Refusal, Wish};
use crate::roles::Context;

/// The desk of this process, where it has one.
#[derive(Clone)]
pub(crate) struct Accounts(pub(crate) Option<Desk>);

/// A step, and who takes it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    login: String,
    password: String,
    step: Wanted,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Wanted {
    Ask(Wish),
    Agree(String),
    Revoke(String),
}

/// Takes a step of a permit; answers with the permit as it then is.
pub(crate) async fn step(
    State(context): State<Context>,
    Extension(accounts): Extension<Accounts>,
    text: String,
) -> Response {
    let refused = |status, why: String| (status, why + "\n").into_response();
    // What was sent holds a password: no error quotes it.
    let Ok(asked) = serde_json::from_str::<Asked>(&text) else {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "not a step of a permit".to_owned());
    };
    let officer = match signed_in(&accounts, &asked.login, &asked.password).await {
        Ok(officer) => officer,
        Err(why) => return refused(StatusCode::FORBIDDEN, why),
    };
    let (permits, now) = (&context.permits, context.clock.now());
    let taken = match asked.step {
        Wanted::Ask(wish) if !context.registry.borrow().knows(wish.mn) => {
            let why = format!("MN {} is not in the registry", wish.mn);
            return refused(StatusCode::UNPROCESSABLE_ENTITY, why);
        }
        Wanted::Ask(wish) => permits.ask(wish, officer, now),
        Wanted::Agree(id) => permits.agree(&id, officer, now),
        Wanted::Revoke(id) => permits.revoke(&id, officer, now),
    };
    match taken {
        Ok(permit) => axum::Json(permit).into_response(),
        Err(error) => match error.downcast_ref::<Refusal>() {
            Some(why) => refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("{why} (hint: {})", why.hint()),
            ),
            None => refused(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
        },
    }
}

/// Every permit, the newest first.
pub(crate) async fn all(State(context): State<Context>) -> Response {
    let permits: Vec<Permit> = context.permits.all();
    axum::Json(permits).into_response()
}

/// Whoever has this account and may ask devices for anything.
async fn signed_in(accounts: &Accounts, login: &str, password: &str) -> Result<Officer, String> {
    let no_desk = "no desk runs here, so nobody can sign in (hint: ask the process with the role `desk`)";
    let desk = accounts.0.as_ref().ok_or(no_desk)?;
    let (_, role) = desk.sign_in(login, password).await.map_err(|error| error.to_string())?;
    if !authorise(role, Action::AskDevices) {
        return Err(format!(
            "`{login}` may not ask anything of devices: permits are for officers on duty"
        ));
    }
    Ok(Officer {
        login: login.trim().to_owned(),
    })
}
