//! Until when certificates are valid.

use std::path::Path;

use plume_schemas::time::{DAY_MS, Time};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::Case;
use crate::finding::Finding;

/// A bureau needs weeks to get a new certificate.
const SOON_DAYS: i64 = 30;

/// The authority's certificate that mail names, and that of the devices' listener.
pub(super) fn examine(case: &Case, findings: &mut Vec<Finding>) {
    let (mail, ingest) = (&case.config.alert.mail, &case.config.ingest);
    if mail.enabled && !mail.ca_file.is_empty() {
        of_file(&mail.ca_file, "[alert.mail] ca_file", case.now, findings);
    }
    if !ingest.tls_listen.is_empty() {
        of_file(&ingest.tls_certificate, "[ingest] tls_certificate", case.now, findings);
    }
}

/// Every certificate of a PEM file that a setting names.
fn of_file(file: &str, setting: &str, now: Time, findings: &mut Vec<Finding>) {
    let certificates = std::fs::read(Path::new(file))
        .map_err(|error| error.to_string())
        .and_then(|pem| Certificate::load_pem_chain(&pem).map_err(|error| error.to_string()));
    match certificates {
        Ok(chain) if !chain.is_empty() => {
            for certificate in &chain {
                dates(file, certificate, now, findings);
            }
        }
        other => {
            let why = other.err().unwrap_or_else(|| "no certificate in it".to_owned());
            findings.push(
                Finding::error(
                    "certificate_file",
                    format!("证书文件 {file} 无法读取：{why}"),
                    format!("the certificate {file} cannot be read: {why}"),
                )
                .todo(
                    format!("在 {setting} 填写 PEM 格式的证书"),
                    format!("name the certificate as PEM in {setting}"),
                ),
            );
        }
    }
}

/// What a server showed.
pub(super) fn of_server(server: &str, der: &[u8], now: Time, findings: &mut Vec<Finding>) {
    if let Ok(certificate) = Certificate::from_der(der) {
        dates(server, &certificate, now, findings);
    }
}

fn dates(whose: &str, certificate: &Certificate, now: Time, findings: &mut Vec<Finding>) {
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    let Ok(end) = i64::try_from(end.as_millis()).map(Time) else {
        return;
    };
    let days = end.since(now).div_euclid(DAY_MS);
    if days >= SOON_DAYS {
        return;
    }
    let found = if days < 0 {
        Finding::error(
            "certificate_expired",
            format!("证书 {whose} 已于 {end} 到期"),
            format!("the certificate of {whose} ended at {end}"),
        )
    } else {
        Finding::warning(
            "certificate_ends",
            format!("证书 {whose} 将于 {end} 到期（{days} 天后）"),
            format!("the certificate of {whose} ends at {end}, in {days} days"),
        )
    };
    findings.push(found.todo(
        "向签发机构换发并替换",
        "get a new one from its authority and put it in place",
    ));
}
