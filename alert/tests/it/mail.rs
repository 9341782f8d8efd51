//! Mail against an SMTP server in this process that accepts, puts off, refuses, goes silent, and is not there.

use std::sync::{Arc, Mutex};

use plume_alert::notify::Channel;
use plume_schemas::rule::RuleCode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{MINUTE, World, near};

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Accepts,
    /// 450 to every recipient: greylisting.
    PutsOff,
    /// 550 to every recipient.
    Refuses,
    /// Takes the mail and hangs up without the answer.
    LosesItsAnswer,
}

/// A server on a port of its own; mails taken so far.
struct Server {
    port: u16,
    manner: Arc<Mutex<Manner>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            manner: Arc::new(Mutex::new(manner)),
            mails: Arc::default(),
        };
        let (manner, mails) = (Arc::clone(&server.manner), Arc::clone(&server.mails));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&manner), Arc::clone(&mails)));
            }
        });
        server
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

/// One connection (RFC 5321, as much as a client asks for). An error ends it.
async fn talk(stream: TcpStream, manner: Arc<Mutex<Manner>>, mails: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let manner = *manner.lock().unwrap();
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_uppercase();
        let answer = match (verb.as_str(), manner) {
            ("EHLO", _) => "250-test\r\n250 8BITMIME\r\n",
            ("RCPT", Manner::PutsOff) => "450 4.7.1 greylisted, try again\r\n",
            ("RCPT", Manner::Refuses) => "550 5.1.1 no such user\r\n",
            ("DATA", _) => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await? == 0 {
                        return Ok(());
                    }
                }
                mails.lock().unwrap().push(mail);
                if manner == Manner::LosesItsAnswer {
                    return Ok(());
                }
                "250 taken\r\n"
            }
            ("QUIT", _) => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A desk that mails to this port; the console is off, so short messages go by mail.
async fn desk_on(port: u16) -> World {
    let mut config = crate::world::config();
    config.console.enabled = false;
    config.mail.enabled = true;
    config.mail.port = port;
    World::with(config).await
}

async fn states(world: &World) -> Vec<String> {
    let case = world.only_case().await;
    world.notices(case.id).await
}

/// The header line that starts with `name`, with its folded lines.
fn header(mail: &str, name: &str) -> String {
    let mut found = String::new();
    for line in mail.lines() {
        if line.starts_with(name) {
            found.push_str(line);
        } else if !found.is_empty() {
            match line.strip_prefix([' ', '\t']) {
                Some(folded) => found.push_str(folded),
                None => break,
            }
        }
    }
    found
}

#[tokio::test]
async fn a_mail_carries_subject_text_html_and_key() {
    let server = Server::start(Manner::Accepts).await;
    let world = desk_on(server.port).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    let mail = mails
        .iter()
        .find(|mail| mail.contains("To: zhang@example.com"))
        .unwrap();
    assert!(header(mail, "Subject:").contains("=?utf-8?b?"), "{mail}");
    assert!(header(mail, "Date:").contains("Sat, 21 Nov 2026 06:25:00"), "{mail}");
    assert!(mail.contains("Content-Type: text/plain; charset=utf-8"));
    assert!(mail.contains("Content-Type: text/html; charset=utf-8"));
    let case = world.only_case().await;
    let notices = world
        .desk
        .store()
        .notices(&crate::world::duty(), case.id)
        .await
        .unwrap();
    let sent = notices.iter().find(|n| n.receiver == "张环保").unwrap();
    assert_eq!(header(mail, "Message-ID:"), format!("Message-ID: <{}@plume>", sent.id));
    assert_eq!(sent.address, "z***@example.com");
    assert_eq!(sent.sent_at, Some(world.now()));
}

