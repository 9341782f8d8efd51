//! `plume modbus probe`: what a device answers, for the technician beside it.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use plume_ingest::modbus::decode::{Image, decode};
use plume_ingest::modbus::hints;
use plume_ingest::modbus::map::{Connect, Model, Register, load_model};
use plume_ingest::modbus::value::{Cell, Got};
use plume_ingest::modbus::words::{self, Form, Kind, Order, Raw};
use plume_ingest::poll::Probe;
use plume_schemas::factors::Catalogue;
use plume_schemas::reading::Flag;

use crate::cli::{ModbusArgs, ModbusCommand, ProbeArgs};
use crate::out;
use crate::polling::Files;

/// Clears the screen and goes to its upper left corner.
const CLEAR: &str = "\x1b[2J\x1b[H";
/// Rounds between two looks at the neighbours, which ask for each register alone.
const HINTS_EVERY: u32 = 5;

/// Does what is asked.
pub(crate) async fn run(args: ModbusArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ModbusCommand::Probe(args) => probe(&args).await,
    }
}

async fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::embedded()?;
    let text = std::fs::read_to_string(&args.map).with_context(|| format!("read {}", args.map.display()))?;
    let name = args.map.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let model = match load_model(&name, &text, &catalogue) {
        Ok(model) => model,
        Err(found) => {
            for problem in Files::of_model(&name, &args.map, &text).problems(&found) {
                out::complain(problem);
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let connect = address(&args.device)?;
    let limit = Duration::from_millis(args.timeout_ms);
    let mut device = Probe::open(connect.clone(), args.unit, limit).await.map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("hint: {hint}"))
    })?;
    let live = !args.once && std::io::stdout().is_terminal();
    let mut findings = Vec::new();
    for round in 0_u32.. {
        let image = device.round(&model).await;
        if round % HINTS_EVERY == 0 {
            findings = hints::look(&model, &device.neighbours(&model).await);
        }
        let head = format!("{connect} unit {} · {}", args.unit, model.name);
        let table = table(&model, &image, &catalogue);
        let clear = if live { CLEAR } else { "" };
        out::line(format_args!("{clear}{head}\n\n{table}"));
        for hint in &findings {
            out::line(format_args!("[?] {hint}"));
        }
        if args.once {
            return Ok(if image.heard() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(args.interval_ms)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An address as typed; `HOST:PORT` is Modbus TCP.
fn address(text: &str) -> anyhow::Result<Connect> {
    let whole = if text.contains("://") || text.starts_with("serial:") {
        text.to_owned()
    } else {
        format!("tcp://{text}")
    };
    Connect::parse(&whole).ok_or_else(|| {
        anyhow!("`{text}` is no address: HOST:PORT, rtu+tcp://HOST:PORT or serial:/dev/ttyS0?baud=9600&parity=even")
    })
}

/// One line a register: where, the words, the value with its flag, and what other orders would make of them.
fn table(model: &Model, image: &Image, catalogue: &Catalogue) -> String {
    let snapshot = decode(model, image);
    let mut text = format!(
        "{:<16} {:<15} {:<20} {:<26} {}\n",
        "name", "at", "words", "value", "ABCD / DCBA / BADC / CDAB"
    );
    for (register, cell) in model.registers.iter().zip(&snapshot.cells) {
        let at = format!("{} {}", register.read.table.code(), register.read.address);
        let words = image.words(register.read);
        let hex = words.map_or_else(|why| format!("! {why}"), hex);
        let orders = words.map_or_else(|_| String::new(), |words| orders(register, words));
        let value = value(register, cell);
        let name = &register.name;
        append(
            &mut text,
            format_args!("{name:<16} {at:<15} {hex:<20} {value:<26} {orders}"),
        );
        if let Some(factor) = register.factor {
            append(&mut text, format_args!("  {}", catalogue.name_zh(factor)));
        }
        text.push('\n');
    }
    if let Some(clock) = snapshot.clock {
        append(&mut text, format_args!("{:<16} {clock}\n", "device clock"));
    }
    text
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&std::fmt::format(what));
}

/// Words in hexadecimal; of a long run the first.
fn hex(words: &[u16]) -> String {
    let shown: Vec<String> = words.iter().take(4).map(|word| format!("{word:04X}")).collect();
    let more = if words.len() > 4 { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}

fn value(register: &Register, cell: &Cell) -> String {
    let flag = if cell.flag == Flag::Normal {
        String::new()
    } else {
        format!("  {} {}", cell.flag, cell.flag.zh())
    };
    match &cell.got {
        Got::Number(value) => {
            let digits = usize::from(register.decimals);
            format!("{value:.digits$} {}{flag}", register.unit.zh())
        }
        Got::Text(text) => format!("{text:?}"),
        Got::Nothing(_) => format!("-{flag}"),
    }
}

/// What the words are in each order, where the type has more than one word.
fn orders(register: &Register, words: &[u16]) -> String {
    if words.len() < 2 || register.form.kind == Kind::String {
        return String::new();
    }
    let in_order = |order: Order| match words::read(Form { order, ..register.form }, words) {
        Raw::Whole(whole) => whole.to_string(),
        Raw::Real(real) if real != 0.0 && !(1e-4..1e9).contains(&real.abs()) => format!("{real:.2e}"),
        Raw::Real(real) => format!("{real:.3}"),
        Raw::Text(_) | Raw::Unreadable => "?".to_owned(),
    };
    Order::ALL.map(in_order).join(" / ")
}
