//! Every address of the desk in one table: method, path, who may, handler. There is no other way to add one, so
//! nothing is served that the table does not authorise; `tests/it/desk/roles.rs` asks each route as each role.

use axum::routing::{MethodRouter, get, post};

use super::pages::{
    act, bulletin, case, checks, conformance, device, duty, enrol, enter, faults, link, login, marks, numbers, orders,
    outlet, overview, phone, photos, problems, records, registry, reports, silences, tables, users,
};
use super::state::DeskState;
use super::text::Texts;
use super::{assets, live, series};
use crate::accounts::{Action, Role};
use crate::case::ActKind;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anybody: the way in, the stylesheet.
    Nobody,
    /// Whoever is signed in.
    Somebody,
    /// Those of the bureau (and read-only guests) who may do this.
    Office(Action),
    /// The officers who answer for what happens: they review and silence.
    Duty,
    /// Those who answer for the desk's tables.
    Tables,
    /// The enterprise and its contractor, if they may do this.
    Site(Action),
    /// Either side, if they may do this.
    Both(Action),
}

impl Need {
    /// True where the role may.
    pub const fn met_by(self, role: Role) -> bool {
        match self {
            Self::Nobody | Self::Somebody => true,
            Self::Office(action) => !is_site(role) && crate::accounts::authorise(role, action),
            Self::Duty => crate::mute::silence::may_silence(role),
            Self::Tables => crate::tables::TableKind::may_change_any(role),
            Self::Site(action) => is_site(role) && crate::accounts::authorise(role, action),
            Self::Both(action) => crate::accounts::authorise(role, action),
        }
    }

    /// Where a person who asked for the other side's page is sent instead.
    pub(crate) const fn elsewhere(self, role: Role) -> Option<&'static str> {
        match self {
            Self::Office(_) | Self::Duty | Self::Tables if is_site(role) => Some("/m"),
            Self::Site(_) if !is_site(role) && crate::accounts::authorise(role, Action::ViewCases) => Some("/"),
            _ => None,
        }
    }
}

/// True for the enterprise and its contractor.
pub(crate) const fn is_site(role: Role) -> bool {
    matches!(role, Role::Enterprise | Role::Contractor)
}

/// The first page of a role.
pub(crate) const fn home(role: Role) -> &'static str {
    match role {
        Role::Enterprise | Role::Contractor => "/m",
        // Keeps accounts, and sees nothing of what is measured.
        Role::Security => "/users",
        _ => "/",
    }
}

/// One address.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Its path, with axum's placeholders.
    pub path: &'static str,
    /// Who may.
    pub need: Need,
    /// What answers.
    pub(crate) handler: fn() -> MethodRouter<DeskState>,
}

const VIEW: Action = Action::ViewCases;
const DEVICE: Action = Action::AskDevices;
const REGISTRY: Action = Action::EditRegistry;
const COMMENT: Action = Action::Act(ActKind::Comment);
const ANSWER: Action = Action::Act(ActKind::Answer);
const FAULT: Action = Action::Act(ActKind::ReportFault);
const OFFICER: Action = Action::Act(ActKind::ContactOfficer);

macro_rules! routes {
    ($($method:ident $path:literal, $need:expr, $handler:path;)+) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            need: $need,
            handler: || routes!(@ $method $handler),
        },)+]
    };
    (@ GET $handler:path) => { get($handler) };
    (@ POST $handler:path) => { post($handler) };
}

