//! Every word the pages show, Chinese and English side by side. A page can only name words that stand here, in both
//! languages.
//!
//! `{}` is a place to be filled by [`put`], the same number of times in both languages. The sentences of
//! warnings, which mails share, live in [`crate::words`].

mod speak;
#[macro_use]
mod table;

pub(crate) use self::speak::{Speaks, put};
use crate::words::{FOOTER_EN, FOOTER_ZH};

texts! {
    // Everywhere
    product: "plume 预警", "plume"; skip: "跳到正文", "Skip to content";
    nav: "主导航", "Main"; leave: "退出", "Sign out";
    back: "返回", "Back"; home: "返回首页", "Home";
    cancel: "取消", "Cancel"; undo: "撤销", "Undo";
    dash: "—", "–"; demo: "演示", "Demo";
    demo_note: "演示环境：数据由模拟器产生，页面时间为虚拟时钟。", "Demo: simulated plants; all times are those of a virtual clock.";
    trouble: "平台告警", "Platform trouble";
    trouble_log: "暂停接收：日志已到上限，设备暂时得不到应答，恢复后会自动补发，数据不会丢失。请检查磁盘空间和归档目录。",
        "Intake is paused: the log has no room. Devices get no answer and send again later; nothing is lost. \
         Check the disk and the archive's directory.";
    trouble_archive: "归档暂时无法写入，正在重试；数据保留在日志中。请检查归档目录。",
        "The archive cannot be written and is tried again; the log keeps everything meanwhile. Check its directory.";
    trouble_judge: "判定暂停：判定结果暂时无法保存，恢复后会补判。暂停期间没有新预警不代表没有超标。",
        "The judge is paused: it cannot store what it finds, and catches up later. Silence now does not mean calm.";
    legal: FOOTER_ZH, FOOTER_EN;

    // Duty board
    duty: "值班工作台", "Duty board"; cases: "预警列表", "Alerts";
    selected: "选中的预警", "Selected alert";
    select_hint: "选择一条预警查看摘要", "Choose an alert to see it here"; filters: "筛选", "Filters";
    devices: "数采仪", "Devices"; online: "在线", "online";
    late: "迟到", "late"; offline: "离线", "offline";
    at_risk: "本小时可能超标", "Hours at risk now"; overdue: "逾期未办", "Overdue";
    outbox: "待发通知", "Notices waiting"; outbox_behind: "滞后 {}", "{} behind";
    last_record: "最新数据时刻", "Clock of the last record"; record_lag: "滞后 {}", "{} behind";
    no_record: "暂无数据", "no data yet"; severity: "级别", "Severity";
    at_least: "{}及以上", "{} or graver"; kind: "类型", "Kind";
    district: "区县", "District"; state: "状态", "State";
    all: "全部", "All"; live_cases: "未办结", "Not closed";
    unacknowledged: "待签收", "To acknowledge"; closed_cases: "已办结", "Closed";
    retracting_cases: "待确认撤回", "Retraction to confirm";
    none_open: "没有符合条件的预警", "No alert matches"; older: "下一页", "Next page";
    live_new: "新增 {} 条", "{} new"; live_changed: "更新 {} 条", "{} changed";
    live_stale: "列表已有较多更新，点此刷新", "Much has changed; click to read again";
    live_urgent: "紧急 {} 条", "{} urgent"; ring_on: "开启响铃", "Allow ringing";
    ring_off: "关闭响铃", "Stop ringing"; open_case: "查看详情", "Open";

    // Case
    what: "事项", "What"; where_: "地点", "Where";
    since: "起始", "Since"; how_sure: "把握", "How sure";
    next: "下一步", "Do next"; steps: "判定过程", "How it was judged";
    judged_at: "{} 判定", "judged {}"; trace: "处置记录", "Trace";
    acts: "处置", "Act"; related: "相关预警", "Related alerts";
    acknowledge: "签收", "Acknowledge"; acknowledged: "已签收", "Acknowledged";
    acknowledged_by: "签收人", "Acknowledged by"; note: "备注", "Note";
    note_hint: "备注、电话记录或办结说明", "A note, a call, or why it is closed";
    add_note: "添加备注", "Add note"; add_call: "电话记录", "Log call";
    close: "办结", "Close"; close_false: "判为误报", "False alarm";
    confirm_retraction: "确认撤回", "Confirm retraction";
    reject_retraction: "不予撤回", "Reject retraction";
    changed_meanwhile: "该预警有更新", "This alert has changed"; reload: "查看更新", "Show";
    zoom: "时间范围", "Time range"; span_window: "本时段", "This window";
    span_6h: "6 小时", "6 h"; span_24h: "24 小时", "24 h"; span_7d: "7 天", "7 d"; span_30d: "30 天", "30 d";
    chart_of: "{}（{}）", "{} ({})"; chart_title: "{}：{} 至 {}", "{}: {} to {}";
    minute_value: "分钟值", "Minute value"; minute_corrected: "分钟折算值", "Corrected minute value";
    mean_so_far: "当前均值", "Mean so far";
    projection: "预计均值（80% 区间）", "Projected mean (80 % band)"; limit: "限值", "Limit";
    recoverable: "本时段尚可挽回", "Still to be saved"; others: "其他预警", "Others";

    // Codes in the evidence
    code_permit: "排污许可证", "discharge permit"; code_device_hour: "设备上报小时值", "the device's hour";
    code_device_minutes: "分钟数据复算", "from minutes";
    code_device_samples: "实时数据复算", "from samples"; code_equal: "数值完全相同", "equal values";
    code_narrow_range: "波动小于量程 1%", "moves less than 1 % of range";
    code_offline: "数采仪离线", "logger offline"; code_data_again: "数据已恢复", "data again";
    code_excused: "已报备", "filed beforehand";
    code_hour_within_limit: "小时均值未超限值", "hour within the limit";
    code_hour_exceeded: "小时均值超限值", "hour over the limit";
    formula_hour_corrected: "设备上报小时折算均值（ZsAvg）", "the hour's ZsAvg as reported";
    formula_hour: "设备上报小时均值（Avg）", "the hour's Avg as reported";
    formula_minutes_corrected: "分钟折算值的平均（HJ 212-2017 附录D.2 式24）", "mean of minute ZsAvg (HJ 212-2017 D.2 (24))";
    formula_minutes: "有效分钟值的平均（HJ 212-2017 附录D.2 式24）", "mean of valid minutes (HJ 212-2017 D.2 (24))";
    verdict: "判定", "Verdict"; fine: "正常", "fine";
    limit_is: "限值 {}", "Limit {}"; flags: "不计入统计（标记）", "Does not count (flag)";
    time: "时间", "Time"; now: "现在", "now";

    // Figures
    minutes: "分钟", "min"; hours: "小时", "h";
    days: "天", "d"; time_left_hour: "本小时剩余", "Left in this hour";
    time_left_day: "本日剩余", "Left in this day"; headroom: "余下均值不高于", "Rest may average at most";
    as_of: "（{} 判定）", " (judged {})"; mean_of: "{} 均值", "Mean of {}";
    no_headroom: "即使余下为零也将超限值", "Over the limit even at zero";
    projected_limit: "预计均值 / 限值", "Projected mean / limit";
    mean_limit: "均值 / 限值", "Mean / limit"; exceed_ratio: "超标{}倍", "{} × over";
    lasted: "已持续", "Lasted"; value: "当前数值", "Value";
    flow_change: "同期烟气流量变化", "Gas flow moved";
    hour_bar: "已过 {} 分钟，余 {} 分钟", "{} minutes gone, {} left";
    due_left: "办理时限剩余", "Left to deal with it"; overdue_by: "已逾期", "Overdue by";
    since_time: "{} 起", "since {}";

    notices: "通知", "Notices"; notice_sent: "已发送", "sent";
    notice_waiting: "待发送", "waiting"; notice_failed: "发送失败（{}）", "failed ({})";
    notice_skipped: "未发送（{}）", "not sent ({})"; corrected: "折算", "corrected";
    from_to: "{} 至 {}", "{} to {}"; since_for: "{}，已持续 {}", "{}, for {}";
    judged_window: "时段 {}，{} 判定", "window {}, judged {}"; by_when: "（不晚于 {}）", " (by {})";

    // Silences
    silences: "暂停提醒", "Silences"; silence: "暂停提醒", "Silence";
    silences_about: "暂停期间预警照常判定和显示，只是不发通知；线索不受影响。", "Alerts are judged and shown all the same; only notices stop.";
    silence_for: "暂停多久", "For how long"; silence_end: "立即结束", "End now";
    reason: "原因", "Reason";
    reason_missing: "请写明原因，便于接班人员了解。", "Say why, for those who come after.";

    // Rectification
    rectification: "整改", "Rectification"; rectification_rate: "整改率", "Put right";
    problems_found: "发现问题", "Found"; problems_passed: "复核通过", "Passed";
    enterprise_overdue: "企业逾期", "Enterprise overdue"; review_overdue: "复核逾期", "Review overdue";
    live_problems: "未办结问题", "Open problems"; found: "发现时间", "Found";
    deadline: "时限", "Deadline"; round_is: "第 {} 轮 · {} {}", "Round {} · {} {}";
    review_until: "待复核，不晚于 {}", "to be reviewed by {}"; reviewed_is: "{} · {} {}", "{} · {} {}";
    review: "复核", "Review"; guidance: "指导意见", "Guidance";
    guidance_hint: "退回补充时必填", "Needed when returning"; review_pass: "复核通过", "Pass";
    review_return: "退回补充（附指导意见）", "Return with guidance";
    review_on_site: "转现场核查", "On-site check";
    review_note: "复核通过不免除排污单位的法定义务。", "Passing lifts no legal duty.";
    done_review: "复核意见已提交。", "Review filed.";
    done_submit: "已提交，等待复核。", "Submitted; it will be reviewed.";
    problem_changed: "该问题刚刚被他人更新，请刷新后再操作。", "Somebody else has just changed it; look again.";
    problem_is: "该问题{}，不能进行此操作。", "The problem is {}; this cannot be done.";
    guidance_missing: "退回补充须填写指导意见。", "Returning needs guidance.";
    too_long: "内容不能超过 {} 字。", "No more than {} characters.";

    // Sheets
    csv: "导出 CSV", "CSV"; xlsx: "导出 XLSX", "XLSX"; no_rows: "暂无记录", "Nothing here";
    overview: "辖区概况", "Overview"; devices_page: "数采仪与监测设备", "Devices";
    statistics: "统计", "Statistics"; handover: "交接班", "Handover";
    registry: "基础档案", "Registry"; rules: "判定规则", "Rules";
    decode: "报文解析", "Decode"; system: "系统", "System";
    newest: "当前值", "Newest values"; hour_is: "当前时段 {}", "running hour {}";
    factor: "因子", "Factor"; flag: "数据标记", "Flag";
    unit: "单位", "Unit"; hour: "时段", "Hour";
    hour_table: "小时均值", "Hour means";
    hour_table_note: "由分钟值复算，仅供参考；是否超标以判定为准", "worked out from minutes, for orientation; the judgement decides";
    running: "进行中", "running"; too_few: "有效数据不足", "too few valid";
    limits_in_force: "现行限值", "Limits in force"; window: "均值", "Mean of";
    reference_o2: "基准含氧量", "Reference O2"; source: "来源", "Source";
    clause: "条款", "Clause"; outlet: "排放口", "Outlet";
    outlets: "排放口", "Outlets"; stack_height: "烟囱高度 {} m", "stack {} m";
    permit_to: "排污许可证有效期至 {}", "permit valid to {}"; name: "名称", "Name";
    class: "管理类别", "Class"; contacts: "联系人", "Contacts";
    contacts_note: "按呼叫顺序", "in the order of calling"; role: "角色", "Role";
    phone: "电话", "Phone"; email: "邮箱", "Mail";
    by_district: "分区县", "By district"; open_now: "当前未办结", "Open now";
    enterprises: "企业", "Enterprises"; enterprise: "企业", "Enterprise";
    about_to_exceed: "可能超标", "About to exceed"; exceeding: "超标", "Exceeded";
    data_trouble: "数据质量与缺失", "Data trouble"; last_heard: "最近通讯", "Last heard";
    interval_min: "分钟数据间隔", "Interval, min";
    rules_about: "规则说明、参数与依据见 docs/rules.md", "What each rule does, its parameters and sources: docs/rules.md";
    last_30_days: "近 30 天", "last 30 days"; code: "编码", "Code";
    order: "依赖", "Depends on"; alerts: "预警数", "Alerts";
    urgent_or_graver: "紧急及以上", "Urgent or graver";
    outcome_complied: "预警后达标", "Complied after measures"; outcome_false: "误报", "False";
    complied_share: "预警后达标率", "Complied after a warning";
    complied_note: "达标率 =（已采取措施达标 + 自行回落）÷ 已有结果且小时有效的预警", "share of warnings whose hour was valid";
    acknowledged_in_time: "5 分钟内签收率", "Acknowledged within 5 min";
    median_acknowledge: "签收用时中位数", "Median time to acknowledge";
    out_of: "（{} / {}）", " ({} of {})"; one_day: "近 1 天", "1 day";
    seven_days: "近 7 天", "7 days"; thirty_days: "近 30 天", "30 days";
    outcomes: "预警结果", "Outcomes"; outcome: "结果", "Outcome";
    share_pct: "占比 %", "Share %"; by_kind: "分类型", "By kind";
    by_enterprise: "分企业", "By enterprise"; part: "项目", "Part";
    parts: "运行状况", "Parts"; outbox_oldest: "最早待发时刻", "Oldest notice due";
    live_lists: "实时列表连接", "Live lists"; registry_revision: "档案版本", "Registry revision";
    version: "版本", "Version"; within: "在预算内", "within";
    over_budget: "超出预算", "over"; new_per_hour: "每小时新增预警", "New alerts an hour";
    wellbeing: "需要处理", "To look after";
    finding: "情况", "What";
    to_do: "处理办法", "What to do";
    all_well: "一切正常", "All is well";
    most_in_ten: "10 分钟内最多新增", "Most within 10 minutes";
    standing: "超过 24 小时未结束", "Standing for over 24 h"; alarm_load: "报警负荷", "Alarm load";
    alarm_load_note: "参照 ISA-18.2 / IEC 62682", "after ISA-18.2 / IEC 62682";
    measure: "指标", "Measure"; last_24h: "近 24 小时", "Last 24 h";
    budget: "预算", "Budget"; credit_code: "统一社会信用代码", "Credit code";
    industry: "行业", "Industry"; officer: "片区负责人", "Officer";
    permit: "排污许可证编号", "Permit"; permit_end: "许可证有效期至", "Permit ends";
    factors: "监测因子", "Factors"; revision_is: "版本 {}", "revision {}";
    handover_at: "{}，{}", "{}, {}"; shown_of: "显示 {} 条，共 {} 条", "{} of {} shown";
    called_and_noted: "电话、备注与指派", "Calls, notes, assignments";
    last_12h: "近 12 小时", "last 12 hours"; who: "人员", "Who";
    text: "内容", "Text"; packet: "数据包", "Packet";
    decode_about: "粘贴一个数据包，查看各字段、长度和 CRC 是否正确。内容不会保存。", "Paste a packet to see fields, length, CRC. Nothing is kept.";

    // What to do next
    next_nothing: "无需处置", "Nothing";
    next_resolved: "核对恢复情况后办结", "Check that it is over, then close";
    next_near: "立即检查治理设施运行和负荷情况", "Check the abatement and the load now";
    next_near_over: "核对本时段结果，填报原因与措施", "Check how the hour ended; file cause and measures";
    next_retracting: "核对修订依据后确认撤回或不予撤回，此前提醒仍然有效", "Check the correction; confirm or reject the retraction";
    next_retracting_site: "修订待管理人员核对，此前提醒仍然有效", "The bureau checks the correction; the notice stands";
    next_exceed: "核实数据；如需标记，请按时完成；填报原因与措施", "Check the data; mark it in time if it must be; file cause and measures";
    next_frequency: "排查超标原因，制定整改措施", "Find the cause and plan the remedy";
    next_quality: "检查采样探头、伴热管线、预处理及分析仪", "Check probe, heated line, conditioning and analyser";
    next_offline: "检查数采仪供电和网络", "Check power and network of the logger";
    next_common: "检查平台、线路和运营商；暂不联系各企业", "Check platform, line and carrier; do not call the enterprises";
    next_conformance: "请运维单位核对数采仪设置和时钟", "Have the contractor check settings and clock of the logger";
    next_drift: "请运维单位核查零点和量程，按 HJ 75 安排校准", "Have the contractor check zero and span, calibrate per HJ 75";
    next_lead: "疑似情形，待核查；仅限线索专员办理", "A suspicion to be checked; for lead officers only";
    next_budget: "安排启停和检修，避免超出豁免时长", "Plan starts, stops and repairs within the exempt hours";

    // States
    to_acknowledge: "待签收", "to acknowledge"; by_whom: "{}签收", "acknowledged by {}";
    answered: "已报措施", "measures filed"; is_overdue: "已逾期", "overdue";
    is_late: "补传数据", "backfilled"; is_trial: "试运行", "on trial";
    exceeded_preliminary: "超标（初判）", "Exceeded (preliminary)";
    exceeded_confirmed: "超标（已确认）", "Exceeded (confirmed)";

    // How sure
    probability: "超标概率 {}%", "probability of exceeding {} %";
    band: "预计区间 {}—{} {}", "80 % band {} to {} {}";
    valid_minutes: "有效数据 {} 分钟", "{} valid minutes";

    // Acts said back
    done_acknowledge: "已签收。", "Acknowledged.";
    done_withdraw: "已撤销签收。", "Acknowledgement withdrawn.";
    done_comment: "备注已添加。", "Note added."; done_phone: "电话记录已添加。", "Call logged.";
    done_close: "已办结。", "Closed.";
    done_retraction: "已确认撤回，将告知已通知的人员。", "Retraction confirmed; those who heard of the alert will be told.";
    done_rejection: "不予撤回，超标判定维持。", "Retraction rejected; the exceedance stands.";
    done_answer: "原因与措施已提交。", "Cause and measures filed.";
    done_fault: "设备异常已报告，编号见处置记录。", "Fault reported; its number stands in the trace.";
    done_officer: "已通知片区负责人，请保持电话畅通。", "The district officer has been told; please keep your phone at hand.";
    refused: "未能完成", "Not done";

    // Enterprise phone page
    todo: "待办", "To do"; todo_acknowledge: "待签收", "To acknowledge";
    todo_rectify: "待整改", "To put right"; todo_returned: "退回待补充", "Returned";
    todo_due: "即将到期", "Due soon"; nothing_to_do: "当前没有待办事项", "Nothing to do now";
    cause_and_measures: "原因与措施", "Cause and measures";
    report_fault: "报告设备异常", "Report instrument fault";
    contact_officer: "联系片区负责人", "Contact district officer"; cause: "原因", "Cause";
    cause_hint: "请选择最接近的一项", "Choose the closest";
    measures: "已采取或计划采取的措施", "Measures taken or planned";
    measures_hint: "如：14:35 增加脱硫剂投加量，负荷降至 80%", "e.g. 14:35 more reagent, load down to 80 %";
    fault_what: "异常情况", "What is wrong";
    fault_hint: "设备名称、异常现象、发现时间", "Which instrument, what it does, since when";
    fault_about: "提交后生成编号和时间，并记入处置记录。", "It gets a number and a time and is kept in the trace.";
    send: "提交", "Send";
    no_officer: "档案中暂无片区负责人信息，请联系属地生态环境部门。", "No officer is on file; please call the local authority.";
    officer_hint: "也可请片区负责人回电：", "Or ask the officer to call back:";
    ask_call_back: "请回电", "Ask to be called";
    cause_process: "生产负荷或原料变化", "Change of load or raw material";
    cause_abatement: "治理设施运行异常", "Abatement trouble";
    cause_start: "启停炉或工况调整", "Start-up, shut-down or change of condition";
    cause_monitor: "监测设备异常", "Monitoring instrument"; cause_other: "其他", "Other";
    cause_missing: "请选择原因并填写措施。", "Choose a cause and write the measures.";
    text_missing: "请填写内容。", "Please write something.";

    photo: "照片", "Photo"; photos: "照片", "Photos";
    photo_add: "上传照片", "Add photo";
    photo_about: "JPEG、PNG 或 WebP，每项最多 9 张", "JPEG, PNG or WebP; nine at most";
    photo_note: "上传照片：{}", "Photo: {}"; photo_many: "最多 {} 张照片。", "No more than {} photos.";
    photo_none: "请选择照片。", "Choose a photo.";
    photo_kind: "仅支持 JPEG、PNG 或 WebP 照片。", "Only JPEG, PNG and WebP are taken.";
    photo_large: "照片不能超过 {} MB。", "A photo may have {} MB.";
    done_photo: "照片已上传。", "Photo added."; marks: "人工标记", "Marks";
    marks_about: "停运、启停炉、维护、校准等时段由企业或其主管人员标记，系统不自动标记；标记后所涉时段重新判定。不实标记须承担法律责任。",
        "Stops, start-ups, maintenance are marked by people, never by plume; what they cover is judged anew.";
    mark_add: "提交标记", "Mark";
    mark_factor: "因子编码（留空为整个排放口）", "Factor code (empty: all of the outlet)";
    mark_start: "开始时间", "From"; mark_end: "结束时间", "Until";
    mark_csv: "粘贴 CSV，首行为表头，一次最多 300 行", "Paste CSV with its header; at most 300 rows";
    mark_csv_example: "outlet,factor,start,end,kind,note", "outlet,factor,start,end,kind,note";
    marks_done: "已记录 {} 条标记，所涉时段将重新判定。", "{} recorded; what they cover is judged anew.";
    checks: "零点、跨度检查", "Zero and span checks"; checks_of: "{} 零点、跨度检查", "Zero and span checks of {}";
    checks_about: "设备自动上报的核查自动列入；人工校准请在此如实填报标气值、校准前后示值和是否调整。控制图结论为提示，不作为预警。",
        "Checks that devices send are listed by themselves. Write down here what was done by hand: the gas, what was \
         shown before and after, and whether it was adjusted. What charts find is a hint, no alert.";
    checks_chart: "{} 漂移控制图", "{}: drift and control charts"; checks_standing: "{} 受控状态", "{}: standing";
    checks_list: "{} 检查记录", "{}: checks";
    checks_note: "HJ 75-2017 11.2；EN 14181 QAL3", "HJ 75-2017 11.2; EN 14181 QAL3";
    no_checks: "最近 180 天没有检查记录。", "No checks in the last 180 days.";
    check_time: "检查时间", "When"; check_point: "检查点", "Point";
    check_gas: "标气值", "Gas"; check_before: "校准前示值", "As found";
    check_after: "校准后示值", "As left"; check_after_optional: "校准后示值（可不填）", "As left (optional)";
    check_adjusted: "是否调整", "Adjusted"; check_drift: "漂移 %FS", "Drift % FS";
    check_standing: "HJ 75 状态", "HJ 75"; check_qal3: "QAL3", "QAL3";
    check_left: "距限值", "Days left"; check_remark: "说明（可不填）", "Remark (optional)";
    check_add: "提交检查", "Enter check"; yes: "是", "Yes"; no: "否", "No";
    check_csv: "粘贴 CSV，首行为表头，一次最多 800 行", "Paste CSV with its header; at most 800 rows";
    check_csv_example: "time,outlet,factor,point,gas,before,after,adjusted,note",
        "time,outlet,factor,point,gas,before,after,adjusted,note";
    checks_done: "已记录 {} 次检查。", "{} check(s) recorded.";
    link_note: "本链接仅限收到通知的人员使用，一次有效。", "This link is for whoever got the notice, and works once.";

    // Faults of instruments
    receipt: "设备异常报告回执", "Receipt: instrument fault"; receipt_number: "报告编号", "Number";
    receipt_law: "依据《排污许可管理条例》第二十条，自动监测设备异常应及时报告并修复；本回执仅证明报告时间和内容。",
        "Discharge permit regulation, article 20: faults are reported and repaired without delay. This proves when.";
    print: "打印", "Print"; repair_clock: "修复计时", "Repair clock";
    repair_runs: "已 {}，未修复", "{}, not repaired";
    repair_done: "{} {} 报告修复，历时 {}", "{} repaired ({}), after {}";
    repair_noted: "设备异常 {} 已修复", "Fault {} repaired"; repaired: "设备已修复", "It is repaired";
    fault_reports: "设备异常报告", "Fault reports"; samples: "手工监测", "Manual samples";
    samples_about: "修复前须开展手工监测：每日不少于 {} 次，间隔不超过 {} 小时。", "Until repaired: {} a day at least, {} h apart at most.";
    next_sample: "下次采样不晚于", "Next sample by"; sample_at: "采样时间", "Taken at";
    sample_value: "结果（按判定口径）", "Result, as judged"; sample_add: "录入结果", "Enter";
    done_report: "设备异常已报告，请保存回执。", "Reported; keep this receipt.";
    done_sample: "结果已录入。", "Entered."; done_repaired: "已记录修复时间。", "The repair is recorded.";

    // Devices, bulletin, reminders
    tail: "最近报文", "Last packets";
    tail_note: "最近 {} 条，新的在前；密码已遮蔽", "the last {}, newest first; passwords masked";
    tail_about: "收到的原始报文和平台的应答，随到随显。", "Packets as they come, and our answers.";
    our_answer: "平台应答", "Our answer";
    findings: "不符合项", "Findings";
    tail_pause: "暂停", "Pause"; tail_go_on: "继续", "Go on";
    tail_live: "实时", "live"; tail_held: "已暂停，{} 条待显示", "paused, {} waiting";
    orders: "设备命令", "Device commands";
    orders_about: "只读取或校时，不触动仪器。每条命令记入操作日志。",
        "They read, or set the clock; none touches an instrument. Each is kept in the log of operations.";
    order_settings: "时间与间隔", "Time and intervals"; order_history: "补取数据", "Ask for data";
    order_serial: "设备唯一标识", "Serial number"; orders_given: "最近命令", "Last commands";
    order_result: "结果", "Result"; order_confirm: "确认下达以下命令", "Send this command?";
    order_send: "下达", "Send"; order_waiting: "等待结果", "waiting";
    order_ended: "命令已执行完毕，结果见下。", "The command has ended; its result stands below.";
    order_waiting_long: "命令已记录，等待设备返回结果；请稍后刷新。", "Recorded; the device has not answered yet. Look again soon.";
    order_span_wrong: "请填写起止时间：结束不早于开始，最长 {} 天。", "From and until are needed, at most {} days apart.";
    order_refused: "命令未下达，请稍后重试。", "The command was not given; try again soon.";
    no_orders: "设备命令暂时无法读取，请稍后重试。", "The commands cannot be read now; try again soon.";
    conformance: "符合性报告", "Conformance";
    conformance_about: "近 {} 小时的报文，对照 HJ 212-2025。", "Packets of the last {} hours against HJ 212-2025.";
    no_conformance: "符合性报告暂时无法生成，请稍后重试。", "The report cannot be made now; try again soon.";
    item: "项目", "Item"; content: "内容", "Content"; times_seen: "次数", "Times";
    example: "示例（密码已遮蔽）", "Example (password masked)"; to_change: "应改", "Change";
    device_clock: "设备时钟", "Device clock"; device_clock_note: "设备减平台，秒", "device less platform, seconds";
    median: "中位数", "Median"; intervals: "上传间隔", "Intervals"; kind_of_data: "数据", "Data";
    interval_s: "间隔（秒）", "Interval (s)"; data_due: "应到", "Due"; data_came: "实到", "Came";
    data_missed: "缺失", "Missed"; data_late: "补传", "Sent again"; delay_s: "延迟（秒）", "Delay (s)";
    hour_value: "小时均值", "Hour mean"; reports: "报表", "Reports";
    reports_about: "按排放口出具，可打印，可导出 CSV 和 XLSX。", "For each outlet; to print, or as CSV and XLSX.";
    report_day: "小时日报表", "Hours of a day"; report_month: "日均月报表", "Days of a month";
    report_year: "月均年报表", "Months of a year"; report_before: "上一期", "Before";
    report_after: "下一期", "After";
    report_about: "统计期 {}；数据未经审核。", "{}; the data is not reviewed.";
    report_note: "小时值为设备上报值；有效小时不少于 20 个时日均值有效，月均值为有效日均值的平均",
        "hours as reported; a day needs 20 valid hours, a month is the mean of its valid days";
    no_history: "归档暂时无法读取，请稍后重试。", "The archive cannot be read now; try again soon.";
    measured: "实测", "measured"; total_of: "排放量", "total";
    does_not_count: "不计", "not counted"; row_mean: "平均值", "Mean";
    row_most: "最大值", "Highest"; row_least: "最小值", "Lowest";
    row_total: "合计", "Total"; row_count: "有效个数", "Counted";
    date: "日期", "Date"; show: "查看", "Show";
    bulletin: "通报", "Bulletin";
    bulletin_about: "统计期 {} 至 {}，数据截至统计期末。", "{} to {}, as of the end.";
    bulletin_note: "整改率 = 复核通过 ÷ 需整改问题（撤回的不计）", "put right = passed of those that needed it; withdrawn ones left out";
    registered: "注册企业", "Registered";
    coverage_pct: "覆盖率 %", "Coverage %";
    told_data: "在线数据超标或可能超标", "Data over or close";
    told_permit: "许可证到期提醒", "Permit ending";
    told_publicity: "公示期满提醒", "Publicity ending";
    rate_pct: "整改率 %", "Put right %";
    in_time_pct: "响应及时率 %", "In time %";
    handling_time: "办结时长（中位数）", "Time to close (median)";
    complied_pct: "预警后达标率 %", "Complied %";
    ninety_days: "近 90 天", "90 days";
    reminders: "温馨提示", "Reminders";
    reminders_about: "三类提醒：在线数据超标或可能超标、排污许可证到期、行政处罚信息公示期满。",
        "Three kinds: data over or close to a limit, permits ending, publicity of penalties ending.";
    data_before: "整改前数据（判定时段）", "Before: the window judged";
    data_after: "整改后数据（近 24 小时）", "After: the last 24 h";

    // Tables
    tables: "数据表", "Tables"; table_shipped: "当前为随软件提供的默认表。", "As it comes with plume.";
    table_edited: "第 {} 版，{} 于 {} 修改。", "Version {}, by {}, {}."; table_change: "修改", "Change";
    table_hint: "CSV，首行为表头；整表替换，任何一行有误则不生效", "CSV with its header; replaces the whole table or nothing";
    table_save: "保存并生效", "Save"; table_refused: "未保存，原表仍然有效：{}", "Not saved, the old table holds: {}";
    done_table: "已保存并生效。", "Saved and in force."; advice: "处置指引", "Guidance";
    advice_causes: "常见原因", "Usual causes"; advice_checks: "检查要点", "What to check";
    advice_measures: "建议措施", "What to do";

    // Registry
    registry_import: "导入基础档案", "Import the registry"; registry_add: "新增企业", "Add an enterprise";
    registry_add_one: "新增{}", "Add: {}"; registry_edit: "修改", "Edit";
    registry_bring: "上传文件", "Bring files"; registry_files: "TOML 或 CSV 文件", "TOML or CSV files";
    registry_bring_about: "一个 TOML 文件，或按下列名称的 CSV（UTF-8），可同时选择多个。上传的文件取代全部档案；先预览，确认后生效。",
        "One TOML file, or CSV sheets (UTF-8) by the names beside, several at once. They replace the whole registry; \
         you see what changes before it is in force.";
    registry_look: "预览", "Preview"; registry_take: "下载现行档案", "Take what is in force";
    registry_take_about: "CSV（UTF-8），密码已遮蔽；原样上传时保留原密码。",
        "CSV in UTF-8, passwords masked; a mask brought back keeps the password.";
    registry_no_file: "请选择文件。", "Choose a file."; registry_many: "一次最多 {} 个文件。", "No more than {} files at once.";
    registry_large: "文件合计不能超过 {} MB。", "Files may have {} MB in all.";
    registry_workbook: "这是 Excel 工作簿，不是 CSV", "this is a workbook, not CSV";
    registry_utf16: "文件编码为 UTF-16", "the file is in UTF-16";
    registry_no_text: "不是文本文件", "this is not text";
    registry_gbk: "文件编码不是 UTF-8（可能为 GBK）", "the file is not in UTF-8 (perhaps in GBK)";
    registry_save_as: "在 Excel 中另存为“CSV UTF-8（逗号分隔）”后重新上传",
        "save it as “CSV UTF-8 (comma delimited)” and bring it again";
    registry_wrong: "有误", "Wrong"; registry_odd: "提醒（不影响生效）", "Odd, and taken all the same";
    registry_place: "位置", "Place"; registry_cells: "变更内容", "Cells";
    registry_faults: "有 {} 处错误，档案未变。", "{} faults; nothing is changed.";
    registry_same: "与现行档案一致，无需变更。", "It says what is in force already.";
    registry_changed: "档案已被他人更新，请核对现行内容后重新提交。", "The registry has changed meanwhile; look again, then send it anew.";
    registry_standby: "当前由另一值班台主用，请在主用值班台修改。", "Another desk is the active one; edit the registry there.";
    registry_failed: "未能完成，档案未变，请稍后重试。", "Not done, nothing is changed; try again soon.";
    registry_draft: "变更预览", "What changes"; registry_draft_about: "来源 {}，基于版本 {}", "From {}, made of revision {}";
    registry_counts: "新增 {} 行，删除 {} 行，修改 {} 行", "{} rows added, {} removed, {} changed";
    registry_record: "确认生效", "Put in force";
    registry_spell: "自生效时间起按新内容执行，原记录到此为止；生效时间与原记录相同则为更正原记录。",
        "What was in force ends when this begins; with the beginning of an earlier row it corrects that row.";
    registry_at_once: "确认后立即生效；以前的内容保留在此前的档案版本中。",
        "In force at once; what it said before stays in the revisions before.";
    registry_moment: "如 2026-12-01 或 2026-12-01T14:35，留空为不限", "2026-12-01 or 2026-12-01T14:35; empty for no bound";
    registry_masked: "****** 表示沿用原密码", "****** keeps the password on record";
    registry_factors: "仅这些因子，以空格分隔；留空为全部", "only these, with blanks between; empty for all";

    // Devices that wait for their registration
    enrol: "一键建档", "Register"; enrol_one: "一键建档：{}", "Register {}";
    enrol_waiting: "待建档设备", "Devices to register";
    enrol_waiting_about: "这些设备未登记，其报文已应答并保存，建档后立即判定和归档。",
        "These are not registered. Their packets are answered and kept; they are judged and archived once they are.";
    enrol_done: "{} 已建档：已接收 {} 包，仍隔离 {} 包。", "{} is registered: {} packets taken, {} still set aside.";
    enrol_about: "核对报文内容，填写企业和排放口，选择限值；确认后登记，等待的报文随即判定和归档。",
        "Check what its packets say, fill in whose it is, choose limits; it is registered and its packets are taken.";
    enrol_says: "报文内容", "What its packets say"; enrol_edition: "协议版本", "Protocol";
    enrol_packets: "报文数", "Packets"; enrol_first: "首次收到", "First heard";
    enrol_intervals: "上报间隔", "Intervals"; enrol_limits_of: "限值目录", "Limits of which industry";
    enrol_no_industry: "不用目录", "no catalogue"; enrol_choose: "选用", "Choose";
    enrol_enterprise_hint: "已登记企业从列表中选择；新企业填写代码和名称。",
        "Choose one that is registered, or write code and name of a new one.";
    enrol_enterprise_name: "企业名称", "Enterprise name"; enrol_if_new: "新登记时填写", "where it is new";
    enrol_outlet: "排放口编号", "Outlet number";
    enrol_outlet_hint: "如 DA001；已登记的排放口沿用其因子和限值。",
        "Such as DA001; one that is registered keeps its factors and limits.";
    enrol_outlet_name: "排放口名称", "Outlet name"; enrol_password: "访问密码", "Password";
    enrol_password_keep: "使用报文中的密码，此后核对", "check for the one its packets show";
    enrol_password_any: "不核对", "do not check";
    enrol_permit_value: "许可限值（小时）", "Permit's limit (hour)"; enrol_o2: "基准氧 %", "Reference O₂ %";
    enrol_no_limit: "登记，暂无限值（不判定）", "registered, no limit yet (not judged)";
    enrol_permit: "按排污许可证（右侧填写）", "by the permit (write it beside)";
    enrol_left_out: "不登记", "leave out";
    enrol_limits_about: "目录限值多为整理所得，以排污许可证为准；每条标明来源。",
        "Limits of the catalogue are a start and say how sure they are; the permit goes before them.";
    enrol_limit_wrong: "{} 的限值或基准氧不是数值。", "Limit or reference oxygen of {} is no number.";
    enrol_refused: "未建档：{}", "Not registered: {}";
    key_age: "密钥已用", "Key in force for"; key_left: "余 {} 天，满 {} 天须更换", "{} left of {} days";
    key_over: "已满 {} 天，须立即更换", "over {} days: change it now"; key_changing: "正在更换", "being changed";
    key_wanted: "设备请求更换，尚无许可", "the device asks for another, no permit yet"; key_and: "；", "; ";

    // Accounts
    users: "用户", "Users"; accounts: "账号", "Accounts";
    login: "账号", "Login"; password: "密码", "Password";
    person: "姓名", "Name"; scope: "范围", "Scope";
    scope_hint: "分局填区县；企业填统一社会信用代码；运维单位填排放口编号，以空格分隔；其他留空。",
        "Branch: its district. Enterprise: its credit code. Contractor: outlet ids with blanks between. Else empty.";
    link: "链接", "Link"; last_signed_in: "最近登录", "Last signed in";
    locked: "锁定中", "at rest"; approve: "审核通过", "Approve";
    invite_again: "重新邀请", "Invite again"; disable: "停用", "Disable";
    user_add: "新增账号", "Add account"; user_import: "批量导入", "Import";
    user_import_hint: "粘贴 CSV，首行为表头，一次最多 500 行", "Paste CSV with its header; at most 500 rows";
    user_csv_example: "login,name,phone,role,scope", "login,name,phone,role,scope";
    invitations: "邀请链接", "Invitations";
    invitations_note: "仅显示这一次，七日内有效，每个链接只能使用一次", "shown this once; good for seven days, one use each";
    audit: "操作日志", "Audit";
    audit_about: "账号、登录与设备命令，只增不改；预警处置见各预警的处置记录。",
        "Accounts, sign-ins, device commands; acts on alerts stand in their traces.";
    object: "对象", "Object"; sign_in_here: "登录", "Sign in";
    sign_in_by_code: "短信验证码登录", "Sign in by code"; send_code: "发送验证码", "Send code";
    login_code: "验证码", "Code";
    code_sent: "如该手机号已登记，验证码已发出，5 分钟内有效。", "If the number is registered, a code is on its way, good for 5 minutes.";
    set_password: "设置密码", "Set password";
    set_password_hint: "至少 10 个字符", "at least 10 characters";
    ask_account: "企业申请账号", "Ask for an account";
    ask_account_hint: "由所在区县分局审核，通过后以短信发送邀请。", "Your district branch decides; an invitation comes by SMS.";
    ask_account_done: "申请已收到，请等待审核。", "Received; please wait to be let in.";

    // Way in and problems
    sign_in: "请登录", "Please sign in";
    sign_in_hint: "会话已过期或尚未登录。请登录，或打开收到的登录链接（演示环境的链接在终端中显示）。",
        "There is no session, or it has ended. Sign in, or open the link you were given (the demo prints its links).";
    bad_link: "链接无效或已过期", "This link is wrong or has ended";
    bad_link_hint: "请重新获取登录链接。", "Ask for a new one."; forbidden: "没有权限", "Not allowed";
    forbidden_hint: "当前账号无权查看此页面或执行此操作。", "Your role may not see this page or do this.";
    not_found: "未找到", "Not found";
    not_found_hint: "页面或预警不存在，或不在您的查看范围内。", "There is no such page or alert, or it is not yours to see.";
    bad_request: "请求有误", "Bad request"; bad_request_hint: "请返回上一页重试。", "Go back and try again.";
    failed: "暂时无法处理", "Cannot do that now";
    failed_hint: "数据已安全保存，页面暂时无法显示，请稍后重试。", "The data is safe, the page cannot be shown; try again soon.";
}

#[cfg(test)]
mod tests;
