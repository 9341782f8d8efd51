//! Tells what happens on the desk as it happens, and plays the one enterprise that answers.

use std::collections::HashMap;

use plume_alert::Desk;
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::{Act, ActKind, Family, Outcome, State};
use plume_alert::store::CaseRow;
use plume_alert::words::{Lang, Saying, headline, severity_word};
use plume_schemas::ids::ContentId;
use plume_schemas::rule::Severity;
use plume_schemas::time::Time;
use plume_simulator::story::{self, Part};
use plume_simulator::tcp::Steer;

use super::{NARRATOR_POLL, Steering, story_end};
use crate::clock::VirtualClock;
use crate::out;

/// What was last told of a case.
type Told = (State, Severity, Option<Outcome>);

/// Tells and acts.
pub(super) struct Narrator {
    desk: Desk,
    time: VirtualClock,
    steer: Steering,
    seen: i64,
    told: HashMap<ContentId, Told>,
    /// When and on which case the enterprise will act; `None` before it was warned and after it acted.
    acts_at: Option<(Time, ContentId)>,
    acted: bool,
}

impl Narrator {
    pub(super) fn new(desk: Desk, time: VirtualClock, steer: Steering) -> Self {
        Self {
            desk,
            time,
            steer,
            seen: 0,
            told: HashMap::new(),
            acts_at: None,
            acted: false,
        }
    }

    /// Tells until the virtual clock shows `end`.
    pub(super) async fn until(&mut self, end: Time) -> anyhow::Result<()> {
        while self.time.now() < end {
            self.turn().await?;
            tokio::time::sleep(NARRATOR_POLL.min(self.time.real_time_until(end))).await;
        }
        Ok(())
    }

    /// Tells until every warning has its outcome, or `latest` is reached.
    pub(super) async fn until_settled(&mut self, latest: Time) -> anyhow::Result<()> {
        while self.time.now() < latest {
            self.turn().await?;
            let open = self.desk.store().changes_since(&duty(), 0).await?;
            let undecided = |case: &CaseRow| case.family == Family::Near && case.outcome.is_none();
            if !open
                .iter()
                .any(|change| change.case.opened_at < story_end() && undecided(&change.case))
            {
                break;
            }
            tokio::time::sleep(NARRATOR_POLL).await;
        }
        self.turn().await
    }

    async fn turn(&mut self) -> anyhow::Result<()> {
        for change in self.desk.store().changes_since(&duty(), self.seen).await? {
            self.seen = self.seen.max(change.seq);
            self.tell(&change.case);
            self.hear(&change.case);
        }
        self.act().await
    }

    fn tell(&mut self, case: &CaseRow) {
        let now: Told = (case.state, case.severity, case.outcome);
        if self.told.insert(case.id, now) == Some(now) {
            return;
        }
        let registry = self.desk.registry();
        let place = registry.outlet(case.outlet).map_or_else(String::new, |outlet| {
            let name = registry
                .enterprise(outlet.enterprise)
                .map_or("", |enterprise| enterprise.name.as_str());
            format!("{name} {}", outlet.number)
        });
        let word = match (case.state, case.outcome) {
            (_, Some(outcome)) => outcome.zh().to_owned(),
            (State::Open, None) => severity_word(case.severity, case.certainty, Lang::Zh),
            (state, None) => state.zh().to_owned(),
        };
        let saying = Saying::of(&case.judgement, case.certainty);
        let (tables, catalogue) = (self.desk.tables(), self.desk.catalogue());
        let sentence = headline(
            &tables.words,
            &case.judgement,
            case.certainty,
            saying,
            catalogue,
            Lang::Zh,
        );
        out::line(format_args!(
            "{} 【{word}】{place}：{sentence}",
            case.updated_at.hour_minute()
        ));
    }

    /// The enterprise of plant 甲 reads its first warning and goes to the pump.
    fn hear(&mut self, case: &CaseRow) {
        let warned = case.family == Family::Near && case.state == State::Open;
        if warned && !self.acted && self.acts_at.is_none() && case.outlet == Part::Jia.outlet() {
            self.acts_at = Some((self.time.now().plus(story::REACTION_MS), case.id));
        }
    }

    async fn act(&mut self) -> anyhow::Result<()> {
        let now = self.time.now();
        let Some((_, case)) = self.acts_at.filter(|(at, _)| *at <= now) else {
            return Ok(());
        };
        self.acts_at = None;
        self.acted = true;
        self.steer
            .send(Steer {
                mn: Part::Jia.mn(),
                action: story::remedy(),
                at: now,
            })
            .await?;
        let officer = Viewer {
            name: "李主管".to_owned(),
            role: Role::Enterprise,
            scope: Scope::Enterprise(Part::Jia.enterprise()),
        };
        self.say(&officer, case, ActKind::Acknowledge, "", "").await?;
        self.say(
            &officer,
            case,
            ActKind::Answer,
            "1号浆液循环泵出力下降",
            "已启动备用浆液循环泵",
        )
        .await?;
        out::line(format_args!(
            "{} 【企业】甲热电 李主管签收：1号浆液循环泵出力下降，已启动备用浆液循环泵",
            now.hour_minute()
        ));
        Ok(())
    }

    /// Acts on a case as it is now: the judge may change it at any moment.
    async fn say(
        &self,
        viewer: &Viewer,
        case: ContentId,
        kind: ActKind,
        text: &str,
        measures: &str,
    ) -> anyhow::Result<()> {
        let act = Act {
            kind,
            text: text.to_owned(),
            measures: measures.to_owned(),
            at: self.time.now(),
        };
        loop {
            let Some(row) = self.desk.store().case(viewer, case).await? else {
                return Ok(());
            };
            match self.desk.act(viewer, case, &act, row.version).await {
                Ok(_) => return Ok(()),
                Err(plume_alert::act::ActError::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Who tells: sees everything of the service stream.
pub(super) fn duty() -> Viewer {
    Viewer {
        name: "demo".to_owned(),
        role: Role::CityDuty,
        scope: Scope::All,
    }
}
