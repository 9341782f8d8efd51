//! Notices: one message to one receiver, made with its case, decided just before it is sent.

pub mod bulletin;
mod decide;
mod make;
mod repeat;

use plume_schemas::ids::{ContentId, EnterpriseId};
use plume_schemas::rule::{Severity, Stream};
use plume_schemas::time::Time;

use crate::book::Purpose;
use crate::named::named;
use crate::words::{Lang, Message};

pub use decide::{Circumstances, Decision, decide};
pub use make::{Maker, News, Receiver, make};
pub use repeat::repeat;

named! {
    /// For whom a notice is, by kind.
    Audience {
        /// The enterprise's contacts.
        Enterprise = "enterprise", "企业", "enterprise";
        /// Its O&M contractor.
        Contractor = "contractor", "运维单位", "contractor";
        /// The district branch.
        Branch = "branch", "分局", "district branch";
        /// The city's duty desk.
        City = "city", "市局", "city desk";
        /// Named officers for leads.
        LeadOfficer = "lead_officer", "线索专员", "lead officers";
    }
}

impl Audience {
    /// The next desk role where this one does not acknowledge.
    pub const fn above(self) -> Option<Self> {
        match self {
            Self::Branch => Some(Self::City),
            Self::Enterprise | Self::Contractor | Self::City | Self::LeadOfficer => None,
        }
    }

    /// True for those a lead may be about: they never hear of one.
    pub const fn is_site(self) -> bool {
        matches!(self, Self::Enterprise | Self::Contractor)
    }
}

named! {
    /// How a notice travels.
    Channel {
        /// E-mail.
        Mail = "mail", "邮件", "mail";
        /// Short message.
        Sms = "sms", "短信", "short message";
        /// A call that reads it out.
        Voice = "voice", "语音", "voice call";
        /// Rings at the duty desk.
        Ring = "ring", "响铃", "ring";
    }
}

named! {
    /// Where a notice stands.
    NoticeState {
        /// In the outbox.
        Waiting = "waiting", "待发送", "waiting";
        /// Handed over to its channel.
        Sent = "sent", "已发送", "sent";
        /// Not sent, for the reason beside it.
        Skipped = "skipped", "未发送", "skipped";
        /// Tried and given up.
        Failed = "failed", "发送失败", "failed";
    }
}

named! {
    /// Why a notice was sent, held or skipped. In the store, in metrics and on the page.
    Reason {
        /// Made, not yet looked at.
        New = "new", "新建", "new";
        /// Sent: it was due.
        Due = "due", "到时发送", "due";
        /// Held: its time has not come.
        NotYet = "not_yet", "未到发送时间", "not yet due";
        /// Held: quiet hours.
        QuietHours = "quiet_hours", "夜间免打扰", "quiet hours";
        /// Held: too many messages to this address within the hour.
        RateCap = "rate_cap", "发送频次限制", "rate cap";
        /// Held: the last message to this address is not long ago.
        GroupInterval = "group_interval", "合并发送", "grouped";
        /// Held: the last attempt failed, the next is due later.
        Retry = "retry", "等待重试", "waiting to retry";
        /// Skipped: sending is switched off.
        Off = "off", "通知已关闭", "sending is off";
        /// Skipped: leads never go to the enterprise or its contractor.
        LeadNeverToSite = "lead_never_to_site", "线索不外发", "leads never go there";
        /// Skipped: the outlet is on trial.
        Trial = "trial", "试运行", "on trial";
        /// Skipped: caused by late data; it is no news of now.
        Late = "late", "补传数据", "late data";
        /// Skipped: nobody to send to, or no address.
        NoAddress = "no_address", "无联系方式", "no address";
        /// Skipped: no channel is set up that could carry it.
        NoChannel = "no_channel", "通道未配置", "no channel set up";
        /// Skipped: its hour is over.
        Stale = "stale", "已过时", "stale";
        /// Skipped: the breach ended before it was sent.
        Over = "over", "已恢复", "over already";
        /// Skipped: who should hear that it is over never heard that it began.
        NeverTold = "never_told", "未曾通知", "never told";
        /// Skipped: somebody acknowledged before the chain came to this contact.
        Acknowledged = "acknowledged", "已签收", "acknowledged";
        /// Skipped: another case of this outlet explains it.
        Inhibited = "inhibited", "被关联预警抑制", "inhibited";
        /// Skipped: filed stop-work.
        StopWork = "stop_work", "停产报备", "filed stop-work";
        /// Skipped: somebody silenced it.
        Silenced = "silenced", "暂停提醒", "silenced";
        /// Failed: refused for good by the channel.
        Refused = "refused", "被拒收", "refused";
        /// Failed: tried as often as allowed.
        GaveUp = "gave_up", "多次重试失败", "gave up";
    }
}

/// A notice as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// From content: made twice it is one.
    pub id: ContentId,
    /// About this case.
    pub case: Option<ContentId>,
    /// Part of this batch.
    pub batch: Option<ContentId>,
    /// Of this enterprise; `None` where it is about several.
    pub enterprise: Option<EnterpriseId>,
    /// Of this stream.
    pub stream: Stream,
    /// For whom by kind.
    pub audience: Audience,
    /// Who.
    pub receiver: String,
    /// By which channel.
    pub channel: Channel,
    /// Where to; empty where there is none.
    pub address: String,
    /// What for.
    pub purpose: Purpose,
    /// Place in the chain of contacts, 0 is the first.
    pub step: u32,
    /// In which language.
    pub lang: Lang,
    /// What it says.
    pub message: Message,
    /// How grave: urgent ones wait for nothing.
    pub severity: Severity,
    /// When it was made.
    pub created_at: Time,
    /// Not to be sent before.
    pub not_before: Time,
    /// Not to be sent after.
    pub stale_at: Option<Time>,
    /// Held in the quiet hours.
    pub waits_for_morning: bool,
}
