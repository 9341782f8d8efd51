//! The key that seals the keys of devices, where it lies, and how old those are.

use std::fs;

use plume_ingest::exchange::vault::MAX_KEY_DAYS;

use super::{Case, some_of};
use crate::finding::Finding;
use crate::keystore;

pub(super) fn examine(case: &Case, findings: &mut Vec<Finding>) {
    let keys = &case.config.keys;
    if let Some(fault) = keystore::seal_fault(keys, case.data_dir()) {
        findings.push(
            Finding::error(
                "seal_key",
                format!("设备密钥无法打开，plume 不能启动：{fault:#}"),
                format!("the keys of devices cannot be opened, plume would not start: {fault:#}"),
            )
            .todo(
                "在 [keys] seal_file 填写封存时所用的密钥文件；从另存处取回，不要新建",
                "name the file of the key they were sealed with in [keys] seal_file: fetch it from where it was kept, \
                 do not make a new one",
            ),
        );
        return;
    }
    place(case, findings);
    if keystore::sealed_path(case.data_dir()).exists() {
        ages(case, findings);
    }
}

/// Whether whoever copies the data directory has the key with what it opens.
fn place(case: &Case, findings: &mut Vec<Finding>) {
    let file = &case.config.keys.seal_file;
    if file.as_os_str().is_empty() {
        return;
    }
    let shown = file.display();
    let inside = |dir: &std::path::Path| Some(fs::canonicalize(file).ok()?.starts_with(fs::canonicalize(dir).ok()?));
    if inside(case.data_dir()) == Some(true) {
        findings.push(
            Finding::warning(
                "seal_key_place",
                format!("封存密钥 {shown} 在数据目录中，备份会连同所封存的密钥一起带走"),
                format!("the sealing key {shown} lies in the data directory: a copy of that holds both lock and key"),
            )
            .todo(
                "移到数据目录以外，如 /etc/plume，并另存一份",
                "move it elsewhere, such as /etc/plume, and keep a copy apart from the backups",
            ),
        );
    }
}

fn ages(case: &Case, findings: &mut Vec<Finding>) {
    let config = &case.config.keys;
    let Ok(ages) = keystore::kept_ages(config, case.data_dir(), case.now) else {
        return;
    };
    let old = ages.iter().filter(|age| age.days >= i64::from(config.warn_days));
    let old: Vec<String> = old.map(|age| format!("{} {} 天 / days", age.mn, age.days)).collect();
    if old.is_empty() {
        return;
    }
    let (count, names) = (old.len(), some_of(&old));
    findings.push(
        Finding::warning(
            "keys_old",
            format!("{count} 台设备的密钥将满或已满 {MAX_KEY_DAYS} 天：{names}"),
            format!("the keys of {count} devices are nearly or more than {MAX_KEY_DAYS} days old: {names}"),
        )
        .todo(
            "取得企业同意后更换：plume permit ask、agree，再 plume command set-key",
            "change them: plume permit ask and agree with the enterprise's consent, then plume command set-key",
        ),
    );
}
