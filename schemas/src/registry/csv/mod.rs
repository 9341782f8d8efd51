//! A registry from the sheets a bureau keeps: one CSV file for each kind of row, in UTF-8, with English or Chinese
//! column heads in any order. Every row that cannot be taken is reported with its file and line; none is dropped in
//! silence.

mod marks;
mod sheet;

use std::collections::HashMap;

use self::sheet::{Row, Sheet};
use super::types::{Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry};
use super::types::{Source, StopWork};
use crate::decimal::Decimal;
use crate::ids::{EnterpriseId, FactorCode, Mn, OutletId};

/// A file and its text.
#[derive(Clone, Copy, Debug)]
pub struct CsvFile<'a> {
    /// How to call it in messages.
    pub name: &'a str,
    /// What it holds; a byte order mark in front does no harm.
    pub text: &'a str,
}

/// The files of a registry. What is missing adds no rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvFiles<'a> {
    /// `id,name,district,industry,officer,officer_phone,permit_number,permit_valid_to`
    pub enterprises: Option<CsvFile<'a>>,
    /// `enterprise,role,name,phone,email`
    pub contacts: Option<CsvFile<'a>>,
    /// `id,enterprise,number,name,management_class,stack_height_m,trial_until,valid_from,valid_to`
    pub outlets: Option<CsvFile<'a>>,
    /// `outlet,approved,valid_from,valid_to`
    pub stop_work: Option<CsvFile<'a>>,
    /// `outlet,code,unit,range_low,range_high,reference_o2_pct`
    pub factors: Option<CsvFile<'a>>,
    /// `outlet,factor,window,value,basis,source,clause,valid_from,valid_to`
    pub limits: Option<CsvFile<'a>>,
    /// `mn,password,st,outlet,factors,minute_interval_min,realtime_interval_s,data_time_is_end,valid_from,
    /// valid_to`; factors with spaces between
    pub sources: Option<CsvFile<'a>>,
}

/// Something in a file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {column}{}{message}", if .column.is_empty() { "" } else { ": " })]
pub struct CsvProblem {
    /// Which file.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// In which column; empty where it is the whole row.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

impl CsvProblem {
    /// What to try.
    pub fn hint(&self) -> String {
        let place = if self.column.is_empty() {
            "the row"
        } else {
            &self.column
        };
        format!(
            "correct {place} in line {} of {} and import again; nothing was imported",
            self.line, self.file
        )
    }
}

impl Registry {
    /// A registry from CSV files. Errors: every problem of every file; a registry is made only where there is none.
    pub fn from_csv(files: &CsvFiles<'_>) -> Result<Self, Vec<CsvProblem>> {
        let mut import = Import::default();
        import.enterprises(files.enterprises);
        import.contacts(files.contacts);
        import.outlets(files.outlets);
        import.stop_work(files.stop_work);
        import.factors(files.factors);
        import.limits(files.limits);
        import.sources(files.sources);
        if import.problems.is_empty() {
            return Ok(import.registry);
        }
        Err(import.problems)
    }
}

#[derive(Default)]
struct Import {
    registry: Registry,
    enterprises: HashMap<EnterpriseId, usize>,
    outlets: HashMap<OutletId, usize>,
    problems: Vec<CsvProblem>,
}

impl Import {
    fn enterprises(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("id", "统一社会信用代码"),
            ("name", "企业名称"),
            ("district", "区县"),
            ("industry", "行业"),
            ("officer", "片区负责人"),
            ("officer_phone", "片区负责人电话"),
            ("permit_number", "排污许可证编号"),
            ("permit_valid_to", "许可证有效期至"),
        ];
        Sheet::read(file, &columns, &["id", "name"], &mut self.problems, |row| {
            let enterprise = Enterprise {
                id: row.id("id", EnterpriseId::new),
                name: row.text("name"),
                district: row.text("district"),
                industry: row.text("industry"),
                officer: row.text("officer"),
                officer_phone: row.text("officer_phone"),
                contacts: Vec::new(),
                permit_number: row.text("permit_number"),
                permit_valid_to: row.moment("permit_valid_to"),
            };
            if row.good() {
                self.enterprises
                    .entry(enterprise.id)
                    .or_insert(self.registry.enterprises.len());
                self.registry.enterprises.push(enterprise);
            }
        });
    }

