//! The case (预警): what people work on, made of events and acts, and its append-only trace.

use plume_schemas::entry::LogPosition;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::judgement::Judgement;
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::Time;

use crate::accounts::Role;
use crate::named::named;

named! {
    /// Rules that are told of in the same way (the rows of the default routes).
    Family {
        /// The hour or day will probably exceed.
        Near = "near", "临近超标", "about to exceed";
        /// It did.
        Exceed = "exceed", "超标", "exceedance";
        /// Exceedances pile up.
        Frequency = "frequency", "超标频次", "frequent exceedance";
        /// The instrument or its data: zero, constant, negative, over range, jump, oxygen, flow.
        Quality = "quality", "数据质量", "data quality";
        /// Nothing comes from one device.
        Offline = "offline", "数据缺失", "offline";
        /// Many at once: ours or the carrier's fault.
        CommonCause = "common_cause", "平台或线路故障", "platform or line fault";
        /// What the logger computes or how its clock runs.
        Conformance = "conformance", "数据一致性", "conformance";
        /// Zero or span drift, level shift.
        Drift = "drift", "漂移", "drift";
        /// 线索: for named officers only.
        Lead = "lead", "线索", "lead";
        /// Exempt hours run out.
        Budget = "budget", "豁免时长", "exempt-hours budget";
    }
}

impl Family {
    /// The family of a rule.
    pub const fn of(rule: RuleCode) -> Self {
        match rule {
            RuleCode::NearHour | RuleCode::NearDay => Self::Near,
            RuleCode::ExceedHour | RuleCode::ExceedDay | RuleCode::Furnace => Self::Exceed,
            RuleCode::Freq => Self::Frequency,
            RuleCode::Zero
            | RuleCode::Const
            | RuleCode::Neg
            | RuleCode::Range
            | RuleCode::Jump
            | RuleCode::O2Hi
            | RuleCode::Flow0 => Self::Quality,
            RuleCode::Miss => Self::Offline,
            RuleCode::CommonCause => Self::CommonCause,
            RuleCode::ZsDev | RuleCode::Amount | RuleCode::HourMin | RuleCode::Clock => Self::Conformance,
            RuleCode::Drift | RuleCode::Shift => Self::Drift,
            RuleCode::Cap
            | RuleCode::Smooth
            | RuleCode::Ratio
            | RuleCode::Twin
            | RuleCode::CalGap
            | RuleCode::MarkAbuse
            | RuleCode::Power
            | RuleCode::NearMark => Self::Lead,
            RuleCode::Budget => Self::Budget,
        }
    }
}

named! {
    /// Where a case stands.
    State {
        /// The breach goes on.
        Open = "open", "进行中", "open";
        /// The breach is over; the case waits for its outcome or for a person.
        Resolved = "resolved", "已恢复", "resolved";
        /// A correction removed it; it stands until an officer has confirmed that.
        Retracting = "retracting", "待确认撤回", "retraction awaits confirmation";
        /// It never was: a correction removed it.
        Retracted = "retracted", "已撤回", "retracted";
        /// Done.
        Closed = "closed", "已办结", "closed";
    }
}

impl State {
    /// States in which a person may still have to do something.
    pub const LIVE: [Self; 3] = [Self::Open, Self::Resolved, Self::Retracting];

    /// True while a person may still have to do something.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Resolved | Self::Retracting)
    }
}

named! {
    /// How sure an exceedance is. Before the mark deadline nothing is simply 超标.
    Certainty {
        /// Not an exceedance: the question does not arise.
        Plain = "plain", "", "";
        /// Can still be marked.
        Preliminary = "preliminary", "初判", "preliminary";
        /// The mark deadline has passed.
        Confirmed = "confirmed", "已确认", "confirmed";
        /// A mark took it out of judgement.
        NotJudged = "not_judged", "不判定（已标记）", "not judged (marked)";
    }
}

