//! Gaps of the registry: what is there, and will not work when it is needed.

use std::collections::BTreeSet;

use plume_schemas::registry::Registry;

use super::{Case, some_of};
use crate::finding::Finding;

pub(super) fn examine(case: &Case, findings: &mut Vec<Finding>) {
    let Some(registry) = &case.registry else { return };
    let now = case.now;
    let served: BTreeSet<_> = registry
        .sources
        .iter()
        .filter(|source| source.validity().covers(now))
        .map(|source| source.outlet.to_string())
        .collect();
    let outlets = || registry.outlets.iter().filter(|outlet| outlet.validity().covers(now));
    let mut gap = |code, names: Vec<String>, zh: &str, en: &str, todo_zh: &str, todo_en: &str| {
        if names.is_empty() {
            return;
        }
        let (count, some) = (names.len(), some_of(&names));
        findings.push(
            Finding::warning(code, format!("{count} {zh}：{some}"), format!("{count} {en}: {some}"))
                .todo(todo_zh, todo_en),
        );
    };
    let unserved = outlets().map(|outlet| outlet.id.to_string());
    gap(
        "registry_no_device",
        unserved.filter(|id| !served.contains(id)).collect(),
        "个排放口没有设备，收不到数据",
        "outlet(s) have no device, so no data comes",
        "为其添加 [[source]]（MN），或填 valid_to 停用",
        "add a [[source]] with its MN, or end the outlet with valid_to",
    );
    let unlimited = outlets().filter(|outlet| {
        let in_force = |limit: &plume_schemas::registry::Limit| limit.validity().covers(now);
        !outlet.factors.iter().any(|factor| factor.limits.iter().any(in_force))
    });
    gap(
        "registry_no_limit",
        unlimited.map(|outlet| outlet.id.to_string()).collect(),
        "个排放口没有有效限值，不会预警",
        "outlet(s) have no limit in force, so nothing is warned of",
        "在 [[outlet.factor.limit]] 按排污许可证填写限值",
        "write the permit's limits as [[outlet.factor.limit]]",
    );
    gap(
        "registry_no_contact",
        unreachable(registry),
        "家企业没有可用的联系方式，预警无人可通知",
        "enterprise(s) have nobody with a phone or mail, so no one is told",
        "在 [[enterprise.contact]] 填写电话或邮箱",
        "give a phone or an address in [[enterprise.contact]]",
    );
    let open = registry
        .sources
        .iter()
        .filter(|source| source.validity().covers(now) && source.password.as_deref().is_none_or(str::is_empty));
    gap(
        "registry_no_password",
        open.map(|source| source.mn.to_string()).collect(),
        "台设备未登记访问密码，任何人都可冒充",
        "device(s) have no password, so anybody can speak for them",
        "在 [[source]] 填写 password（轮询的设备无需）",
        "write password in [[source]] (polled devices need none)",
    );
}

fn unreachable(registry: &Registry) -> Vec<String> {
    let with_outlet: BTreeSet<_> = registry.outlets.iter().map(|outlet| outlet.enterprise).collect();
    let silent = registry.enterprises.iter().filter(|enterprise| {
        let reachable =
            |contact: &plume_schemas::registry::Contact| !contact.phone.is_empty() || !contact.email.is_empty();
        with_outlet.contains(&enterprise.id) && !enterprise.contacts.iter().any(reachable)
    });
    silent.map(|enterprise| enterprise.name.clone()).collect()
}
