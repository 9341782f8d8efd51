//! Who must answer for a warning to reach anybody: the mail server, and any channel at all.

use plume_alert::notify::Channel;
use plume_alert::sinks::email::{self, EmailSink};

use super::{Case, certificates};
use crate::finding::Finding;

pub(super) async fn examine(case: &Case, findings: &mut Vec<Finding>) {
    let alert = &case.config.alert;
    if alert.notify.enabled && !alert.mail.enabled && alert.channels.is_empty() && !alert.console.enabled {
        let names: Vec<&str> = Channel::ALL.iter().map(|channel| channel.zh()).collect();
        findings.push(
            Finding::warning(
                "no_channel",
                format!("没有配置任何通知通道（{}），预警只显示在工作台", names.join("、")),
                "no channel is set up: warnings show on the desk and reach nobody",
            )
            .todo(
                "配置 [alert.mail] 或 [[alert.channel]]（deploy/examples/channels.toml），再用 plume notify test 验证",
                "set up [alert.mail] or [[alert.channel]] (deploy/examples/channels.toml), then plume notify test",
            ),
        );
    }
    if alert.mail.enabled {
        mail(case, findings).await;
    }
}

async fn mail(case: &Case, findings: &mut Vec<Finding>) {
    let mail = &case.config.alert.mail;
    let server = format!("{}:{}", mail.host, mail.port);
    let tried = match EmailSink::new(mail) {
        Ok(sink) => sink
            .try_server()
            .await
            .map_err(|error| (error.to_string(), error.hint())),
        Err(error) => Err((error.to_string(), error.hint())),
    };
    if let Err((why, hint)) = tried {
        findings.push(
            Finding::error(
                "mail_unreachable",
                format!("邮件服务器 {server} 不可用：{why}"),
                format!("the mail server {server} does not serve: {why}"),
            )
            .todo(
                format!("检查 [alert.mail] 的 host、port、tls、账号和防火墙（{hint}）"),
                format!("check host, port, tls and account in [alert.mail] and the firewall ({hint})"),
            ),
        );
    }
    if let Some(der) = email::certificate(mail).await {
        certificates::of_server(&server, &der, case.now, findings);
    }
}
