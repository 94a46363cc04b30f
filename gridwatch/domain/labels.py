"""Chinese words for what the console and labels show (design, section 2)."""

from gridwatch.domain.case import CaseStep
from gridwatch.domain.health import CameraState
from gridwatch.domain.incident import IncidentKind, Phase, Severity
from gridwatch.domain.site import SiteLevel

CHINESE: dict[str, str] = {
    SiteLevel.DISTRICT: "区县",
    SiteLevel.SUBSTATION: "派出所",
    SiteLevel.CHECKPOINT: "卡口",
    IncidentKind.INTRUSION: "区域入侵",
    IncidentKind.LINE_CROSSING: "越线",
    IncidentKind.LOITERING: "徘徊",
    IncidentKind.CROWDING: "人员聚集",
    IncidentKind.STOPPED_VEHICLE: "车辆违停",
    IncidentKind.WRONG_WAY: "逆行",
    IncidentKind.ABANDONED_OBJECT: "物品遗留",
    IncidentKind.REMOVED_OBJECT: "物品移除",
    IncidentKind.FIRE_SMOKE: "烟火",
    IncidentKind.CAMERA_TAMPER: "摄像机遮挡",
    IncidentKind.CAMERA_OFFLINE: "摄像机离线",
    IncidentKind.DEVICE_ALARM: "设备报警",
    IncidentKind.REPORTED: "上报",
    Severity.INFO: "提示",
    Severity.MINOR: "一般",
    Severity.MAJOR: "重要",
    Severity.CRITICAL: "紧急",
    Phase.RAISED: "发生",
    Phase.UPDATED: "持续",
    Phase.CLEARED: "解除",
    CaseStep.DISCOVER: "信息采集",
    CaseStep.FILE: "案卷建立",
    CaseStep.DISPATCH: "任务派遣",
    CaseStep.HANDLE: "任务处理",
    CaseStep.REVIEW: "处理反馈",
    CaseStep.CLOSE: "核查结案",
    CaseStep.EVALUATE: "综合评价",
    CameraState.CONNECTING: "连接中",
    CameraState.UP: "在线",
    CameraState.REFUSED: "拒绝登录",
    CameraState.UNREACHABLE: "无法连接",
    CameraState.NO_VIDEO: "无视频",
    CameraState.STALLED: "画面停滞",
    CameraState.STOPPED: "已停止",
}
"""By enum value; every value shown to a person has one (held by a test)."""
