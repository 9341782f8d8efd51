//! Accounts of a desk that does not run yet.

use std::path::Path;

use plume_alert::Desk;
use plume_alert::accounts::{Chance, Role, Scope, Viewer};
use plume_alert::config::AlertConfig;
use plume_alert::users::NewUser;
use plume_schemas::time::Clock;

/// The password of every officer here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Makes these accounts in the desk of a data directory, each with [`PASSWORD`], which also goes to `file`.
pub(crate) fn officers(data: &Path, file: &Path, accounts: &[(&str, Role)]) {
    std::fs::write(file, PASSWORD).unwrap();
    std::fs::create_dir_all(data).unwrap();
    let defaults: toml::Table = include_str!("../../default.toml").parse().unwrap();
    let config: AlertConfig = defaults["alert"].clone().try_into().unwrap();
    let store = format!("sqlite:{}", data.join("desk.db").display());
    let make = async {
        let clock = Clock::new(super::device::now);
        let metrics = prometheus::Registry::new();
        let desk = Desk::open(&store, &config, clock, &metrics, None).await.unwrap();
        let drawn = std::sync::atomic::AtomicU8::new(1);
        desk.set_chance(Chance::new(move || {
            Some([drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32])
        }));
        let admin = Viewer {
            name: "管理员".to_owned(),
            role: Role::Admin,
            scope: Scope::All,
        };
        let users: Vec<NewUser> = accounts
            .iter()
            .map(|(login, role)| NewUser {
                login: (*login).to_owned(),
                name: (*login).to_owned(),
                phone: String::new(),
                role: *role,
                scope: Scope::All,
            })
            .collect();
        for invitation in desk.add_users(&admin, &users).await.unwrap() {
            desk.accept(&invitation.token, PASSWORD).await.unwrap();
        }
    };
    tokio::runtime::Runtime::new().unwrap().block_on(make);
}
