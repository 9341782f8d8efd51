//! The host: free space, open files, ports, the clock, who may read what.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use plume_alert::config::ChannelConfig;
use plume_schemas::time::Time;

use super::{Case, some_of};
use crate::finding::Finding;

/// Below so much free space the next hours are in danger, whatever the log's own limit says.
const LEAST_FREE_BYTES: u64 = 1 << 30;
/// Open files besides links: segments, Parquet files, the database, logs.
const OTHER_FILES: u64 = 512;
/// A file of the data directory this far ahead of the clock means that the clock went back.
const AHEAD_MS: i64 = 60_000;
/// What says that somebody keeps this host's clock: systemd-timesyncd (after its first answer), chrony, ntpd.
const CLOCK_KEEPERS: [&str; 4] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chronyd.pid",
    "/run/ntpd.pid",
];

pub(super) fn examine(case: &Case, findings: &mut Vec<Finding>) {
    writable(case, findings);
    disk(case, findings);
    open_files(case, findings);
    the_clock(case, findings);
    ports(case, findings);
    addresses(case, findings);
    secrets(case, findings);
}

/// The directory itself, or the nearest one above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let there = path
        .ancestors()
        .find(|path| path.exists())
        .filter(|path| !path.as_os_str().is_empty());
    there.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn writable(case: &Case, findings: &mut Vec<Finding>) {
    let dir = nearest(case.data_dir());
    let probe = dir.join(format!(".plume-doctor-{}", std::process::id()));
    let own = fs::write(&probe, b"plume doctor")
        .and_then(|()| fs::metadata(&probe))
        .and_then(|made| fs::remove_file(&probe).map(|()| made.uid()));
    match own {
        Err(error) => {
            let (dir, data) = (dir.display(), case.data_dir().display());
            findings.push(
                Finding::error(
                    "data_dir",
                    format!("数据目录 {data} 不可写（{dir}：{error}）"),
                    format!("the data directory {data} cannot be written ({dir}: {error})"),
                )
                .todo(
                    "建立该目录并将属主改为运行 plume 的用户，或修改 [plume] data_dir",
                    "make it and give it to the user that runs plume, or change [plume] data_dir",
                ),
            );
        }
        Ok(own) => {
            let owner = fs::metadata(case.data_dir().join("state")).map(|state| state.uid());
            if let Ok(owner) = owner
                && owner != own
            {
                findings.push(
                    Finding::note(
                        "other_user",
                        format!("数据目录属于用户 {owner}，当前用户为 {own}"),
                        format!("the data belongs to user {owner}, this is user {own}"),
                    )
                    .todo(
                        "以运行 plume 的用户检查更准确",
                        "examine as the user that runs plume: permissions are theirs",
                    ),
                );
            }
        }
    }
}

/// Bytes that the file system of a path still has for us.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(nearest(path)).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn disk(case: &Case, findings: &mut Vec<Finding>) {
    const GIB: f64 = 1_073_741_824.0;
    let Some(free) = free_bytes(case.data_dir()) else {
        return;
    };
    let held: u64 = super::data::log_files(case).iter().map(|(_, bytes)| bytes).sum();
    let may_grow = case.config.bus.max_bytes.saturating_sub(held);
    let (free_gib, grow_gib) = (free as f64 / GIB, may_grow as f64 / GIB);
    if free < LEAST_FREE_BYTES {
        findings.push(
            Finding::error(
                "disk_full",
                format!("磁盘仅余 {free_gib:.1} GiB"),
                format!("the disk has {free_gib:.1} GiB left"),
            )
            .todo(
                "腾出空间：磁盘写满后设备得不到应答，须重发",
                "make room: on a full disk devices get no answer and send again",
            ),
        );
    } else if free < may_grow {
        findings.push(
            Finding::warning(
                "disk_small",
                format!("日志最多还会增长 {grow_gib:.1} GiB，磁盘只余 {free_gib:.1} GiB"),
                format!("the log may grow by {grow_gib:.1} GiB, the disk has {free_gib:.1} GiB"),
            )
            .todo(
                "调小 [bus] max_bytes，或将数据目录放到更大的磁盘",
                "lower [bus] max_bytes, or put the data directory on a larger disk",
            ),
        );
    }
}

/// The soft limit of open files, from what Linux says of this process.
fn files_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files(case: &Case, findings: &mut Vec<Finding>) {
    let needed = u64::try_from(case.config.ingest.max_connections).unwrap_or(u64::MAX);
    let needed = needed.saturating_add(OTHER_FILES);
    if let Some(limit) = files_limit().filter(|limit| *limit < needed) {
        findings.push(
            Finding::warning(
                "open_files",
                format!("本用户最多打开 {limit} 个文件，{needed} 个才够全部连接"),
                format!("this user may open {limit} files, all links need {needed}"),
            )
            .todo(
                "在 systemd 单元设 LimitNOFILE，或 ulimit -n，或调小 [ingest] max_connections",
                "set LimitNOFILE in the systemd unit, or ulimit -n, or lower [ingest] max_connections",
            ),
        );
    }
}

fn changed_at(path: &Path) -> Option<Time> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    let since: Duration = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Time)
}

