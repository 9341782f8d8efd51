//! Every way in which an order that touches an instrument is not given.

use super::*;

type Change<'a> = &'a dyn Fn(&mut Wish);

const NOW: Time = Time(1_800_000_000_000);

fn mn() -> Mn {
    Mn::new("M1").unwrap()
}

fn officer(login: &str) -> Officer {
    Officer {
        login: login.to_owned(),
    }
}

fn wish() -> Wish {
    Wish {
        mn: mn(),
        orders: vec!["calibrate".to_owned(), "set-key".to_owned()],
        consent: Consent {
            person: "李主管".to_owned(),
            document: "环函〔2026〕12号".to_owned(),
            date: "2026-11-20".to_owned(),
        },
        days: 30,
    }
}

fn refused(result: anyhow::Result<Permit>) -> Refusal {
    result.unwrap_err().downcast().unwrap()
}

#[test]
fn two_persons_and_the_enterprise_make_a_permit_that_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let permits = Permits::open(dir.path()).unwrap();
    let allowed = |permits: &Permits, cn, now| permits.for_order(mn(), cn, now);
    assert_eq!(allowed(&permits, 1011, NOW), Ok(None), "reading a clock needs none");
    assert!(
        matches!(allowed(&permits, 3011, NOW), Err(Refusal::NotPermitted { .. })),
        "off by default"
    );
    let asked = permits.ask(wish(), officer("wang"), NOW).unwrap();
    assert!(allowed(&permits, 3011, NOW).is_err(), "one person is not enough");
    let id = asked.id.to_string();
    let same = refused(permits.agree(&id, officer("wang"), NOW));
    assert_eq!(
        same,
        Refusal::SamePerson {
            login: "wang".to_owned()
        }
    );
    permits.agree(id.get(..8).unwrap(), officer("zhang"), NOW).unwrap();
    let permits = Permits::open(dir.path()).unwrap();
    assert_eq!(allowed(&permits, 3011, NOW), Ok(Some(asked.id)));
    assert_eq!(allowed(&permits, 1014, NOW), Ok(Some(asked.id)));
    assert!(allowed(&permits, 3012, NOW).is_err(), "another order");
    assert!(
        permits.for_order(Mn::new("M2").unwrap(), 3011, NOW).is_err(),
        "another device"
    );
    assert!(allowed(&permits, 3011, NOW.plus(30 * DAY_MS)).is_err(), "it ends");
    permits.revoke(&id, officer("wang"), NOW).unwrap();
    assert!(
        allowed(&Permits::open(dir.path()).unwrap(), 3011, NOW).is_err(),
        "it was taken back"
    );
    let text = fs::read_to_string(dir.path().join("state/permits.jsonl")).unwrap();
    let steps: Vec<&str> = text.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(steps, ["asked", "agreed", "revoked"], "{text}");
    assert!(text.contains("环函〔2026〕12号") && text.contains("李主管") && text.contains("2026-11-20"));
}

#[test]
fn what_is_missing_is_named_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let permits = Permits::open(dir.path()).unwrap();
    let ask = |change: &dyn Fn(&mut Wish)| {
        let mut wish = wish();
        change(&mut wish);
        refused(permits.ask(wish, officer("wang"), NOW))
    };
    let cases: [(Change<'_>, Refusal); 7] = [
        (
            &|wish| wish.consent.person.clear(),
            Refusal::Field { field: "consent-by" },
        ),
        (
            &|wish| wish.consent.document = " ".to_owned(),
            Refusal::Field { field: "document" },
        ),
        (
            &|wish| wish.consent.date = "x".repeat(61),
            Refusal::Field { field: "consent-date" },
        ),
        (&|wish| wish.orders.clear(), Refusal::Field { field: "order" }),
        (
            &|wish| wish.orders = vec!["read-time".to_owned()],
            Refusal::Order {
                order: "read-time".to_owned(),
            },
        ),
        (&|wish| wish.days = 0, Refusal::Until),
        (&|wish| wish.days = MAX_DAYS + 1, Refusal::Until),
    ];
    for (change, expected) in cases {
        let found = ask(change);
        assert_eq!(found, expected);
        assert!(!found.hint().is_empty());
    }
    assert!(permits.all().is_empty() && !dir.path().join("state/permits.jsonl").exists());
    let asked = permits.ask(wish(), officer("wang"), NOW).unwrap();
    let late = permits.agree(&asked.id.to_string(), officer("zhang"), NOW.plus(AGREE_WITHIN_MS + 1));
    assert_eq!(refused(late), Refusal::TooLate);
    assert!(
        matches!(
            refused(permits.agree("0", officer("zhang"), NOW)),
            Refusal::Unknown { .. }
        ),
        "too short"
    );
}

#[test]
fn a_line_that_was_cut_off_counts_for_nothing_and_one_that_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let permits = Permits::open(dir.path()).unwrap();
    let asked = permits.ask(wish(), officer("wang"), NOW).unwrap();
    permits.agree(&asked.id.to_string(), officer("zhang"), NOW).unwrap();
    let path = dir.path().join("state/permits.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let second = text.find('\n').unwrap() + 1;
    for cut in second..text.len() {
        fs::write(&path, text.as_bytes().get(..cut).unwrap()).unwrap();
        let permits = Permits::open(dir.path()).unwrap();
        assert!(permits.for_order(mn(), 3011, NOW).is_err(), "cut at {cut}");
        permits.agree(&asked.id.to_string(), officer("li"), NOW).unwrap();
        assert!(
            Permits::open(dir.path()).unwrap().for_order(mn(), 3011, NOW).is_ok(),
            "and goes on after {cut}"
        );
    }
    fs::write(&path, text.replace("asked", "aksed")).unwrap();
    let error = format!("{:#}", Permits::open(dir.path()).unwrap_err());
    assert!(error.contains("permits.jsonl:1"), "{error}");
    fs::write(&path, text.replace("zhang", "wang")).unwrap();
    let permits = Permits::open(dir.path()).unwrap();
    assert!(
        permits.for_order(mn(), 3011, NOW).is_err(),
        "one person written twice is not two"
    );
}
