//! Signing in, inviting, letting in: what works, and what is refused without saying why.

use std::sync::atomic::{AtomicU8, Ordering};

use plume_alert::Invitation;
use plume_alert::accounts::{Chance, Role, Scope, Token, Viewer};
use plume_alert::store::AuditKind;
use plume_alert::users::{LOCK_MS, MAX_FAILURES, MAX_WAITING, NewUser, SESSION_MS, UserError, UserState};

use crate::world::{World, branch};

const GOOD: &str = "correct horse battery";
const PHONE: &str = "13900001234";

/// A world whose chance counts up, so that no two draws are alike.
async fn world() -> World {
    let world = World::new().await;
    let count = AtomicU8::new(1);
    world
        .desk
        .set_chance(Chance::new(move || Some([count.fetch_add(1, Ordering::SeqCst); 32])));
    world
}

fn admin() -> Viewer {
    Viewer {
        name: "系统管理员".into(),
        role: Role::Admin,
        scope: Scope::All,
    }
}

fn security() -> Viewer {
    Viewer {
        role: Role::Security,
        ..admin()
    }
}

fn new_user(login: &str, role: &str, scope: &str) -> NewUser {
    NewUser::read(0, [login, "张环保", PHONE, role, scope]).unwrap()
}

fn officer() -> NewUser {
    new_user(PHONE, "enterprise", "91330100MA27X0AB1C")
}

async fn invited(world: &World, user: &NewUser) -> Invitation {
    let users = std::slice::from_ref(user);
    world.desk.add_users(&admin(), users).await.unwrap().remove(0)
}

async fn session(world: &World, token: &Token) -> Option<Viewer> {
    let session = world.desk.store().session(token, world.now()).await.unwrap();
    session.map(|session| session.viewer)
}

#[expect(clippy::needless_pass_by_value, reason = "the answer of a call, asked once")]
fn refused<T: std::fmt::Debug>(result: Result<T, UserError>) -> bool {
    matches!(result, Err(UserError::WrongCredentials))
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let world = world().await;
    let (login, password) = world.desk.first_admin().await.unwrap().unwrap();
    assert_eq!(world.desk.first_admin().await.unwrap(), None);
    let (token, role) = world.desk.sign_in(&login, &password).await.unwrap();
    assert_eq!(role, Role::Admin);
    assert_eq!(session(&world, &token).await.unwrap().role, Role::Admin);
    assert!(refused(world.desk.sign_in(&login, "something else").await));
    assert!(refused(world.desk.sign_in("nobody", &password).await));
    world.pass_time(12 * 3_600_000);
    assert_eq!(session(&world, &token).await, None, "a session ends after a shift");
}

#[tokio::test]
async fn guessing_puts_an_account_at_rest() {
    let world = world().await;
    let (login, password) = world.desk.first_admin().await.unwrap().unwrap();
    for _ in 0..MAX_FAILURES {
        assert!(refused(world.desk.sign_in(&login, "guess").await));
    }
    assert!(refused(world.desk.sign_in(&login, &password).await), "it rests");
    world.pass_time(LOCK_MS - 1);
    assert!(
        refused(world.desk.sign_in(&login, &password).await),
        "guesses at rest do not count"
    );
    world.pass_time(1);
    world.desk.sign_in(&login, &password).await.unwrap();
    let log = world.desk.store().audit(0, 100).await.unwrap();
    let count = |kind| log.iter().filter(|line| line.kind == kind).count();
    assert_eq!((count(AuditKind::Locked), count(AuditKind::SignedIn)), (1, 1));
    assert_eq!(count(AuditKind::SignInFailed), 7);
}

#[tokio::test]
async fn an_invitation_works_once_and_not_for_ever() {
    let world = world().await;
    let invitation = invited(&world, &officer()).await;
    let weak = world.desk.accept(&invitation.token, "short").await;
    assert!(matches!(weak, Err(UserError::Password(_))));
    let (token, role) = world.desk.accept(&invitation.token, GOOD).await.unwrap();
    assert_eq!(role, Role::Enterprise);
    assert!(matches!(
        session(&world, &token).await.unwrap().scope,
        Scope::Enterprise(_)
    ));
    let again = world.desk.accept(&invitation.token, "another password").await;
    assert!(matches!(again, Err(UserError::NoInvitation)));
    world.desk.sign_in(PHONE, GOOD).await.unwrap();

    let lost = invited(&world, &new_user("li", "read_only", "")).await;
    world.pass_time(7 * 86_400_000);
    assert!(matches!(
        world.desk.accept(&lost.token, GOOD).await,
        Err(UserError::NoInvitation)
    ));
    let forged = world.desk.accept(&Token::new([0; 32]), GOOD).await;
    assert!(matches!(forged, Err(UserError::NoInvitation)));
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    let world = world().await;
    let invitation = invited(&world, &officer()).await;
    let (token, _) = world.desk.accept(&invitation.token, GOOD).await.unwrap();
    let user = world.desk.users_of(&admin()).await.unwrap().remove(0);
    assert!(matches!(
        world.desk.disable(&branch("西区"), user.id).await,
        Err(UserError::NoSuchUser)
    ));
    world.desk.disable(&branch("东区"), user.id).await.unwrap();
    assert_eq!(session(&world, &token).await, None);
    assert!(refused(world.desk.sign_in(PHONE, GOOD).await));
    // Let in again, they set a new password.
    let back = world.desk.let_in(&admin(), user.id).await.unwrap();
    world.desk.accept(&back.token, "four unrelated words").await.unwrap();
}