named! {
    /// What a warning led to.
    Outcome {
        /// The hour complied, and the enterprise had filed measures.
        Complied = "complied", "预警后达标（已采取措施）", "complied after measures";
        /// The hour complied by itself.
        FellBack = "fell_back", "预警后自行回落", "fell back by itself";
        /// The hour exceeded all the same.
        Exceeded = "exceeded", "预警后仍超标", "exceeded all the same";
        /// The hour could not be judged.
        InvalidHour = "invalid_hour", "小时无效", "hour invalid";
        /// It was no breach.
        FalseAlarm = "false_alarm", "误报", "false alarm";
    }
}

named! {
    /// Where one breach of a case stands.
    MemberState {
        /// Goes on.
        Open = "open", "进行中", "open";
        /// Over.
        Cleared = "cleared", "已恢复", "cleared";
        /// Never was.
        Retracted = "retracted", "已撤回", "retracted";
    }
}

/// One breach of a case, under the id the judge gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The judge's case id (D1).
    pub id: ContentId,
    /// By which rule.
    pub rule: RuleCode,
    /// Where it stands.
    pub state: MemberState,
    /// How grave it was at its worst.
    pub severity: Severity,
    /// 初判: it can still be marked.
    pub preliminary: bool,
    /// When it began, by the judge's clock.
    pub opened_at: Time,
    /// The window judged last.
    pub window: plume_schemas::time::Span,
    /// Log position and ordinal of the judgement applied last: an older one changes nothing.
    pub cause: (LogPosition, u32),
}

/// Whose a case is, as of its opening.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// District, which is also the branch that looks after it; empty where the registry does not say.
    pub district: String,
    /// Industry, as in the limit catalogue.
    pub industry: String,
    /// 片区负责人.
    pub officer: String,
    /// The outlet was on trial (试运行): shown, nobody is told.
    pub trial: bool,
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Their name.
    pub name: String,
    /// When.
    pub at: Time,
}

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The id of its first breach.
    pub id: ContentId,
    /// Counts up with every change: two people at once cannot overwrite each other.
    pub version: i64,
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of which factor, or the outlet as a whole.
    pub factor: Option<FactorCode>,
    /// Told of as what.
    pub family: Family,
    /// Whose eyes it is for.
    pub stream: Stream,
    /// Whose it is.
    pub tags: Tags,
    /// The gravest of its open breaches; of all, once none is open.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// How sure.
    pub certainty: Certainty,
    /// What it led to.
    pub outcome: Option<Outcome>,
    /// Caused by backfill: never a "now" alert.
    pub late: bool,
    /// When it began.
    pub opened_at: Time,
    /// When anything last changed.
    pub updated_at: Time,
    /// When the breach ended.
    pub resolved_at: Option<Time>,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// When the book must look at it again by the clock (an outcome that no event decided).
    pub settle_at: Option<Time>,
    /// Until when a person has to act.
    pub due_at: Option<Time>,
    /// 签收.
    pub acknowledged: Option<By>,
    /// 原因与措施 filed by the enterprise.
    pub answered: Option<By>,
    /// Who works on it.
    pub assigned_to: Option<String>,
    /// Its breaches, in order of joining.
    pub members: Vec<Member>,
    /// The judgement applied last: window, verdict and facts.
    pub judgement: Judgement,
}

impl Case {
    /// The rule that speaks for the case: that of the judgement applied last.
    pub fn rule(&self) -> RuleCode {
        self.judgement.rule
    }

    /// True while a person may still have to do something.
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }
}

