//! Charts traced hour by hour and drawn: the same watch as the rule's, and a picture that is looked at as a whole.

use plume_detect::Lang;
use plume_detect::chart::draw::{Limit, Line, Mark, MarkKind, Panel, Picture, Style};
use plume_detect::chart::level::{Level, Watching};
use plume_detect::chart::trace::{Of, episodes, picture, trace};
use plume_schemas::time::{HOUR_MS, Span, Time};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Since 1970, in the first hour of 2026-01-05 in Beijing, a Monday.
const FIRST: i64 = 490_984;

fn watching() -> Watching {
    Watching {
        learn_hours: 336,
        run_length_h: 14_400.0,
        spike_sd: 5.0,
        rebase_hours: 168,
        lambda: 0.1,
        k: 0.5,
        least_sd: 0.5,
    }
}

/// Hour means about 50 with a standard deviation of 2; 6 more from hour `step` on.
fn hours(count: i64, step: i64) -> Vec<(i64, Option<f64>)> {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mean = |n: i64| {
        let noise: f64 = chance.sample(StandardNormal);
        (FIRST + n, Some(50.0 + 2.0 * noise + if n >= step { 6.0 } else { 0.0 }))
    };
    (0..count).map(mean).collect()
}

fn of(lang: Lang) -> Of<'static> {
    Of {
        title: "DA001 · 二氧化硫 <SO2>",
        unit: "mg/m³",
        limit: 60.0,
        lang,
    }
}

/// The change is estimated within an hour or two of where it was, and the picture says so.
#[test]
fn a_step_is_traced_to_its_hour() {
    let traced = trace(&watching(), &hours(640, 600), 1);
    let episodes = episodes(&traced);
    let [episode] = episodes.as_slice() else {
        panic!("{episodes:?}");
    };
    let step = Time((FIRST + 600) * HOUR_MS);
    assert!(
        episode.signalled > step && episode.signalled.since(step) <= 10 * HOUR_MS,
        "{episode:?}"
    );
    assert!(episode.changed.since(step).abs() <= 3 * HOUR_MS, "{episode:?}");
    assert!((episode.last.moved - 6.0).abs() < 2.0, "{episode:?}");
    for (lang, word) in [(Lang::Zh, "变化估计始于"), (Lang::En, "the change began about")] {
        let svg = picture(&of(lang), &traced).svg();
        assert!(
            svg.contains(word) && svg.contains(&episode.signalled.hour_minute()),
            "{word}"
        );
    }
}

/// No step, no signal; nothing is said while it learns; and the trace is the rule's own watch.
#[test]
fn a_level_that_stays_has_no_signal() {
    let hours = hours(700, i64::MAX);
    let traced = trace(&watching(), &hours, 1);
    assert_eq!(episodes(&traced), []);
    assert!(picture(&of(Lang::En), &traced).words.contains("no signal"));
    assert!(picture(&of(Lang::Zh), &traced[..100]).words.contains("仍在学习"));
    let mut level = Level::default();
    for (hour, seen) in hours.iter().zip(&traced) {
        let looked = level.take(&watching(), hour.0, hour.1.unwrap(), 1);
        assert_eq!((looked.usual, looked.found), (seen.usual, seen.found));
    }
}

/// Hours that do not count break the line, whether they are there or not.
#[test]
fn gaps_are_not_drawn_over() {
    let mut hours = hours(6, i64::MAX);
    hours[2].1 = None;
    hours.remove(4);
    let svg = picture(&of(Lang::En), &trace(&watching(), &hours, 1)).svg();
    let measured = svg
        .lines()
        .find(|line| line.contains("#1f4e79") && line.contains("fill=\"none\""))
        .unwrap();
    assert_eq!(measured.matches('M').count(), 3, "{measured}");
    let empty = picture(&of(Lang::Zh), &[]).svg();
    assert!(empty.ends_with("</svg>\n") && !empty.contains("NaN"), "{empty}");
}

/// All that a picture can hold, looked at.
#[test]
fn a_picture_is_complete_in_itself() {
    let at = |hour: i64| Time((FIRST + hour) * HOUR_MS);
    let series = |name: &str, style, values: &[Option<f64>]| Line {
        name: name.to_owned(),
        style,
        points: (0..).map(at).zip(values.iter().copied()).collect(),
    };
    let picture = Picture {
        title: "A & B <script>".to_owned(),
        words: "\"quoted\"\u{7}".to_owned(),
        span: Span {
            start: at(0),
            end: at(8),
        },
        panels: vec![
            Panel {
                title: "值".to_owned(),
                height: 80.0,
                lines: vec![
                    series("usual", Style::Usual, &[Some(1.0), Some(2.0)]),
                    series("均值", Style::Measured, &[Some(1.0), None, Some(3.0), Some(4.0)]),
                ],
                limits: vec![
                    Limit {
                        name: "限值 4".to_owned(),
                        value: 4.0,
                    },
                    Limit {
                        name: "none".to_owned(),
                        value: f64::INFINITY,
                    },
                ],
            },
            Panel {
                title: "checks".to_owned(),
                height: 60.0,
                lines: vec![
                    series("zero", Style::Dots, &[Some(-0.2), Some(0.1)]),
                    series("span", Style::Squares, &[None, Some(0.3)]),
                ],
                limits: Vec::new(),
            },
        ],
        marks: vec![
            Mark {
                at: at(2),
                kind: MarkKind::Change,
                text: "change".to_owned(),
            },
            Mark {
                at: at(3),
                kind: MarkKind::Signal,
                text: "signal".to_owned(),
            },
        ],
    };
    insta::assert_snapshot!(picture.svg());
}