/// The table.
pub static ROUTES: &[Route] = routes! {
    GET "/assets/{hash}/{name}", Need::Nobody, assets::get;
    GET "/enter/{token}", Need::Nobody, enter::enter;
    GET "/login", Need::Nobody, login::form;
    POST "/login", Need::Nobody, login::sign_in;
    POST "/login/code", Need::Nobody, login::send_code;
    POST "/login/verify", Need::Nobody, login::verify;
    GET "/register", Need::Nobody, login::register_form;
    POST "/register", Need::Nobody, login::register;
    GET "/invite/{token}", Need::Nobody, login::invited;
    POST "/invite/{token}", Need::Nobody, login::accept;
    GET "/a/{text}", Need::Nobody, link::look;
    POST "/a/{text}", Need::Nobody, link::follow;
    POST "/receipts/{name}", Need::Nobody, faults::receipt;
    POST "/leave", Need::Somebody, enter::leave;

    GET "/", Need::Office(VIEW), duty::page;
    GET "/parts/strip", Need::Office(VIEW), duty::strip;
    GET "/parts/filters", Need::Office(VIEW), duty::filters_part;
    GET "/parts/list", Need::Office(VIEW), duty::list;
    GET "/parts/cases/{id}", Need::Office(VIEW), case::summary;
    GET "/alerts/{id}", Need::Office(VIEW), case::page;
    POST "/alerts/{id}/acts/acknowledge", Need::Office(COMMENT), act::acknowledge;
    POST "/alerts/{id}/acts/withdraw", Need::Office(COMMENT), act::withdraw;
    POST "/alerts/{id}/acts/write", Need::Office(COMMENT), act::write;

    GET "/outlets/{id}", Need::Office(VIEW), outlet::outlet;
    GET "/enterprises/{id}", Need::Office(VIEW), outlet::enterprise;
    GET "/devices", Need::Office(VIEW), overview::devices;
    GET "/devices/{mn}", Need::Office(VIEW), device::page;
    GET "/devices/{mn}/conformance", Need::Office(DEVICE), conformance::page;
    GET "/devices/{mn}/orders", Need::Office(DEVICE), orders::page;
    POST "/devices/{mn}/orders", Need::Office(DEVICE), orders::give;
    GET "/devices/{mn}/events", Need::Office(VIEW), device::events;
    GET "/reports", Need::Office(VIEW), reports::list;
    GET "/outlets/{id}/report", Need::Office(VIEW), reports::page;
    GET "/bulletin", Need::Office(VIEW), bulletin::page;
    GET "/reminders", Need::Office(VIEW), bulletin::reminders;
    GET "/overview", Need::Office(VIEW), overview::overview;
    GET "/statistics", Need::Office(VIEW), numbers::statistics;
    GET "/handover", Need::Office(VIEW), records::handover;
    GET "/problems", Need::Office(VIEW), problems::list;
    GET "/problems/{id}", Need::Office(VIEW), problems::page;
    POST "/problems/{id}/review", Need::Duty, problems::review;
    GET "/silences", Need::Office(VIEW), silences::list;
    POST "/silences/{id}/end", Need::Duty, silences::end;
    GET "/alerts/{id}/silence", Need::Duty, silences::form;
    POST "/alerts/{id}/silence", Need::Duty, silences::add;
    GET "/registry", Need::Office(VIEW), registry::page;
    GET "/registry/import", Need::Office(REGISTRY), registry::import_form;
    POST "/registry/upload", Need::Office(REGISTRY), registry::upload;
    GET "/registry/sheets/{file}", Need::Office(REGISTRY), registry::sheet;
    GET "/registry/rows", Need::Office(REGISTRY), registry::rows;
    GET "/registry/edit", Need::Office(REGISTRY), registry::edit_form;
    POST "/registry/edit", Need::Office(REGISTRY), registry::edit;
    GET "/registry/drafts/{draft}", Need::Office(REGISTRY), registry::draft;
    POST "/registry/drafts/{draft}", Need::Office(REGISTRY), registry::record;
    GET "/waiting", Need::Office(REGISTRY), enrol::list;
    GET "/waiting/{mn}", Need::Office(REGISTRY), enrol::form;
    POST "/waiting/{mn}", Need::Office(REGISTRY), enrol::register;
    GET "/rules", Need::Office(VIEW), overview::rules;
    GET "/tables", Need::Office(VIEW), tables::page;
    GET "/tables/{table}", Need::Office(VIEW), tables::download;
    POST "/tables/{table}", Need::Tables, tables::change;
    GET "/decode", Need::Office(VIEW), records::decode_form;
    POST "/decode", Need::Office(VIEW), records::decode;
    GET "/system", Need::Office(Action::ViewSystem), numbers::system;
    GET "/users", Need::Office(Action::ViewUsers), users::list;
    POST "/users/add", Need::Office(Action::AddUsers), users::add;
    POST "/users/import", Need::Office(Action::AddUsers), users::import;
    POST "/users/{id}/invite", Need::Office(Action::ViewUsers), users::invite;
    POST "/users/{id}/disable", Need::Office(Action::ViewUsers), users::disable;
    GET "/audit", Need::Office(Action::ViewAudit), users::audit;

    GET "/m", Need::Site(VIEW), phone::home;
    GET "/m/parts/list", Need::Site(VIEW), phone::list;
    GET "/m/alerts/{id}", Need::Site(VIEW), phone::case;
    POST "/m/alerts/{id}/acts/acknowledge", Need::Site(COMMENT), act::acknowledge;
    POST "/m/alerts/{id}/acts/withdraw", Need::Site(COMMENT), act::withdraw;
    GET "/m/alerts/{id}/answer", Need::Site(ANSWER), phone::answer_form;
    POST "/m/alerts/{id}/answer", Need::Site(ANSWER), phone::answer;
    GET "/m/alerts/{id}/fault", Need::Site(FAULT), phone::fault_form;
    POST "/m/alerts/{id}/fault", Need::Site(FAULT), phone::fault;
    GET "/m/alerts/{id}/officer", Need::Site(OFFICER), phone::officer_form;
    POST "/m/alerts/{id}/officer", Need::Site(OFFICER), phone::officer;

    POST "/m/alerts/{id}/photos", Need::Site(ANSWER), photos::add_to_case;
    POST "/m/problems/{id}/photos", Need::Site(ANSWER), photos::add_to_problem;
    GET "/m/problems/{id}", Need::Site(VIEW), problems::phone_page;
    POST "/m/problems/{id}/submit", Need::Site(ANSWER), problems::submit;

    GET "/faults/{number}", Need::Both(VIEW), faults::page;
    POST "/faults/{number}/samples", Need::Site(FAULT), faults::sample;
    POST "/faults/{number}/repaired", Need::Site(FAULT), faults::repaired;
    GET "/marks", Need::Both(Action::Mark), marks::form;
    POST "/marks", Need::Both(Action::Mark), marks::add;
    POST "/marks/import", Need::Both(Action::Mark), marks::import;
    GET "/outlets/{id}/checks", Need::Both(VIEW), checks::form;
    POST "/outlets/{id}/checks", Need::Both(Action::EnterChecks), checks::add;
    POST "/outlets/{id}/checks/import", Need::Both(Action::EnterChecks), checks::import;
    GET "/files/{id}", Need::Both(VIEW), photos::get;
    GET "/events", Need::Both(VIEW), live::events;
    GET "/api/series/{id}", Need::Both(VIEW), series::get;
};

/// The navigation of a role: the pages it may open.
pub(crate) fn navigation(role: Role, t: &'static Texts, address: &str, decodes: bool) -> Vec<super::shell::NavItem> {
    let path = address.split('?').next().unwrap_or_default();
    let entries = [
        ("/", t.duty),
        ("/overview", t.overview),
        ("/devices", t.devices_page),
        ("/problems", t.rectification),
        ("/reminders", t.reminders),
        ("/statistics", t.statistics),
        ("/bulletin", t.bulletin),
        ("/reports", t.reports),
        ("/handover", t.handover),
        ("/silences", t.silences),
        ("/marks", t.marks),
        ("/registry", t.registry),
        ("/rules", t.rules),
        ("/tables", t.tables),
        ("/decode", t.decode),
        ("/users", t.users),
        ("/audit", t.audit),
        ("/system", t.system),
    ];
    entries
        .into_iter()
        .filter(|(href, _)| *href != "/decode" || decodes)
        .filter(|(href, _)| {
            ROUTES
                .iter()
                .any(|route| route.path == *href && route.need.met_by(role))
        })
        .map(|(href, word)| super::shell::NavItem {
            href,
            word,
            here: href == path,
        })
        .collect()
}