fn the_clock(case: &Case, findings: &mut Vec<Finding>) {
    let state = fs::read_dir(case.data_dir().join("state")).into_iter().flatten();
    let mut files: Vec<PathBuf> = state.flatten().map(|entry| entry.path()).collect();
    files.extend(super::data::log_files(case).into_iter().map(|(path, _)| path));
    files.extend(std::env::current_exe().ok());
    let newest = files.iter().filter_map(|path| Some((changed_at(path)?, path))).max();
    if let Some((at, path)) = newest.filter(|(at, _)| at.since(case.now) > AHEAD_MS) {
        let (now, path) = (case.now, path.display());
        findings.push(
            Finding::error(
                "clock_back",
                format!("系统时钟为 {now}，而文件 {path} 写于 {at}：时钟曾被拨回或不准"),
                format!("the clock says {now}, but {path} was written at {at}: it was set back or is wrong"),
            )
            .todo(
                "校准时钟（timedatectl、chronyc makestep）后再启动 plume",
                "set the clock right (timedatectl, chronyc makestep) before plume starts",
            ),
        );
    }
    if !CLOCK_KEEPERS.iter().any(|path| Path::new(path).exists()) {
        findings.push(
            Finding::warning(
                "clock_unkept",
                "看不到时间同步服务（systemd-timesyncd、chrony、ntpd）",
                "no service that keeps the clock is seen (systemd-timesyncd, chrony, ntpd)",
            )
            .todo(
                "启用时间同步并指向单位内的时间服务器；小时划分取决于时钟",
                "enable one, with your own time server where there is no internet; hours are cut by this clock",
            ),
        );
    }
}

fn ports(case: &Case, findings: &mut Vec<Finding>) {
    if case.running.is_some() {
        // The plume that runs holds them.
        return;
    }
    let (desk, admin) = (
        case.config.desk.listen.to_string(),
        case.config.admin.listen.to_string(),
    );
    let listeners: [(&'static str, &str, &str, &str, &str); 3] = [
        (
            "port_devices",
            "ingest.listen",
            "设备",
            "devices",
            &case.config.ingest.listen,
        ),
        ("port_desk", "desk.listen", "工作台", "the desk", &desk),
        ("port_admin", "admin.listen", "运维接口", "metrics", &admin),
    ];
    for (code, key, zh, en, address) in listeners {
        if let Err(error) = TcpListener::bind(address) {
            findings.push(
                Finding::error(
                    code,
                    format!("{zh}端口 {address}（{key}）不可用：{error}"),
                    format!("the port of {en}, {address} ({key}), cannot be had: {error}"),
                )
                .todo(
                    format!("用 `ss -ltnp` 查占用它的程序并停止，或修改 {key}"),
                    format!("find with `ss -ltnp` who holds it and stop it, or change {key}"),
                ),
            );
        }
    }
}

/// Addresses that reach further than their protection.
fn addresses(case: &Case, findings: &mut Vec<Finding>) {
    let admin = case.config.admin.listen;
    if !admin.ip().is_loopback() {
        findings.push(
            Finding::warning(
                "admin_open",
                format!("运维接口 {admin} 无登录，却不只监听本机"),
                format!("{admin} (admin.listen) has no login and is not loopback"),
            )
            .todo(
                "改为 127.0.0.1，或用防火墙只放行监控主机",
                "listen on 127.0.0.1, or let only the monitoring host through the firewall",
            ),
        );
    }
    let desk = &case.config.desk;
    if !desk.listen.ip().is_loopback() && !desk.secure_cookies {
        findings.push(
            Finding::warning(
                "desk_open",
                format!("工作台 {} 直接对外，密码明文传输", desk.listen),
                format!("the desk at {} serves other hosts without HTTPS", desk.listen),
            )
            .todo(
                "前置 HTTPS 代理，监听改回 127.0.0.1，并设 [desk] secure_cookies = true",
                "put an HTTPS proxy before it, listen on 127.0.0.1, set [desk] secure_cookies = true",
            ),
        );
    }
}

/// True where the configuration itself holds something that nobody else should read.
fn holds_secrets(case: &Case) -> bool {
    let alert = &case.config.alert;
    let secret = |channel: &ChannelConfig| match channel {
        ChannelConfig::Webhook(webhook) => !webhook.secret.reveal().is_empty(),
        ChannelConfig::Template(template) => !template.secret.reveal().is_empty(),
    };
    !alert.mail.password.reveal().is_empty() || alert.channels.iter().any(secret) || alert.store.contains('@')
}

fn secrets(case: &Case, findings: &mut Vec<Finding>) {
    let mut files = Vec::new();
    let folder = case.config_path.parent().unwrap_or(Path::new(""));
    if !case.config.ingest.keys_file.is_empty() {
        files.push(folder.join(&case.config.ingest.keys_file));
    }
    if holds_secrets(case) {
        files.push(case.config_path.clone());
    }
    if !case.config.keys.seal_file.as_os_str().is_empty() {
        files.push(case.config.keys.seal_file.clone());
    }
    files.push(case.data_dir().join("state/evidence.key"));
    let open = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    let open: Vec<String> = files
        .iter()
        .filter(|path| open(path))
        .map(|path| path.display().to_string())
        .collect();
    if !open.is_empty() {
        let names = some_of(&open);
        findings.push(
            Finding::error(
                "secrets_readable",
                format!("含密钥或密码的文件他人可读：{names}"),
                format!("files with keys or passwords can be read by others: {names}"),
            )
            .todo(
                "执行 chmod 600，并将属主改为运行 plume 的用户",
                "chmod 600, owned by the user that runs plume",
            ),
        );
    }
}