#[tokio::test]
async fn a_table_is_taken_whole_or_not_at_all() {
    let world = world().await;
    invited(&world, &officer()).await;
    let table = format!("login,name,phone,role,scope\nli,李,,read_only,\n{PHONE},张,,read_only,\n");
    let refused = world.desk.import_users(&admin(), &table).await;
    assert!(matches!(refused, Err(UserError::Taken { .. })), "{refused:?}");
    assert_eq!(world.desk.users_of(&admin()).await.unwrap().len(), 1);
    assert!(matches!(
        world.desk.import_users(&branch("东区"), &table).await,
        Err(UserError::NotAllowed { .. })
    ));
    let table = "login,name,phone,role,scope\nli,李,,read_only,\nwu,吴,,city_duty,\n";
    assert_eq!(world.desk.import_users(&admin(), table).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_code_by_telephone_signs_in_once() {
    let world = world().await;
    let invitation = invited(&world, &officer()).await;
    world.desk.accept(&invitation.token, GOOD).await.unwrap();
    world.desk.request_code("13000000000").await.unwrap();
    world.desk.request_code(PHONE).await.unwrap();
    // It is sent beside the answer.
    while !world.heard.text().contains("验证码") {
        tokio::task::yield_now().await;
    }
    world.desk.request_code(PHONE).await.unwrap();
    assert_eq!(world.heard.count("登录验证码】"), 1, "one a minute");
    let heard = world.heard.text();
    let (_, after) = heard.split_once("登录验证码】").unwrap();
    let code: String = after.chars().take(6).collect();
    assert!(refused(world.desk.sign_in_by_code(PHONE, "000001").await));
    world.desk.sign_in_by_code(PHONE, &code).await.unwrap();
    assert!(
        refused(world.desk.sign_in_by_code(PHONE, &code).await),
        "a code is good once"
    );
    world.pass_time(60_000);
    world.desk.request_code(PHONE).await.unwrap();
    for _ in 0..5 {
        assert!(refused(world.desk.sign_in_by_code(PHONE, "000001").await));
    }
    while world.heard.count("登录验证码】") < 2 {
        tokio::task::yield_now().await;
    }
    let heard = world.heard.text();
    let code: String = heard.rsplit_once("登录验证码】").unwrap().1.chars().take(6).collect();
    assert!(
        refused(world.desk.sign_in_by_code(PHONE, &code).await),
        "five tries are enough"
    );
}

#[tokio::test]
async fn who_asks_is_let_in_by_their_own_branch() {
    let world = world().await;
    world.desk.register(&officer()).await.unwrap();
    world
        .desk
        .register(&new_user("13900001235", "enterprise", "91330100MA27X0ZZZZ"))
        .await
        .unwrap();
    assert!(world.desk.users_of(&branch("西区")).await.unwrap().is_empty());
    let waiting = world.desk.users_of(&branch("东区")).await.unwrap();
    assert_eq!(waiting.len(), 1, "an unknown enterprise has no accounts");
    assert_eq!(waiting[0].state, UserState::Waiting);
    let invitation = world.desk.let_in(&branch("东区"), waiting[0].id).await.unwrap();
    world.desk.accept(&invitation.token, GOOD).await.unwrap();
    for n in 0..MAX_WAITING + 3 {
        let user = new_user(&format!("1380000000{n}"), "enterprise", "91330100MA27X0AB1C");
        world.desk.register(&user).await.unwrap();
    }
    let all = world.desk.users_of(&admin()).await.unwrap();
    let waiting = all.iter().filter(|user| user.state == UserState::Waiting).count();
    assert_eq!(waiting, MAX_WAITING as usize);
}

#[tokio::test]
async fn nobody_makes_themselves_a_lead_officer() {
    let world = world().await;
    let lead = new_user("zheng", "lead_officer", "");
    assert!(world.desk.add_users(&admin(), &[lead]).await.unwrap().is_empty());
    let user = world.desk.users_of(&admin()).await.unwrap().remove(0);
    assert!(matches!(
        world.desk.let_in(&admin(), user.id).await,
        Err(UserError::NoSuchUser)
    ));
    let invitation = world.desk.let_in(&security(), user.id).await.unwrap();
    world.desk.accept(&invitation.token, GOOD).await.unwrap();
}

#[tokio::test]
async fn the_log_of_operations_is_append_only() {
    let world = world().await;
    world.desk.first_admin().await.unwrap();
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let error = crate::postgres::run_on(&world.url, sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_session_ends_after_a_shift_and_its_token_is_worth_nothing() {
    let world = world().await;
    let invitation = invited(&world, &officer()).await;
    let (token, _) = world.desk.accept(&invitation.token, GOOD).await.unwrap();
    world.pass_time(SESSION_MS - 1);
    assert!(session(&world, &token).await.is_some());
    world.pass_time(1);
    assert_eq!(session(&world, &token).await, None);
    let (again, role) = world.desk.sign_in(PHONE, GOOD).await.unwrap();
    assert_eq!(role, Role::Enterprise);
    assert!(session(&world, &again).await.is_some());
    assert_eq!(session(&world, &Token::new([0; 32])).await, None, "a forged token");
}
