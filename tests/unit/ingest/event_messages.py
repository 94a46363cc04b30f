"""Notification messages as text and as the library's parser gives them."""

from collections.abc import Mapping

from lxml import etree

TOPICS = "http://www.onvif.org/ver10/topics"


def notification(
    topic: str,
    data: Mapping[str, str] | None = None,
    source: Mapping[str, str] | None = None,
    *,
    key: Mapping[str, str] | None = None,
    attributes: str = 'UtcTime="2026-01-01T00:00:00Z" PropertyOperation="Changed"',
    extra: str = "",
) -> str:
    """`extra` is put into the Data."""

    def items(of: Mapping[str, str] | None) -> str:
        return "".join(f'<tt:SimpleItem Name="{name}" Value="{value}"/>' for name, value in (of or {}).items())

    return (
        f"<wsnt:NotificationMessage><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message><tt:Message {attributes}>"
        f"<tt:Source>{items(source)}</tt:Source><tt:Key>{items(key)}</tt:Key><tt:Data>{items(data)}{extra}</tt:Data>"
        "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def parsed(text: str, namespaces: str = f'xmlns:tns1="{TOPICS}"') -> etree._Element:
    """The first notification of an answer in which `namespaces` are declared at the top."""
    answer = etree.fromstring(
        f'<a xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tt="http://www.onvif.org/ver10/schema" {namespaces}>'
        f"<b>{text}</b></a>"
    )
    return answer[0][0]
