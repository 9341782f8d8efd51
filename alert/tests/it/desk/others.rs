//! Stand-ins for those whom the desk asks and that only a running plume has: who reads and records the registry, and
//! who gives orders to devices.

use std::sync::Arc;

use plume_alert::desk::{
    DeskState, EnrolQuestion, EnrolQueue, EnrolRefusal, Enrolled, Enrolment, Fault, OrderGiven, OrderKind, OrderNeeds,
    OrderQuestion, OrderQueue, OrderResult, ReadRegistry, RecordRefusal, RegistryFile, RegistryQuestion, RegistryQueue,
    WaitingDevice,
};
use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::registry::{CsvFile, CsvFiles, Registry, RegistryIndex, RowKind};
use plume_schemas::time::MINUTE_MS;
use tokio::sync::mpsc;

use super::{NOW, WAITING_MN, at, registry};

/// Reads sheets, and records what is made of the revision in force.
pub(super) fn registrar(state: &DeskState) {
    let (queue, mut questions) = mpsc::channel::<RegistryQuestion>(8);
    state.set_registry_queue(RegistryQueue::new(queue));
    tokio::spawn(async move {
        let mut in_force = registry().revision;
        while let Some(question) = questions.recv().await {
            match question {
                RegistryQuestion::Read { files, answer } => drop(answer.send(read(&files))),
                RegistryQuestion::Record { base, answer, .. } if base != in_force => {
                    drop(answer.send(Err(RecordRefusal::Changed)));
                }
                RegistryQuestion::Record {
                    mut registry, answer, ..
                } => {
                    in_force += 1;
                    registry.revision = in_force;
                    drop(answer.send(Ok(Arc::new(RegistryIndex::new(*registry)))));
                }
            }
        }
    });
}

fn read(given: &[RegistryFile]) -> ReadRegistry {
    let mut files = CsvFiles::default();
    for RegistryFile { name, text } in given {
        let kind = RowKind::ALL.iter().find(|kind| kind.file() == name).unwrap();
        *files.of_mut(*kind) = Some(CsvFile { name, text });
    }
    let read = Registry::from_csv(&files).map(|registry| (registry, Vec::new()));
    read.map_err(|problems| {
        let fault = |problem: &plume_schemas::registry::CsvProblem| Fault {
            file: problem.file.clone(),
            line: usize::try_from(problem.line).ok(),
            is_warning: false,
            message: problem.message.clone(),
            hint: problem.hint(),
        };
        problems.iter().map(fault).collect()
    })
}

/// Lists one waiting device, and registers it: at an enterprise that is known, the way deploy does it.
pub(super) fn enrols(state: &DeskState) {
    let (queue, mut questions) = mpsc::channel::<EnrolQuestion>(8);
    state.set_enrol_queue(EnrolQueue::new(queue));
    tokio::spawn(async move {
        let mut all = vec![waiting_device()];
        while let Some(question) = questions.recv().await {
            match question {
                EnrolQuestion::Waiting { answer } => drop(answer.send(Ok(all.clone()))),
                EnrolQuestion::Enrol { enrolment, answer } => {
                    let done = enrol(&enrolment);
                    if done.is_ok() {
                        all.clear();
                    }
                    drop(answer.send(done));
                }
            }
        }
    });
}

fn waiting_device() -> WaitingDevice {
    let codes = ["a01012", "a19001", "a21026"];
    WaitingDevice {
        mn: Mn::new(WAITING_MN).unwrap(),
        st: "31".into(),
        edition: "HJ 212-2017".into(),
        packets: 4,
        first: at(NOW).plus(-30 * MINUTE_MS),
        last: at(NOW).plus(-MINUTE_MS),
        cns: vec![(2011, 1), (2051, 3)],
        factors: codes.map(|code| FactorCode::new(code).unwrap()).to_vec(),
        minute_interval_min: Some(10),
        realtime_interval_s: None,
        has_password: true,
    }
}

/// What is asked for stands in the name of the outlet, for tests to look at.
fn enrol(enrolment: &Enrolment) -> Result<Enrolled, EnrolRefusal> {
    let mut registry = registry();
    let known = registry.enterprises.iter().any(|row| row.id == enrolment.enterprise);
    if !known && enrolment.enterprise_name.is_empty() {
        let said = format!("enterprise {} is not in the registry", enrolment.enterprise);
        return Err(EnrolRefusal::Refused(said));
    }
    registry.revision += 1;
    let place = registry.outlets.iter().position(|row| row.number == enrolment.outlet);
    let outlet = &mut registry.outlets[place.unwrap_or(0)];
    outlet.factors.clone_from(&enrolment.factors);
    outlet.name = format!(
        "{} {} by {}, password {}",
        enrolment.outlet, enrolment.outlet_name, enrolment.by, enrolment.keep_password
    );
    Ok(Enrolled {
        registry: Arc::new(RegistryIndex::new(registry)),
        taken: 3,
        still: 1,
    })
}

/// Gives two orders, which every device obeys at once; one was given before.
pub(super) fn orders(state: &DeskState) {
    let kind = |name, zh, en, needs| OrderKind { name, zh, en, needs };
    let kinds = vec![
        kind(
            "read-time",
            "提取现场机时间",
            "read the device's time",
            OrderNeeds::Nothing,
        ),
        kind("hours", "取小时数据", "ask for hour data", OrderNeeds::Span),
        kind(
            "serial",
            "提取设备唯一标识",
            "read an analyser's serial number",
            OrderNeeds::Factor,
        ),
    ];
    let (queue, mut questions) = mpsc::channel::<OrderQuestion>(8);
    state.set_orders(OrderQueue::new(queue, kinds));
    tokio::spawn(async move {
        let mut all = vec![OrderGiven {
            at: at(NOW).plus(-7 * MINUTE_MS),
            by: "plume (gaps)".into(),
            what: "CN 2061 取小时数据".into(),
            fields: "BeginTime=20261121120000 EndTime=20261121130000".into(),
            result: None,
        }];
        while let Some(question) = questions.recv().await {
            match question {
                OrderQuestion::List { answer, .. } => {
                    drop(answer.send(Ok(all.iter().rev().cloned().collect())));
                }
                OrderQuestion::Give {
                    order, recorded, ended, ..
                } => {
                    drop(recorded.send(Ok(())));
                    let result = OrderResult {
                        is_success: true,
                        words: "ExeRtn=1 执行成功".into(),
                        code: "ExeRtn=1".into(),
                        told: "SystemTime=20261121144211".into(),
                    };
                    all.push(OrderGiven {
                        at: at(NOW),
                        by: order.by,
                        what: order.name.into(),
                        fields: order.arguments.into_values().collect::<Vec<_>>().join(" "),
                        result: Some(result.clone()),
                    });
                    drop(ended.send(result));
                }
            }
        }
    });
}