#[tokio::test]
async fn greylisting_is_tried_again_with_growing_pauses() {
    let server = Server::start(Manner::PutsOff).await;
    let world = desk_on(server.port).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    assert_eq!(server.mails().len(), 0);
    world.pass_time(29_000);
    assert!(world.desk.send_due(world.now()).await.unwrap().is_empty());
    world.pass_time(1_000);
    assert_eq!(world.desk.send_due(world.now()).await.unwrap().failed, 2);
    server.set(Manner::Accepts);
    world.pass_time(59_000);
    assert!(world.desk.send_due(world.now()).await.unwrap().is_empty());
    world.pass_time(1_000);
    assert_eq!(world.desk.send_due(world.now()).await.unwrap().sent, 2);
    let case = world.only_case().await;
    let notices = world
        .desk
        .store()
        .notices(&crate::world::duty(), case.id)
        .await
        .unwrap();
    assert!(
        notices
            .iter()
            .filter(|n| n.state == "sent")
            .all(|n| n.attempts == 3 && n.error.is_none())
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let server = Server::start(Manner::Refuses).await;
    let world = desk_on(server.port).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    world.pass_time(4 * MINUTE);
    world.send_all().await;
    assert!(
        states(&world)
            .await
            .contains(&"enterprise/张环保/mail/first/failed/refused".to_owned())
    );
    let case = world.only_case().await;
    let notices = world
        .desk
        .store()
        .notices(&crate::world::duty(), case.id)
        .await
        .unwrap();
    let error = notices.iter().find_map(|n| n.error.clone()).unwrap();
    assert!(error.contains("no such user"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_costs_one_attempt_a_pass_and_no_notice() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let world = desk_on(port).await;
    for (offset, rule) in [RuleCode::Const, RuleCode::Miss, RuleCode::Freq]
        .into_iter()
        .enumerate()
    {
        let fault = crate::world::event(rule, plume_schemas::event::Edge::Opened, "20261121142500");
        world.apply(&fault.from(offset as u64)).await;
    }
    world.pass_time(MINUTE);
    let pass = world.desk.send_due(world.now()).await.unwrap();
    assert_eq!((pass.sent, pass.failed), (0, 1), "{pass:?}");
    assert!(pass.held >= 1);
    // The worker knocks all day, and no notice is given up.
    for _ in 0..24 * 60 {
        world.pass_time(MINUTE);
        assert_eq!(world.desk.send_due(world.now()).await.unwrap().sent, 0);
    }
    // It comes back a day later on the same port: everything still worth saying is said once.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let (manner, taken) = (Arc::new(Mutex::new(Manner::Accepts)), Arc::clone(&mails));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, Arc::clone(&manner), Arc::clone(&taken)));
        }
    });
    world.pass_time(30 * MINUTE);
    world.send_all().await;
    // The silent device explains its stuck value; the rest is said once to each: three urgent notices, none bundled.
    assert_eq!(mails.lock().unwrap().len(), 3);
    insta::assert_debug_snapshot!(states_of_all(&world).await);
}

async fn states_of_all(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for case in world.cases().await {
        lines.extend(world.notices(case.id).await);
    }
    lines
}

#[tokio::test]
async fn a_lost_answer_repeats_one_mail_with_the_same_key() {
    let server = Server::start(Manner::LosesItsAnswer).await;
    let world = desk_on(server.port).await;
    world.apply(&near("20261121142500").from(1)).await;
    assert_eq!(world.desk.send_due(world.now()).await.unwrap().sent, 0);
    server.set(Manner::Accepts);
    world.pass_time(30_000);
    world.send_all().await;
    let keys: Vec<String> = server.mails().iter().map(|mail| header(mail, "Message-ID:")).collect();
    let mut distinct = keys.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((keys.len(), distinct.len()), (3, 2), "{keys:?}");
}

#[tokio::test]
async fn a_channel_can_be_tried() {
    let server = Server::start(Manner::Accepts).await;
    let world = desk_on(server.port).await;
    let now = world.now();
    let send = async |channel, to| plume_alert::Desk::try_channel(&world.config, channel, to, now).await;
    send(Channel::Mail, "zhang@example.com").await.unwrap();
    assert_eq!(server.mails().len(), 1);
    let no_sink = send(Channel::Voice, "13900001234").await.unwrap_err();
    assert!(no_sink.to_string().contains("no channel is set up"), "{no_sink}");
    let no_address = send(Channel::Mail, "nobody").await.unwrap_err();
    assert!(no_address.to_string().contains("not a mail address"), "{no_address}");
}

#[test]
fn a_mail_section_that_cannot_work_is_named() {
    let mut config = crate::world::config();
    assert!(config.problems().is_empty(), "{:?}", config.problems());
    config.mail.enabled = true;
    config.mail.host.clear();
    config.mail.from = "plume".into();
    config.mail.password = plume_alert::config::Secret::new("pw");
    config.notify.quiet_from_min = 1_440;
    config.notify.retry_first_s = 0;
    config.store = "desk.db".into();
    let keys: Vec<_> = config.problems().into_iter().map(|(key, ..)| key).collect();
    assert_eq!(
        keys,
        [
            "alert.store",
            "alert.notify.quiet_from_min",
            "alert.notify.retry_first_s",
            "alert.mail.host",
            "alert.mail.from",
            "alert.mail.tls",
        ]
    );
    assert!(!format!("{config:?}").contains("pw\""), "a password is never shown");
}
