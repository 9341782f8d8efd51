//! Names of commands (命令编码, CN) and systems (系统编码, ST) in the three editions: `data/cn.csv` and `data/st.csv`.

use crate::report::Dialect;
use crate::table::{self, CatalogueError, Row};

const CN_FILE: &str = "cn.csv";
const CN_COLUMNS: &[&str] = &["cn", "direction", "versions", "name_zh", "name_en", "status"];
const ST_FILE: &str = "st.csv";
const ST_COLUMNS: &[&str] = &["st", "name_zh", "name_en", "versions", "status"];

crate::reading::closed! {
    /// Which way a command goes.
    Direction {
        /// Device to platform.
        Up = 1, "up", "上行", "up";
        /// Platform to device.
        Down = 2, "down", "下行", "down";
        /// Either way, under one name.
        Both = 3, "both", "双向", "both";
    }
}

/// A command, in one direction, in the editions that name it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// 命令编码.
    pub cn: u16,
    /// Which way.
    pub direction: Direction,
    /// The editions that have it under this name; none for makers' own.
    pub dialects: Vec<Dialect>,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Where the row comes from.
    pub status: String,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// 系统编码.
    pub st: String,
    /// The editions that have it.
    pub dialects: Vec<Dialect>,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Where the row comes from.
    pub status: String,
}

/// The tables of commands and systems.
#[derive(Clone, Debug)]
pub struct Codes {
    commands: Vec<Command>,
    systems: Vec<System>,
}

impl Codes {
    /// The tables that come with plume.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_csv(include_str!("../data/cn.csv"), include_str!("../data/st.csv"))
    }

    /// Tables from CSV text with the columns of `data/cn.csv` and `data/st.csv`. Errors: another header, an
    /// unreadable cell, a system twice.
    pub fn from_csv(cn: &str, st: &str) -> Result<Self, CatalogueError> {
        let mut codes = Self {
            commands: Vec::new(),
            systems: Vec::new(),
        };
        table::read(CN_FILE, cn, CN_COLUMNS, |row| {
            codes.commands.push(Command {
                cn: row.required("cn", "a command number", |text| text.parse().ok())?,
                direction: row.required("direction", "up, down or both", Direction::from_code)?,
                dialects: dialects(row)?,
                name_zh: name(row, "name_zh")?,
                name_en: name(row, "name_en")?,
                status: name(row, "status")?,
            });
            Ok(())
        })?;
        table::read(ST_FILE, st, ST_COLUMNS, |row| {
            let system = System {
                st: name(row, "st")?,
                dialects: dialects(row)?,
                name_zh: name(row, "name_zh")?,
                name_en: name(row, "name_en")?,
                status: name(row, "status")?,
            };
            if codes.system(&system.st).is_some() {
                return Err(row.duplicate("st"));
            }
            codes.systems.push(system);
            Ok(())
        })?;
        Ok(codes)
    }

    /// The command of that number as this edition and direction name it; where the edition does not have it, as
    /// another one does. The general name comes first where several kinds of data share a number (2011 and 2051).
    pub fn command(&self, cn: u16, dialect: Dialect, direction: Direction) -> Option<&Command> {
        let goes = |command: &&Command| {
            command.cn == cn
                && (command.direction == direction
                    || command.direction == Direction::Both
                    || direction == Direction::Both)
        };
        let mut candidates = self.commands.iter().filter(goes);
        let first = candidates.clone().next();
        candidates
            .find(|command| command.dialects.contains(&dialect))
            .or(first)
            .or_else(|| self.commands.iter().find(|command| command.cn == cn))
    }

    /// The system of that code.
    pub fn system(&self, st: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.st == st)
    }

    /// Every command, in the order of the file.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }

    /// Every system, in the order of the file.
    pub fn systems(&self) -> impl Iterator<Item = &System> {
        self.systems.iter()
    }
}

fn name(row: &Row<'_>, column: &'static str) -> Result<String, CatalogueError> {
    row.required(column, "a text", |text| (!text.is_empty()).then(|| text.to_owned()))
}

fn dialects(row: &Row<'_>) -> Result<Vec<Dialect>, CatalogueError> {
    let dialect = |word: &str| match word {
        "2005" => Some(Dialect::Hj2005),
        "2017" => Some(Dialect::Hj2017),
        "2025" => Some(Dialect::Hj2025),
        _ => None,
    };
    row.required("versions", "2005, 2017 and 2025, with spaces between", |text| {
        text.split_whitespace().map(dialect).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_edition_and_direction() {
        let codes = Codes::embedded().unwrap();
        let name = |cn, dialect, direction| codes.command(cn, dialect, direction).map(|c| c.name_zh.as_str());
        assert_eq!(name(2011, Dialect::Hj2017, Direction::Up), Some("上传污染物实时数据"));
        assert_eq!(name(2011, Dialect::Hj2025, Direction::Down), Some("取污染物实时数据"));
        assert_eq!(name(1001, Dialect::Hj2005, Direction::Down), Some("设置超标报警时间"));
        assert_eq!(name(1001, Dialect::Hj2025, Direction::Up), Some("上传数采仪硬件序号"));
        // The heartbeat came with 2025, and older devices send it too.
        assert_eq!(name(9015, Dialect::Hj2017, Direction::Up), Some("心跳包"));
        assert_eq!(name(9014, Dialect::Hj2017, Direction::Down), Some("数据应答"));
        assert_eq!(name(4711, Dialect::Hj2017, Direction::Up), None);
        assert_eq!(codes.system("31").unwrap().name_zh, "大气环境污染源");
        assert!(codes.system("77").is_none());
        assert!(codes.commands().count() > 70 && codes.systems().count() == 22);
    }

    #[test]
    fn slips_are_refused() {
        let st = "st,name_zh,name_en,versions,status\n31,气,air,2017,read\n";
        let cn = "cn,direction,versions,name_zh,name_en,status\n";
        assert!(Codes::from_csv(cn, st).is_ok());
        for (more_cn, more_st) in [
            ("x,up,2017,a,b,c\n", ""),
            ("2011,sideways,2017,a,b,c\n", ""),
            ("2011,up,2018,a,b,c\n", ""),
            ("", "31,气,air,2017,read\n"),
        ] {
            assert!(Codes::from_csv(&format!("{cn}{more_cn}"), &format!("{st}{more_st}")).is_err());
        }
    }
}
