//! `plume amounts` over hours that a device sent, one of them missing.

use crate::support::{MN, Site};

const OUTLET: &str = "91330100MA27X0AB1C:DA001";

#[test]
fn a_missing_hour_takes_the_largest_before_it() {
    let site = Site::new("");
    let dir = site.dir.path();
    // mg/m³ and m³/s; hour 3 has no value.
    let hours = "hour,so2,flow\n0,20,10\n1,30,10\n2,20,10\n3,,10\n4,20,10\n5,20,10\n6,20,10\n";
    std::fs::write(dir.join("hours.csv"), hours).unwrap();
    let map = "[time]\nstart = \"2026-11-20 08:00\"\n\
               [[factor]]\ncolumn = \"so2\"\ncode = \"a21026\"\nunit = \"mg/m3\"\n\
               [[factor]]\ncolumn = \"flow\"\ncode = \"a00000\"\nunit = \"m3/s\"\n\
               [minutes]\ninterval_min = 10\nphi = 0.5\nnoise_share = 0.01\nseed = 1\n";
    std::fs::write(dir.join("map.toml"), map).unwrap();
    let registry = format!(
        "[[enterprise]]\nid = \"91330100MA27X0AB1C\"\nname = \"示例热电有限公司\"\n\
         [[outlet]]\nid = \"{OUTLET}\"\nenterprise = \"91330100MA27X0AB1C\"\nnumber = \"DA001\"\n\
         [[outlet.factor]]\ncode = \"a21026\"\n\
         [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\nclause = \"排污许可证\"\n\
         [[source]]\nmn = \"{MN}\"\npassword = \"123456\"\nst = \"31\"\noutlet = \"{OUTLET}\"\n"
    );
    std::fs::write(dir.join("registry.toml"), registry).unwrap();
    let play = "simulate --registry registry.toml --from hours.csv --map map.toml --data data";
    let (fine, text) = site.plume(&play.split(' ').collect::<Vec<_>>());
    assert!(fine, "{text}");

    let (fine, text) = site.plume(&["amounts", "--data", "data", "--quarter", "2026Q4", "--json"]);
    assert!(fine, "{text}");
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    let quarter = &row["quarter"];
    assert_eq!(
        (&row["outlet"], &row["factor"]),
        (&OUTLET.into(), &"a21026".into()),
        "{text}"
    );
    assert_eq!(
        (&quarter["due_h"], &quarter["valid_h"]),
        (&7.into(), &6.into()),
        "{text}"
    );
    // 30 mg/m³ in 10 m³/s is 1.08 kg an hour.
    let kg = |name: &str| quarter[name].as_f64().unwrap();
    assert!((kg("measured_kg") - (5.0 * 0.72 + 1.08)).abs() < 0.01, "{text}");
    assert!((kg("filled_kg") - 1.08).abs() < 0.01, "{text}");
    assert_eq!(
        quarter["gaps"][0]["largest_of_hours"], 2160,
        "six of seven hours were captured: {text}"
    );

    let (fine, table) = site.plume(&["amounts", "--data", "data", "--quarter", "2026Q4", "--gaps"]);
    assert!(
        fine && table.contains("2026-11-20 11:00  1 h  前 2160 个有效小时最大值"),
        "{table}"
    );
    let (fine, text) = site.plume(&["amounts", "--data", "data", "--quarter", "2026Q1"]);
    assert!(!fine && text.contains("nothing was judged"), "{text}");
}
