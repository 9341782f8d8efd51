//! BUDGET
//!
//! What: the hours of a year that are exempt from judgement (start-up, shut-down, faults and accidents of a furnace)
//! run
//! out, or one fault lasts longer than it may.
//! What-zh: 焚烧炉全年豁免时长（启炉、停炉、故障或事故）将用尽，或单次故障超过规定时长。
//! Why: beyond the budget the same hours are violations; who knows in August can plan the stops of December.
//! Why-zh: 用尽之后同样的时段即为违规；及早知晓可合理安排检修。
//! Fooled by: marks entered later than three days, where they overlap earlier ones; furnaces that share an outlet.
//! Fooled-zh: 三天之后补录且与已有标记重叠的标记；多台炉共用一个排放口。
//! Parameter: budget.industries | industry names | [msw_incineration] | - | whose outlets have such a budget
//! Parameter: budget.hours | h | 60 | 1..8760 | exempt hours of a year
//! Parameter: budget.event_hours | h | 4 | 1..240 | hours of one fault or accident
//! Parameter: budget.notice_pct | % | 50.0 | 0..100 | share used from which it is 提示
//! Parameter: budget.attention_pct | % | 80.0 | 0..100 | … 关注
//! Parameter: budget.urgent_pct | % | 95.0 | 0..100 | … 紧急
//! Order: arrival
//! Source: GB 18485 (60 h a year and furnace, 4 h a fault), from memory; 50, 80, 95 % are a project choice. Years are
//! those of Beijing; a mark counts in the year it begins in.

use plume_schemas::entry::{Mark, MarkKind};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use crate::config::BudgetSettings;
use crate::engine::Ctx;
use crate::out::{Facts, Say, Subject};
use crate::plan::OutletPlan;
use crate::state::persist;

/// What a year has used.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Budget {
    year: i32,
    used_min: i64,
    level: u8,
}
persist!(Budget { year, used_min, level });

/// True for marks that use the budget.
pub(crate) fn uses(kind: MarkKind) -> bool {
    matches!(kind, MarkKind::StartUp | MarkKind::ShutDown | MarkKind::PlantFault)
}

fn level_of(used_min: i64, settings: &BudgetSettings) -> u8 {
    let share = used_min as f64 / (f64::from(settings.hours) * 60.0) * 100.0;
    let steps = [settings.notice_pct, settings.attention_pct, settings.urgent_pct];
    steps.iter().fold(0, |level, &step| level + u8::from(share > step))
}

/// The first moment of a year, Beijing.
fn first_of(year: i32) -> Option<Time> {
    Time::first_of_month(year, 1)
}

/// Takes a mark that was entered or withdrawn, and by how much it changed the time that is marked.
pub(crate) fn look(ctx: &mut Ctx<'_>, plan: &OutletPlan, mark: &Mark, change_ms: i64, budget: &mut Budget) {
    let settings = &ctx.settings.budget;
    if !uses(mark.kind) || mark.factor.is_some() || !settings.industries.iter().any(|name| **name == *plan.industry) {
        return;
    }
    let year = mark.span.start.civil().year;
    if year < budget.year {
        return;
    }
    if year > budget.year {
        if budget.level > 0 {
            say(ctx, plan, budget, (0, Edge::Cleared), mark);
        }
        *budget = Budget {
            year,
            ..Budget::default()
        };
    }
    budget.used_min = (budget.used_min + change_ms.div_euclid(MINUTE_MS)).max(0);
    let lasts_ms = mark.span.end.since(mark.span.start);
    let too_long = mark.kind == MarkKind::PlantFault && lasts_ms > i64::from(settings.event_hours) * HOUR_MS;
    let least = if too_long && !mark.withdrawn {
        Severity::Attention.number()
    } else {
        0
    };
    let level = level_of(budget.used_min, settings).max(least);
    let edge = match (budget.level, level) {
        (0, 0) => return,
        (0, _) => Edge::Opened,
        (before, now) if now > before => Edge::Worsened,
        (_, 0) => Edge::Retracted,
        _ => return,
    };
    say(ctx, plan, budget, (level, edge), mark);
    budget.level = level;
}

fn say(ctx: &mut Ctx<'_>, plan: &OutletPlan, budget: &Budget, (level, edge): (u8, Edge), mark: &Mark) {
    let settings = &ctx.settings.budget;
    let Some(first) = first_of(budget.year) else { return };
    let mut facts = Facts::with_capacity(5);
    facts
        .float(FactKey::Value, budget.used_min as f64 / 60.0)
        .int(FactKey::Limit, i64::from(settings.hours))
        .float(
            FactKey::LastedMinutes,
            mark.span.end.since(mark.span.start) as f64 / MINUTE_MS as f64,
        )
        .text(FactKey::Reason, mark.kind.code())
        .text(FactKey::Clause, "GB 18485");
    let verdict = |level| Severity::from_number(level).map_or(Verdict::Fine, Verdict::Breach);
    let say = Say {
        pane: Pane::Early,
        verdict: verdict(level),
        previous: (budget.level > 0).then(|| verdict(budget.level)),
        late: false,
        evidence: facts.0,
    };
    let subject = Subject {
        rule: RuleCode::Budget,
        outlet: plan.id,
        factor: None,
        window: Span {
            start: first,
            end: mark.span.end.max(first),
        },
    };
    let judgement = ctx.emit.say(subject, say);
    ctx.emit.happen(first, edge, false, judgement);
}