    fn contacts(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("enterprise", "统一社会信用代码"),
            ("role", "角色"),
            ("name", "姓名"),
            ("phone", "电话"),
            ("email", "邮箱"),
        ];
        let required = ["enterprise", "role", "name"];
        Sheet::read(file, &columns, &required, &mut self.problems, |row| {
            let id = row.id("enterprise", EnterpriseId::new);
            let contact = Contact {
                role: row.one_of("role", ContactRole::ALL, ContactRole::code, ContactRole::zh),
                name: row.text("name"),
                phone: row.text("phone"),
                email: row.text("email"),
            };
            let place = row.known("enterprise", self.enterprises.get(&id).copied(), "the enterprises");
            if let Some(enterprise) = place.and_then(|place| self.registry.enterprises.get_mut(place))
                && row.good()
            {
                enterprise.contacts.push(contact);
            }
        });
    }

    fn outlets(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("id", "排放口标识"),
            ("enterprise", "统一社会信用代码"),
            ("number", "排放口编号"),
            ("name", "排放口名称"),
            ("management_class", "管理类别"),
            ("stack_height_m", "排气筒高度"),
            ("trial_until", "试运行至"),
            ("valid_from", "生效时间"),
            ("valid_to", "失效时间"),
        ];
        let required = ["id", "enterprise", "number"];
        Sheet::read(file, &columns, &required, &mut self.problems, |row| {
            let outlet = Outlet {
                id: row.id("id", OutletId::new),
                enterprise: row.id("enterprise", EnterpriseId::new),
                number: row.text("number"),
                name: row.text("name"),
                management_class: row.text("management_class"),
                stack_height_m: row.decimal("stack_height_m"),
                trial_until: row.moment("trial_until"),
                factors: Vec::new(),
                stop_work: Vec::new(),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            if row.good() {
                self.outlets.entry(outlet.id).or_insert(self.registry.outlets.len());
                self.registry.outlets.push(outlet);
            }
        });
    }

    fn stop_work(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("outlet", "排放口标识"),
            ("approved", "已审批"),
            ("valid_from", "开始时间"),
            ("valid_to", "结束时间"),
        ];
        Sheet::read(file, &columns, &["outlet"], &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let period = StopWork {
                approved: row.yes("approved"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            if let Some(outlet) = outlet
                && row.good()
            {
                outlet.stop_work.push(period);
            }
        });
    }

    fn factors(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("outlet", "排放口标识"),
            ("code", "因子编码"),
            ("unit", "单位"),
            ("range_low", "量程下限"),
            ("range_high", "量程上限"),
            ("reference_o2_pct", "基准氧含量"),
        ];
        Sheet::read(file, &columns, &["outlet", "code"], &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let factor = FactorSetup {
                code: row.id("code", FactorCode::new),
                unit: Some(row.text("unit")).filter(|unit| !unit.is_empty()),
                range_low: row.decimal("range_low"),
                range_high: row.decimal("range_high"),
                reference_o2_pct: row.decimal("reference_o2_pct"),
                limits: Vec::new(),
            };
            if let Some(outlet) = outlet
                && row.good()
            {
                outlet.factors.push(factor);
            }
        });
    }

    fn limits(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("outlet", "排放口标识"),
            ("factor", "因子编码"),
            ("window", "均值周期"),
            ("value", "限值"),
            ("basis", "限值类型"),
            ("source", "限值来源"),
            ("clause", "依据条款"),
            ("valid_from", "生效时间"),
            ("valid_to", "失效时间"),
        ];
        let required = ["outlet", "factor", "window", "value", "source"];
        Sheet::read(file, &columns, &required, &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let code = row.id("factor", FactorCode::new);
            let limit = Limit {
                window: row.one_of("window", LimitWindow::ALL, LimitWindow::code, LimitWindow::zh),
                value: row.decimal("value").unwrap_or_default(),
                basis: match row.text("basis").as_str() {
                    "" => LimitBasis::default_basis(),
                    _ => row.one_of("basis", LimitBasis::ALL, LimitBasis::code, LimitBasis::zh),
                },
                source: row.text("source"),
                clause: row.text("clause"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            let Some(outlet) = outlet else { return };
            let place = outlet.factors.iter().position(|factor| factor.code == code);
            let place = row.known("factor", place, "the factors of this outlet");
            if let Some(factor) = place.and_then(|place| outlet.factors.get_mut(place))
                && row.good()
            {
                factor.limits.push(limit);
            }
        });
    }

    fn sources(&mut self, file: Option<CsvFile<'_>>) {
        let columns = [
            ("mn", "设备唯一标识"),
            ("password", "访问密码"),
            ("st", "系统编码"),
            ("outlet", "排放口标识"),
            ("factors", "因子编码"),
            ("minute_interval_min", "分钟数据间隔"),
            ("realtime_interval_s", "实时数据间隔"),
            ("data_time_is_end", "数据时间为时段末"),
            ("valid_from", "生效时间"),
            ("valid_to", "失效时间"),
        ];
        Sheet::read(file, &columns, &["mn", "outlet"], &mut self.problems, |row| {
            let filled = |text: String| Some(text).filter(|text| !text.is_empty());
            let source = Source {
                mn: row.id("mn", Mn::new),
                password: filled(row.text("password")),
                st: filled(row.text("st")),
                outlet: row.id("outlet", OutletId::new),
                factors: row.list(
                    "factors",
                    |text| FactorCode::new(text).ok(),
                    "factor codes with spaces between",
                ),
                minute_interval_min: row.number("minute_interval_min"),
                realtime_interval_s: row.number("realtime_interval_s"),
                data_time_is_end: row.yes("data_time_is_end"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            row.known("outlet", self.outlets.get(&source.outlet), "the outlets");
            if row.good() {
                self.registry.sources.push(source);
            }
        });
    }
}

/// The outlet a row is about.
fn outlet_of<'a>(
    row: &mut Row<'_>,
    outlets: &HashMap<OutletId, usize>,
    registry: &'a mut Registry,
) -> Option<&'a mut Outlet> {
    let id = row.id("outlet", OutletId::new);
    let place = row.known("outlet", outlets.get(&id).copied(), "the outlets")?;
    registry.outlets.get_mut(place)
}

/// Decimals of a sheet; Excel writes no exponents into CSV at these sizes.
fn decimal(text: &str) -> Option<Decimal> {
    Decimal::parse(text.as_bytes())
}
