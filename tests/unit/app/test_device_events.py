from gridwatch.app.device_events import NO_SERVICE_SECONDS, REFUSED_SECONDS, Patience
from gridwatch.ingest import CameraLocked, CameraRefused, CameraUnreachable
from gridwatch.ingest.events import NoEventService

REFUSED = CameraRefused("gate-3", "it refused", "correct it")
UNREACHABLE = CameraUnreachable("gate-3", "it is gone", "look for it")


def after(patience: Patience, error: Exception, *, was_subscribed: bool = False) -> float:
    return patience.after(error, 0.0, was_subscribed=was_subscribed)


def test_a_wrong_password_is_tried_twice_and_then_seldom_lest_the_account_be_locked() -> None:
    patience = Patience()
    assert after(patience, REFUSED) < 1.0  # its clock may have been set, which the next try finds out
    assert [after(patience, REFUSED) for _ in range(3)] == [REFUSED_SECONDS] * 3


def test_a_locked_account_is_left_alone_at_once() -> None:
    assert after(Patience(), CameraLocked("gate-3", "locked", "wait")) == REFUSED_SECONDS


def test_a_camera_that_listened_to_us_before_it_refused_is_asked_again_soon() -> None:
    patience = Patience()
    after(patience, REFUSED)
    assert after(patience, REFUSED, was_subscribed=True) < 1.0 + 1.0


def test_a_camera_that_is_away_is_asked_again_within_a_minute() -> None:
    patience = Patience()
    assert all(after(patience, UNREACHABLE) <= 60.0 for _ in range(50))


def test_a_camera_without_event_service_is_asked_again_after_an_hour() -> None:
    assert after(Patience(), NoEventService("gate-3", "none", "none")) == NO_SERVICE_SECONDS