named! {
    /// What a line of the trace says.
    TraceKind {
        /// The breach began.
        Opened = "opened", "预警产生", "opened";
        /// It became graver.
        Worsened = "worsened", "预警加重", "worsened";
        /// Another breach joined the case.
        Joined = "joined", "并入", "joined";
        /// Said again, with newer facts.
        Updated = "updated", "更新", "updated";
        /// The breach ended.
        Resolved = "resolved", "恢复", "resolved";
        /// A correction removed it.
        Retracted = "retracted", "撤回", "retracted";
        /// A correction removed it, which an officer has to confirm.
        Retracting = "retracting", "更正，待确认撤回", "corrected, retraction awaits confirmation";
        /// An officer found that the correction does not remove it.
        RetractionRejected = "retraction_rejected", "不予撤回", "retraction rejected";
        /// It began again.
        Reopened = "reopened", "再次发生", "reopened";
        /// Preliminary until now, confirmed from now on.
        Confirmed = "confirmed", "确认", "confirmed";
        /// A mark took it out of judgement.
        NotJudged = "not_judged", "不判定（已标记）", "not judged (marked)";
        /// What it led to was decided, or changed.
        OutcomeSet = "outcome", "预警结果", "outcome";
        /// 签收.
        Acknowledged = "acknowledged", "签收", "acknowledged";
        /// 签收 taken back.
        Withdrawn = "withdrawn", "撤销签收", "acknowledgement withdrawn";
        /// A note.
        Commented = "commented", "备注", "comment";
        /// 原因与措施.
        Answered = "answered", "原因与措施", "cause and measures";
        /// 报告设备异常, with its number.
        FaultReported = "fault_reported", "报告设备异常", "instrument fault reported";
        /// 联系片区负责人.
        OfficerContacted = "officer_contacted", "联系片区负责人", "district officer contacted";
        /// 电话记录.
        Phoned = "phoned", "电话记录", "phone call";
        /// Given to somebody.
        Assigned = "assigned", "指派", "assigned";
        /// Done.
        Closed = "closed", "办结", "closed";
        /// The time to answer is over.
        Overdue = "overdue", "逾期未反馈", "overdue";
        /// A round of rectification.
        Submitted = "submitted", "提交整改", "rectification submitted";
        /// A review of it.
        Reviewed = "reviewed", "复核", "reviewed";
    }
}

/// One line of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceLine {
    /// When.
    pub at: Time,
    /// What.
    pub kind: TraceKind,
    /// Who: a person's name, or empty for the judge and the clock.
    pub actor: String,
    /// In which role, for a person.
    pub role: Option<Role>,
    /// Their words, or the reason.
    pub text: String,
    /// The judgement it rests on, for a line the judge wrote.
    pub judgement: Option<Judgement>,
    /// The event it came by, for a line the judge wrote.
    pub event: Option<ContentId>,
}

named! {
    /// What a person can do to a case.
    ActKind {
        /// 签收.
        Acknowledge = "acknowledge", "签收", "acknowledge";
        /// Take the acknowledgement back (within the undo time).
        Withdraw = "withdraw", "撤销签收", "withdraw acknowledgement";
        /// A note.
        Comment = "comment", "备注", "comment";
        /// 原因与措施: cause in `text`, measures in `measures`.
        Answer = "answer", "原因与措施", "cause and measures";
        /// 报告设备异常: what is broken in `text`; gets a number.
        ReportFault = "report_fault", "报告设备异常", "report instrument fault";
        /// 联系片区负责人.
        ContactOfficer = "contact_officer", "联系片区负责人", "contact district officer";
        /// 电话记录: who, number and what was said in `text`.
        Phone = "phone", "电话记录", "log a phone call";
        /// Give it to the person named in `text`.
        Assign = "assign", "指派", "assign";
        /// Done; why in `text`.
        Close = "close", "办结", "close";
        /// It was no breach; why in `text`.
        CloseFalse = "close_false", "判为误报", "close as false alarm";
        /// 确认撤回: the correction is right, the breach never was; why in `text`.
        ConfirmRetraction = "confirm_retraction", "确认撤回", "confirm the retraction";
        /// 不予撤回: the correction is not accepted, the breach stands; why in `text`.
        RejectRetraction = "reject_retraction", "不予撤回", "reject the retraction";
        /// Not done after all.
        Reopen = "reopen", "重新打开", "reopen";
    }
}

/// Longest text of an act: an answer fits, a book does not.
pub const MAX_ACT_TEXT_CHARS: usize = 2_000;

/// What a person does to a case. Who they are is the [`Viewer`](crate::accounts::Viewer) beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub kind: ActKind,
    /// Their words (see [`ActKind`]); at most [`MAX_ACT_TEXT_CHARS`].
    pub text: String,
    /// The measures of an answer; empty otherwise.
    pub measures: String,
    /// When.
    pub at: Time,
}
