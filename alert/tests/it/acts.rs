//! What people do to cases, and what is refused.

use plume_alert::accounts::{Action, Role, Viewer, authorise};
use plume_alert::act::ActError;
use plume_alert::case::{ActKind, Family, Outcome, State};
use plume_alert::notify::Audience;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_schemas::event::Edge;
use plume_schemas::ids::ContentId;
use plume_schemas::judgement::Verdict;
use plume_schemas::rule::RuleCode;

use crate::world::{
    World, branch, contractor, duty, enterprise, event, exceed, lead_officer, near, other_enterprise, said, second_duty,
};

const ALL: Page = Page {
    order: Order::Gravest,
    offset: 0,
    limit: 500,
};

#[tokio::test]
async fn of_two_officers_at_once_one_is_told_to_look_again() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    let seen = world.only_case().await;
    let sign = said(ActKind::Acknowledge, "", world.now());
    let (first, second) = (duty(), second_duty());
    let (a, b) = tokio::join!(
        world.desk.act(&first, seen.id, &sign, seen.version),
        world.desk.act(&second, seen.id, &sign, seen.version),
    );
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(won.unwrap().version, seen.version + 1);
    assert!(
        matches!(lost, Err(ActError::Changed { expected: 1, found: 2 })),
        "{lost:?}"
    );
    assert_eq!(world.trace(seen.id).await, ["opened", "acknowledged"]);
}

#[tokio::test]
async fn an_acknowledgement_can_be_taken_back_for_ten_seconds_by_its_giver() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.act(&duty(), ActKind::Acknowledge, "").await;
    let case = world.only_case().await;
    let withdraw = |ms: i64| said(ActKind::Withdraw, "", world.now().plus(ms));
    let by_other = world
        .desk
        .act(&second_duty(), case.id, &withdraw(1_000), case.version)
        .await;
    assert!(matches!(by_other, Err(ActError::TooLate)));
    let late = world.desk.act(&duty(), case.id, &withdraw(10_001), case.version).await;
    assert!(matches!(late, Err(ActError::TooLate)));
    let row = world
        .desk
        .act(&duty(), case.id, &withdraw(10_000), case.version)
        .await
        .unwrap();
    assert_eq!(row.acknowledged, None);
}

#[tokio::test]
async fn forged_and_foreign_ids_learn_nothing() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    let case = world.only_case().await;
    let sign = said(ActKind::Acknowledge, "", world.now());
    let forged = ContentId::of(&[b"forged"]);
    for (viewer, id) in [
        (enterprise(), forged),
        (other_enterprise(), case.id),
        (branch("西区"), case.id),
    ] {
        let refused = world.desk.act(&viewer, id, &sign, 1).await;
        assert!(matches!(refused, Err(ActError::NoSuchCase)), "{refused:?}");
        assert_eq!(world.desk.store().case(&viewer, id).await.unwrap(), None);
        assert!(world.desk.store().trace(&viewer, id).await.unwrap().is_empty());
        assert!(world.desk.store().notices(&viewer, id).await.unwrap().is_empty());
    }
    assert_eq!(world.only_case().await.version, 1);
}

#[tokio::test]
async fn words_are_asked_for_and_bounded() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    let case = world.only_case().await;
    let try_act = async |viewer: &Viewer, act| world.desk.act(viewer, case.id, &act, 1).await.unwrap_err();
    let empty = try_act(&duty(), said(ActKind::Comment, " \n", world.now())).await;
    assert!(matches!(empty, ActError::Empty { field: "text" }));
    let mut no_measures = said(ActKind::Answer, "脱硫剂不足", world.now());
    no_measures.measures.clear();
    let error = try_act(&enterprise(), no_measures).await;
    assert!(matches!(error, ActError::Empty { field: "measures" }));
    let long = said(ActKind::Comment, &"长".repeat(2_001), world.now());
    assert!(matches!(
        try_act(&duty(), long).await,
        ActError::TooLong { field: "text" }
    ));
    let open = try_act(&duty(), said(ActKind::Close, "已处理", world.now())).await;
    assert!(
        matches!(open, ActError::WrongState { state: State::Open, .. }),
        "{open:?}"
    );
    let not_theirs = try_act(&enterprise(), said(ActKind::Close, "已处理", world.now())).await;
    assert!(matches!(not_theirs, ActError::NotAllowed { .. }));
}

#[tokio::test]
async fn fault_reports_are_numbered_without_gaps_or_repeats() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.act(&enterprise(), ActKind::ReportFault, "采样泵故障").await;
    // A refused report takes no number.
    let case = world.only_case().await;
    let refused = world
        .desk
        .act(
            &enterprise(),
            case.id,
            &said(ActKind::ReportFault, " ", world.now()),
            case.version,
        )
        .await;
    assert!(refused.is_err());
    world.act(&enterprise(), ActKind::ReportFault, "仍未修复").await;
    let trace = world.trace(case.id).await;
    assert_eq!(
        trace,
        [
            "opened",
            "fault_reported: YC20261121-0001：采样泵故障",
            "fault_reported: YC20261121-0002：仍未修复"
        ]
    );
}

#[tokio::test]
async fn an_officer_closes_and_reopens() {
    let world = World::new().await;
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121142500");
    world.apply(&stuck.from(1)).await;
    world
        .apply(
            &stuck
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121150000")
                .from(2),
        )
        .await;
    assert_eq!(
        world.act(&duty(), ActKind::Close, "已更换滤芯").await.state,
        State::Closed
    );
    assert_eq!(world.act(&duty(), ActKind::Reopen, "复核").await.state, State::Resolved);
    let row = world.act(&duty(), ActKind::CloseFalse, "通标气").await;
    assert_eq!((row.state, row.outcome), (State::Closed, Some(Outcome::FalseAlarm)));
}

