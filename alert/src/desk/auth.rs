//! Who is asking: the session behind the cookie, the language, and the token that proves a form came from our own page.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::routes::Need;
use super::state::{DeskState, Trouble};
use crate::accounts::{Token, Viewer};
use crate::words::Lang;

/// Cookie of the session: the token, readable by no script.
pub(crate) const SESSION_COOKIE: &str = "plume_session";
/// Cookie of the language.
pub(crate) const LANG_COOKIE: &str = "plume_lang";
/// The language is remembered for a year.
const LANG_MAX_AGE_S: u32 = 31_536_000;

/// The person behind a request, known to the guard.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Who they are and what they may see.
    pub(crate) viewer: Viewer,
    /// Their session was made by a command on this machine, whose link stays good.
    pub(crate) demo: bool,
    /// The clock is virtual (D3), and what is measured simulated.
    pub(crate) virtual_clock: bool,
    /// What their forms carry.
    pub(crate) csrf: String,
    /// What they read.
    pub(crate) lang: Lang,
    /// Path and query they asked for.
    pub(crate) address: String,
    /// Whether the desk can take packets apart, which the navigation shows.
    pub(crate) decodes: bool,
    /// What plume cannot do at the moment.
    pub(crate) troubles: Vec<Trouble>,
    /// What their cookie holds.
    pub(crate) token: Token,
    /// When they asked.
    pub(crate) now: Time,
}

impl Visitor {
    /// True for the enterprise and its contractor: those who get the phone page, and never a lead.
    pub(crate) fn is_site(&self) -> bool {
        super::routes::is_site(self.viewer.role)
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a route of the table that needs nobody comes here without the guard's word.
        parts.extensions.get::<Self>().cloned().ok_or(Problem::SignIn)
    }
}

/// The language of a request, for pages that need nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(pub(crate) Lang);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(language(parts.uri.query(), &parts.headers)))
    }
}

/// What a form's token is: derived from the session's, so that nothing needs keeping, and useless for finding it.
fn csrf_of(token: &Token) -> String {
    ContentId::of(&[b"form", token.reveal().as_bytes()]).to_string()
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// `?lang=` first, then the cookie, then Chinese.
pub(crate) fn language(query: Option<&str>, headers: &HeaderMap) -> Lang {
    asked_language(query)
        .or_else(|| cookie(headers, LANG_COOKIE).and_then(Lang::from_code))
        .unwrap_or(Lang::Zh)
}

fn asked_language(query: Option<&str>) -> Option<Lang> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == "lang").then(|| Lang::from_code(value))?)
}

/// Remembers the language that was asked for.
pub(crate) async fn remember_language(request: Request, next: Next) -> Response {
    let asked = asked_language(request.uri().query());
    let mut response = next.run(request).await;
    if let Some(lang) = asked {
        let cookie = format!(
            "{LANG_COOKIE}={}; Path=/; Max-Age={LANG_MAX_AGE_S}; SameSite=Lax",
            lang.code()
        );
        if let Ok(value) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Lets a request through to its handler if the table says so.
pub(crate) async fn guard(
    State((state, need)): State<(DeskState, Need)>,
    mut request: Request,
    next: Next,
) -> Response {
    let lang = language(request.uri().query(), request.headers());
    let address = request
        .uri()
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let refuse = |problem: Problem| problem.page(lang, &address);
    if foreign(&request) {
        return refuse(Problem::Forbidden);
    }
    if need == Need::Nobody {
        return told(next.run(request).await, lang, &address);
    }
    let token = cookie(request.headers(), SESSION_COOKIE).and_then(Token::parse);
    let visitor = match find(&state, token, lang, &address).await {
        Ok(visitor) => visitor,
        Err(problem) => return refuse(problem),
    };
    if !need.met_by(visitor.viewer.role) {
        return match need.elsewhere(visitor.viewer.role) {
            Some(home) if request.method() == Method::GET => axum::response::Redirect::to(home).into_response(),
            _ => refuse(Problem::Forbidden),
        };
    }
    request.extensions_mut().insert(visitor);
    told(next.run(request).await, lang, &address)
}

/// A handler that failed left its problem for the page to be made here, where the language is known.
fn told(response: Response, lang: Lang, address: &str) -> Response {
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.page(lang, address),
        None => response,
    }
}

/// A request another site made the browser send. Old browsers that do not say so are held by the form's token.
fn foreign(request: &Request) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let site = request
        .headers()
        .get("sec-fetch-site")
        .and_then(|value| value.to_str().ok());
    !safe && matches!(site, Some("cross-site" | "same-site"))
}

async fn find(state: &DeskState, token: Option<Token>, lang: Lang, address: &str) -> Result<Visitor, Problem> {
    let token = token.ok_or(Problem::SignIn)?;
    let session = state
        .store()
        .session(&token, state.now())
        .await?
        .ok_or(Problem::SignIn)?;
    Ok(Visitor {
        viewer: session.viewer,
        demo: session.demo,
        virtual_clock: state.options().virtual_clock,
        csrf: csrf_of(&token),
        lang,
        address: address.to_owned(),
        decodes: state.decodes(),
        troubles: state.troubles(),
        token,
        now: state.now(),
    })
}

/// A form of ours, with its token checked. Every handler that changes something takes one.
#[derive(Debug)]
pub(crate) struct Signed<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Signed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let expected = request
            .extensions()
            .get::<Visitor>()
            .map(|visitor| visitor.csrf.clone());
        let expected = expected.ok_or(Problem::SignIn)?;
        let Form(mut fields) = Form::<BTreeMap<String, String>>::from_request(request, state)
            .await
            .map_err(|_| Problem::BadRequest)?;
        // Both are hashes of what only this browser holds: an early end of the comparison tells nothing of the token.
        if fields.remove("csrf") != Some(expected) {
            return Err(Problem::Forbidden);
        }
        let fields = fields.into_iter().map(|(name, value)| (name, value.into()));
        let form = serde_json::from_value(serde_json::Value::Object(fields.collect()));
        form.map(Self).map_err(|_| Problem::BadRequest)
    }
}

/// The cookie that begins a session.
pub(crate) fn session_cookie(token: &Token, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{SESSION_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax{secure}",
        token.reveal()
    )
}

/// The cookie that ends it.
pub(crate) fn no_session_cookie() -> String {
    format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_asked_then_remembered_then_chinese() {
        let mut headers = HeaderMap::new();
        assert_eq!(language(None, &headers), Lang::Zh);
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; plume_lang=en"));
        assert_eq!(language(None, &headers), Lang::En);
        assert_eq!(language(Some("x=1&lang=zh"), &headers), Lang::Zh);
        assert_eq!(language(Some("lang=tlh"), &headers), Lang::En);
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("xplume_session=1; plume_session=2"),
        );
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("2"));
    }
}
