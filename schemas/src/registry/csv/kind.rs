//! The kinds of rows a registry is made of, each a sheet with its columns.

crate::reading::closed! {
    /// A kind of row, in the order in which sheets are read: what others lean on comes first.
    RowKind {
        /// 排污单位.
        Enterprise = 1, "enterprise", "企业", "enterprise";
        /// Whom to tell.
        Contact = 2, "contact", "联系人", "contact";
        /// 排放口.
        Outlet = 3, "outlet", "排放口", "outlet";
        /// 停产/停运报备.
        StopWork = 4, "stop_work", "停运报备", "stop-work period";
        /// What is measured.
        Factor = 5, "factor", "监测因子", "factor";
        /// What it may be.
        Limit = 6, "limit", "限值", "limit";
        /// Which device reports it.
        Source = 7, "source", "数采仪", "device";
    }
}

impl RowKind {
    /// The sheet of such rows.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprises.csv",
            Self::Contact => "contacts.csv",
            Self::Outlet => "outlets.csv",
            Self::StopWork => "stop_work.csv",
            Self::Factor => "factors.csv",
            Self::Limit => "limits.csv",
            Self::Source => "sources.csv",
        }
    }

    /// Its columns: name in the registry, and head in Chinese.
    pub const fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Enterprise => &[
                ("id", "统一社会信用代码"),
                ("name", "企业名称"),
                ("district", "区县"),
                ("industry", "行业"),
                ("officer", "片区负责人"),
                ("officer_phone", "片区负责人电话"),
                ("permit_number", "排污许可证编号"),
                ("permit_valid_to", "许可证有效期至"),
            ],
            Self::Contact => &[
                ("enterprise", "统一社会信用代码"),
                ("role", "角色"),
                ("name", "姓名"),
                ("phone", "电话"),
                ("email", "邮箱"),
            ],
            Self::Outlet => &[
                ("id", "排放口标识"),
                ("enterprise", "统一社会信用代码"),
                ("number", "排放口编号"),
                ("name", "排放口名称"),
                ("management_class", "管理类别"),
                ("stack_height_m", "排气筒高度"),
                ("shared_stack", "共用排气筒"),
                ("trial_until", "试运行至"),
                ("valid_from", "生效时间"),
                ("valid_to", "失效时间"),
            ],
            Self::StopWork => &[
                ("outlet", "排放口标识"),
                ("approved", "已审批"),
                ("valid_from", "开始时间"),
                ("valid_to", "结束时间"),
            ],
            Self::Factor => &[
                ("outlet", "排放口标识"),
                ("code", "因子编码"),
                ("unit", "单位"),
                ("range_low", "量程下限"),
                ("range_high", "量程上限"),
                ("reference_o2_pct", "基准氧含量"),
                ("cycle_min", "分析周期"),
            ],
            Self::Limit => &[
                ("outlet", "排放口标识"),
                ("factor", "因子编码"),
                ("window", "均值周期"),
                ("value", "限值"),
                ("basis", "限值类型"),
                ("source", "限值来源"),
                ("clause", "依据条款"),
                ("valid_from", "生效时间"),
                ("valid_to", "失效时间"),
            ],
            Self::Source => &[
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
            ],
        }
    }

    /// The columns that must not be empty.
    pub const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Enterprise => &["id", "name"],
            Self::Contact => &["enterprise", "role", "name"],
            Self::Outlet => &["id", "enterprise", "number"],
            Self::StopWork => &["outlet"],
            Self::Factor => &["outlet", "code"],
            Self::Limit => &["outlet", "factor", "window", "value", "source"],
            Self::Source => &["mn", "outlet"],
        }
    }

    /// The columns that say which row it is; what else differs is a change of it.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Enterprise | Self::Outlet => &["id"],
            Self::Contact => &["enterprise", "role", "name"],
            Self::StopWork => &["outlet", "valid_from"],
            Self::Factor => &["outlet", "code"],
            Self::Limit => &["outlet", "factor", "window", "basis", "source", "valid_from"],
            Self::Source => &["outlet", "mn", "st", "factors", "valid_from"],
        }
    }
}