/// Every role against a lead and a service case: rows, single case, trace, counts, changes.
#[tokio::test]
async fn leads_are_absent_for_everyone_but_lead_officers() {
    let world = World::new().await;
    world
        .apply(&event(RuleCode::Cap, Edge::Opened, "20261121142500").from(1))
        .await;
    world.apply(&near("20261121142500").from(2)).await;
    let lead = world
        .cases()
        .await
        .into_iter()
        .find(|case| case.family == Family::Lead)
        .unwrap();
    let store = world.desk.store();
    for &role in Role::ALL {
        let scope = match role {
            Role::Enterprise => enterprise().scope,
            Role::Contractor => contractor().scope,
            Role::Branch => branch("东区").scope,
            _ => duty().scope,
        };
        let viewer = Viewer {
            name: "某人".into(),
            role,
            scope,
        };
        let (services, leads) = match role {
            Role::LeadOfficer => (1, 1),
            Role::Security => (0, 0),
            _ => (1, 0),
        };
        let page = store.cases(&viewer, &CaseFilter::default(), ALL).await.unwrap();
        assert_eq!(
            (page.rows.len(), page.total),
            (services + leads, (services + leads) as u64),
            "{role}"
        );
        assert_eq!(
            store.case(&viewer, lead.id).await.unwrap().is_some(),
            leads == 1,
            "{role}"
        );
        assert_eq!(
            !store.trace(&viewer, lead.id).await.unwrap().is_empty(),
            leads == 1,
            "{role}"
        );
        let counts = store.counts(&viewer, world.now()).await.unwrap();
        assert_eq!(counts.unacknowledged, (services + leads) as u64, "{role}");
        assert_eq!(
            store.changes_since(&viewer, 0).await.unwrap().len(),
            services + leads,
            "{role}"
        );
        let sign = said(ActKind::Acknowledge, "", world.now());
        let done = world.desk.act(&viewer, lead.id, &sign, 1).await;
        assert_eq!(done.is_ok(), leads == 1, "{role}");
        assert_eq!(authorise(role, Action::ViewLeads), leads == 1, "{role}");
    }
}

#[tokio::test]
async fn scopes_and_filters_narrow_the_list() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world
        .apply(&near("20261121142500").outlet(crate::world::OTHER_OUTLET).from(2))
        .await;
    world.apply(&exceed("20261121142500").from(3)).await;
    let store = world.desk.store();
    let total = async |viewer: &Viewer, filter: CaseFilter| store.cases(viewer, &filter, ALL).await.unwrap().total;
    assert_eq!(total(&duty(), CaseFilter::default()).await, 3);
    assert_eq!(total(&branch("东区"), CaseFilter::default()).await, 2);
    assert_eq!(total(&enterprise(), CaseFilter::default()).await, 2);
    assert_eq!(total(&other_enterprise(), CaseFilter::default()).await, 1);
    assert_eq!(total(&contractor(), CaseFilter::default()).await, 2);
    assert_eq!(
        total(
            &lead_officer(),
            CaseFilter {
                families: vec![Family::Exceed],
                ..CaseFilter::default()
            }
        )
        .await,
        1
    );
    // A filter cannot widen a scope.
    let foreign = CaseFilter {
        district: Some("西区".into()),
        ..CaseFilter::default()
    };
    assert_eq!(total(&branch("东区"), foreign).await, 0);
    let quoted = CaseFilter {
        district: Some("' OR 1=1 --".into()),
        ..CaseFilter::default()
    };
    assert_eq!(total(&duty(), quoted).await, 0);
    let signed = CaseFilter {
        acknowledged: Some(true),
        ..CaseFilter::default()
    };
    assert_eq!(total(&duty(), signed).await, 0);
}

/// The lists of officers are what the routes say: a fault reaches the branch after a day, a warning the city never.
#[tokio::test]
async fn lists_follow_the_routes() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world.apply(&exceed("20261121142500").from(2)).await;
    world
        .apply(
            &event(RuleCode::Const, Edge::Opened, "20261121142500")
                .factor(Some("s01"))
                .from(3),
        )
        .await;
    world
        .apply(&event(RuleCode::Cap, Edge::Opened, "20261121142500").from(4))
        .await;
    let listed = async |viewer: &Viewer, audience| {
        let filter = CaseFilter {
            listing: Some(world.desk.listing(audience)),
            ..CaseFilter::default()
        };
        let rows = world.desk.store().cases(viewer, &filter, ALL).await.unwrap().rows;
        let mut rules: Vec<_> = rows.iter().map(|case| case.rule.code()).collect();
        rules.sort_unstable();
        rules
    };
    assert_eq!(listed(&duty(), Audience::City).await, ["EXCEED_HOUR"]);
    assert_eq!(
        listed(&branch("东区"), Audience::Branch).await,
        ["EXCEED_HOUR", "NEAR_HOUR"]
    );
    assert_eq!(listed(&lead_officer(), Audience::LeadOfficer).await, ["CAP"]);
    world.go_to("20261122142500");
    assert_eq!(
        listed(&branch("东区"), Audience::Branch).await,
        ["CONST", "EXCEED_HOUR", "NEAR_HOUR"]
    );
    assert_eq!(listed(&duty(), Audience::City).await, ["EXCEED_HOUR"]);
}
