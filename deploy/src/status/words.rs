//! What can be found about a plume that runs: the sentences of `plume status`, of the 系统 page and of the alert rules,
//! once.

use crate::finding::{Finding, Grade};

/// One kind of finding.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its name for programs.
    pub(crate) code: &'static str,
    /// How grave.
    pub(crate) grade: Grade,
    /// What is so.
    pub(crate) zh: &'static str,
    /// The same in English.
    pub(crate) en: &'static str,
    /// What to do.
    pub(crate) todo_zh: &'static str,
    /// The same in English.
    pub(crate) todo_en: &'static str,
}

impl Kind {
    /// It, with what is special this time.
    pub(crate) fn found(&self, detail_zh: &str, detail_en: &str) -> Finding {
        let join = |what: &str, colon: &str, detail: &str| match detail {
            "" => what.to_owned(),
            detail => format!("{what}{colon}{detail}"),
        };
        let (zh, en) = (join(self.zh, "：", detail_zh), join(self.en, ": ", detail_en));
        let mut found = Finding::error(self.code, zh, en).todo(self.todo_zh, self.todo_en);
        found.grade = self.grade;
        found
    }
}

macro_rules! kinds {
    ($($name:ident $code:literal $grade:ident: $zh:literal, $en:literal, $todo_zh:literal, $todo_en:literal;)+) => {
        $(pub(crate) const $name: Kind = Kind {
            code: $code,
            grade: Grade::$grade,
            zh: $zh,
            en: $en,
            todo_zh: $todo_zh,
            todo_en: $todo_en,
        };)+
        /// All of them.
        pub(crate) const ALL: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    JUDGE_BEHIND "judge_behind" Error:
        "判定落后于数据", "the judge is behind the data",
        "查看日志中 detect 的报错；CPU 占满时减少同机其他程序。期间没有预警不代表没有超标",
        "look for detect in the log; give it CPU where that is short. Silence meanwhile does not mean calm";
    ARCHIVE_BEHIND "archive_behind" Warning:
        "归档落后于日志", "the archive is behind the log",
        "检查归档目录是否可写、磁盘是否有空间；数据仍在日志中，不会丢失",
        "see whether its directory can be written and has room; the log keeps everything meanwhile";
    DESK_BEHIND "desk_behind" Error:
        "工作台落后于判定结果", "the desk is behind the judge",
        "检查工作台数据库（SQLite 文件或 PostgreSQL 服务）是否可写、有空间",
        "see whether the desk's database (the SQLite file or PostgreSQL) can be written and has room";
    LOG_STILL "log_still" Error:
        "日志没有新记录", "nothing new is written to the log",
        "查看日志报错与磁盘；plume 若卡住，重启即可，已应答的数据不会丢失",
        "look at the log lines and the disk; restart plume if it hangs: nothing answered is lost";
    LOG_FULL "log_full" Error:
        "日志已到上限，设备得不到应答，会自行重发", "the log is full: devices get no answer and send again",
        "先处理归档或判定的问题，或腾出磁盘、调大 [bus] max_bytes；恢复后自动继续",
        "mend the archive or the judge, make room, or raise [bus] max_bytes; it goes on by itself";
    LOG_NEARLY_FULL "log_nearly_full" Warning:
        "日志接近上限", "the log is nearly full",
        "查看归档和判定是否落后：它们处理过的部分才能释放",
        "see whether archive or judge are behind: only what they have worked off is released";
    LOG_SLOW "log_slow" Warning:
        "日志所在磁盘写入缓慢，设备应答随之变慢", "the disk of the log is slow, and so are the answers to devices",
        "查看同机其他程序的磁盘占用、RAID 状态、云盘限速；设备超时会重发，已应答的数据不会丢失",
        "see who else uses the disk, its RAID, a cloud disk's limit; devices send again, nothing answered is lost";
    DISK_LOW "disk_low" Error:
        "磁盘空间不足", "the disk is nearly full",
        "腾出空间，或设 [archive] keep_samples_days、max_bytes 让旧样本过期",
        "make room, or let old samples expire by [archive] keep_samples_days or max_bytes";
    ARCHIVE_STUCK "archive_stuck" Error:
        "归档无法写入", "the archive cannot be written",
        "检查归档目录的权限和空间；数据保留在日志中",
        "see whether its directory can be written and has room; the log keeps everything meanwhile";
    JUDGE_STUCK "judge_stuck" Error:
        "判定结果无法保存", "the judge cannot store what it finds",
        "检查日志所在磁盘；恢复后会补判",
        "see the disk of the log; it catches up afterwards";
    NOTICES_LATE "notices_late" Error:
        "通知积压未发出", "notices wait and are not sent",
        "用 plume notify test 验证通道；检查邮件、短信网关和网络",
        "try the channel with plume notify test; see mail server, gateways and network";
    DEVICES_GONE "devices_gone" Warning:
        "多数设备没有连接", "most devices are not connected",
        "检查设备端口的防火墙、专线或运营商网络；个别设备看设备页",
        "see firewall, line and carrier of the devices' port; for single ones the devices page";
    BACKUP_OLD "backup_old" Warning:
        "没有近期备份", "there is no recent backup",
        "运行 plume backup --to 目录，并设为每日任务",
        "run plume backup --to DIR, daily";
    RELOAD_REFUSED "reload_refused" Warning:
        "重新加载的配置或基础档案有误，沿用原来的", "a reload was refused, the old one stays in force",
        "运行 plume check 改正后再次发送 SIGHUP",
        "correct it with plume check, then send SIGHUP again";
    RELAY_STILL "relay_still" Warning:
        "转发停滞，上级平台没有应答", "packets are not passed on: the other platform does not answer",
        "检查该平台的地址、网络和是否已登记这些设备；数据在日志和归档中保留，恢复后自动续传",
        "see its address, the network, and whether it knows these devices; log and archive keep everything meanwhile";
    KEYS_OLD "keys_old" Warning:
        "有设备的密钥即将满 90 天", "keys of devices are nearly 90 days old",
        "取得企业同意后更换：plume permit ask、agree，再 plume command set-key",
        "change them: plume permit ask and agree with the enterprise's consent, then plume command set-key";
    KEY_WANTED "key_wanted" Warning:
        "有设备请求新密钥，尚无许可", "devices ask for a new key and no permit lets plume give one",
        "取得企业同意后登记许可：plume permit ask、agree；设备再次请求时自动下发",
        "get the enterprise's consent: plume permit ask and agree; the next request is then answered";
    NOT_RUNNING "not_running" Error:
        "plume 没有运行", "plume is not running",
        "systemctl start plume，或 plume run；起不来时运行 plume doctor",
        "systemctl start plume, or plume run; plume doctor where it does not start";
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// The alert rules: what `plume status` says, after two minutes, and that plume does not answer at all.
    fn rules() -> String {
        let mut text = String::from(
            "# Made from deploy/src/status/words.rs; a test keeps it fresh. The same sentences as `plume status`.\n\
             groups:\n  - name: plume-status\n    rules:\n",
        );
        let mut rule = |name: &str, expr: &str, kind: &Kind| {
            let severity = if kind.grade == Grade::Error {
                "critical"
            } else {
                "warning"
            };
            write!(
                text,
                "      - alert: {name}\n        expr: {expr}\n        for: 2m\n        labels:\n          \
                 severity: {severity}\n        annotations:\n          summary: \"{} / {}\"\n          \
                 description: \"{} / {}\"\n",
                kind.zh, kind.en, kind.todo_zh, kind.todo_en
            )
            .unwrap();
        };
        for kind in ALL {
            let name: String = kind.code.split('_').map(capitalised).collect();
            if kind.code == NOT_RUNNING.code {
                rule(&format!("Plume{name}"), "up{job=\"plume\"} == 0", kind);
            } else {
                let expr = format!("plume_deploy_finding{{code=\"{}\"}} == 1", kind.code);
                rule(&format!("Plume{name}"), &expr, kind);
            }
        }
        text
    }

    fn capitalised(word: &str) -> String {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    }

    #[test]
    fn the_alert_rules_are_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus/status.rules.yml");
        let fresh = rules();
        if std::fs::read_to_string(&path).unwrap_or_default() != fresh {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, fresh).unwrap();
            panic!(
                "{} was stale and has been written anew: look at it and commit it",
                path.display()
            );
        }
    }

    #[test]
    fn no_sentence_would_break_a_rule() {
        for kind in ALL {
            for words in [kind.zh, kind.en, kind.todo_zh, kind.todo_en] {
                assert!(!words.is_empty() && !words.contains(['"', '\\', '{', '\n']), "{words}");
            }
        }
    }
}
