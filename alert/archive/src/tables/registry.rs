//! `outlets` and `factors`: what the codes of the other tables mean, to be joined. From the registry as it stands in
//! the log, and from the catalogue of factors that comes with plume.

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{EnterpriseId, Mn};
use plume_schemas::registry::Registry;

use super::{Cell, Column, Form, Rows, Spec};

pub(crate) const OUTLETS: Spec = Spec {
    name: "outlets",
    columns: &[
        Column::new("outlet", Form::Word, "排放口", "outlet"),
        Column::new("number", Form::Word, "排放口编号", "number within the enterprise"),
        Column::new("name", Form::Word, "排放口名称", "name"),
        Column::new("enterprise", Form::Word, "排污单位编码", "enterprise"),
        Column::new("enterprise_name", Form::Word, "排污单位名称", "its name").or_null(),
        Column::new("district", Form::Word, "区县", "district").or_null(),
        Column::new("industry", Form::Word, "行业", "industry").or_null(),
        Column::new("management_class", Form::Word, "管理类别", "management class").or_null(),
        Column::new(
            "devices",
            Form::Text,
            "设备 MN，逗号分隔",
            "devices (MN), separated by commas",
        ),
        Column::new(
            "limits",
            Form::Text,
            "因子与限值（JSON）",
            "factors and limits of the registry (JSON)",
        ),
        Column::new("valid_from", Form::Time, "生效时间", "valid from").or_null(),
        Column::new("valid_to", Form::Time, "失效时间", "valid until").or_null(),
        Column::new(
            "revision",
            Form::Count,
            "最后一次出现的档案版本",
            "the last registry revision that names it",
        ),
        Column::new(
            "recorded_at",
            Form::Time,
            "该版本记录时间",
            "when that revision was recorded",
        ),
    ],
    key: &["outlet", "valid_from", "revision"],
    latest: 2,
    bloom: &[],
};

pub(crate) const FACTORS: Spec = Spec {
    name: "factors",
    columns: &[
        Column::new("factor", Form::Word, "因子编码（2017）", "factor code (2017)"),
        Column::new("code_2005", Form::Word, "2005 版编码", "code in the edition of 2005").or_null(),
        Column::new("symbol", Form::Word, "符号", "symbol").or_null(),
        Column::new("name_zh", Form::Word, "中文名", "name in Chinese"),
        Column::new("name_en", Form::Word, "英文名", "name in English"),
        Column::new("factor_group", Form::Word, "类别", "group"),
        Column::new("unit", Form::Word, "单位", "unit").or_null(),
        Column::new("unit_mass", Form::Word, "累计量单位", "unit of totals").or_null(),
        Column::new("molar_mass_g_mol", Form::Number, "摩尔质量", "molar mass")
            .or_null()
            .in_unit("g/mol"),
        Column::new("source", Form::Word, "出处", "where the row comes from"),
        Column::new(
            "revision",
            Form::Count,
            "写入时的档案版本",
            "registry revision it was written with",
        ),
    ],
    key: &["factor", "revision"],
    latest: 1,
    bloom: &[],
};

/// One row an outlet of the registry; returns how many.
pub(crate) fn push_outlets(rows: &mut Rows, registry: &Registry) -> u64 {
    for outlet in &registry.outlets {
        let enterprise = registry.enterprises.iter().find(|other| other.id == outlet.enterprise);
        let filled = |text: Option<&'_ String>| text.filter(|text| !text.is_empty()).cloned();
        let enterprise_name = filled(enterprise.map(|enterprise| &enterprise.name));
        let district = filled(enterprise.map(|enterprise| &enterprise.district));
        let industry = filled(enterprise.map(|enterprise| &enterprise.industry));
        let mut devices: Vec<&str> = registry
            .sources
            .iter()
            .filter(|source| source.outlet == outlet.id)
            .map(|source| Mn::as_str(&source.mn))
            .collect();
        devices.sort_unstable();
        devices.dedup();
        let (devices, limits) = (devices.join(","), serde_json::json!(outlet.factors).to_string());
        rows.push([
            Cell::Text(outlet.id.as_str()),
            Cell::Text(&outlet.number),
            Cell::Text(&outlet.name),
            Cell::Text(EnterpriseId::as_str(&outlet.enterprise)),
            Cell::text(enterprise_name.as_deref()),
            Cell::text(district.as_deref()),
            Cell::text(industry.as_deref()),
            Cell::filled(&outlet.management_class),
            Cell::Text(&devices),
            Cell::Text(&limits),
            outlet.valid_from.map_or(Cell::Null, Cell::Time),
            outlet.valid_to.map_or(Cell::Null, Cell::Time),
            Cell::int(registry.revision),
            Cell::Time(registry.recorded_at),
        ]);
    }
    registry.outlets.len() as u64
}

/// One row a factor of the catalogue; returns how many.
pub(crate) fn push_factors(rows: &mut Rows, catalogue: &Catalogue, revision: u64) -> u64 {
    let mut pushed = 0;
    for factor in catalogue.iter() {
        rows.push([
            Cell::Text(factor.code.as_str()),
            Cell::text(factor.code_2005.as_ref().map(plume_schemas::ids::FactorCode::as_str)),
            Cell::filled(&factor.symbol),
            Cell::Text(&factor.name_zh),
            Cell::Text(&factor.name_en),
            Cell::Text(factor.group.code()),
            Cell::text(factor.unit.map(plume_schemas::units::Unit::code)),
            Cell::text(factor.unit_mass.map(plume_schemas::units::Unit::code)),
            Cell::number(factor.molar_mass_g_mol),
            Cell::Text(&factor.status),
            Cell::int(revision),
        ]);
        pushed += 1;
    }
    pushed
}
