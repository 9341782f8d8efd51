//! What became of a notice, one receiver at a time: sent, delivered, opened, acknowledged, each at its moment and no
//! earlier.

use plume_alert::accounts::Role;
use plume_alert::links::LinkError;
use plume_alert::store::NoticeRow;

use crate::world::{MINUTE, World, config, duty, near};

/// A desk whose messages carry links, with a warning sent to the enterprise and its contractor.
async fn warned() -> (World, Vec<String>) {
    let mut config = config();
    config.notify.link_base_url = "https://desk.example.com".into();
    let world = World::with(config).await;
    world.desk.set_up_links([7; 32]).await.unwrap();
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let heard = world.heard.text();
    let links = heard
        .lines()
        .filter_map(|line| line.trim().strip_prefix("签收：https://desk.example.com/a/"))
        .map(str::to_owned)
        .collect();
    (world, links)
}

/// The notice to one person.
async fn to(world: &World, receiver: &str) -> NoticeRow {
    let case = world.only_case().await;
    let rows = world.desk.store().notices(&duty(), case.id).await.unwrap();
    rows.into_iter()
        .find(|row| row.receiver == receiver && row.purpose == "first")
        .unwrap()
}

/// Whom a link was sent to.
async fn reader_of(world: &World, link: &str) -> String {
    world.desk.peek_link(link, world.now()).await.unwrap();
    let case = world.only_case().await;
    let rows = world.desk.store().notices(&duty(), case.id).await.unwrap();
    let opened: Vec<&NoticeRow> = rows.iter().filter(|row| row.opened_at.is_some()).collect();
    assert_eq!(opened.len(), 1, "one link opens one notice: {rows:#?}");
    opened[0].receiver.clone()
}

#[tokio::test]
async fn opened_is_the_first_look_of_this_receiver_alone() {
    let (world, links) = warned().await;
    let sent = to(&world, "张环保").await;
    assert_eq!((sent.sent_at, sent.opened_at), (Some(world.now()), None));
    world.pass_time(MINUTE);
    let first_look = world.now();
    let reader = reader_of(&world, &links[0]).await;
    world.pass_time(MINUTE);
    // A second look, a scanner's or a person's, moves nothing.
    world.desk.peek_link(&links[0], world.now()).await.unwrap();
    let seen = to(&world, &reader).await;
    assert_eq!(seen.opened_at, Some(first_look));
    assert_eq!(
        (seen.delivered_at, seen.acknowledged_at),
        (None, None),
        "looking is not signing"
    );
    assert_eq!(world.only_case().await.acknowledged, None);
    let other = if reader == "张环保" {
        "孙运维"
    } else {
        "张环保"
    };
    assert_eq!(to(&world, other).await.opened_at, None);
}

#[tokio::test]
async fn a_forged_link_opens_nothing() {
    let (world, links) = warned().await;
    let mut forged = links[0].clone();
    let last = forged.pop().unwrap();
    forged.push(if last == '0' { '1' } else { '0' });
    for text in [forged.as_str(), "", "0", "../../etc/passwd", &links[0].repeat(2)] {
        let refused = world.desk.peek_link(text, world.now()).await;
        assert!(matches!(refused, Err(LinkError::Unknown)), "{text}: {refused:?}");
    }
    for receiver in ["张环保", "孙运维"] {
        assert_eq!(to(&world, receiver).await.opened_at, None);
    }
}

#[tokio::test]
async fn acknowledged_stands_with_the_receiver_who_signed_and_ends_the_chain() {
    let (world, links) = warned().await;
    world.pass_time(MINUTE);
    let reader = reader_of(&world, &links[0]).await;
    world.pass_time(MINUTE);
    let signed_at = world.now();
    let case = world.desk.follow_link(&links[0], signed_at).await.unwrap();
    let by = case.acknowledged.unwrap();
    assert_eq!((by.name.as_str(), by.at), (reader.as_str(), signed_at));
    assert_eq!(to(&world, &reader).await.acknowledged_at, Some(signed_at));
    let other = if reader == "张环保" {
        "孙运维"
    } else {
        "张环保"
    };
    assert_eq!(to(&world, other).await.acknowledged_at, None);
    world.pass_time(10 * MINUTE);
    world.send_all().await;
    assert_eq!(world.heard.count("李中控"), 0, "{}", world.heard.text());
    // The trace says who and as what; the other's link signs nothing more.
    let trace = world.desk.store().trace(&duty(), case.id).await.unwrap();
    let line = trace.iter().find(|line| line.kind.code() == "acknowledged").unwrap();
    assert_eq!(
        (line.actor.as_str(), line.role),
        (reader.as_str(), Some(Role::Enterprise))
    );
    assert!(world.desk.follow_link(&links[1], world.now()).await.is_err());
}
