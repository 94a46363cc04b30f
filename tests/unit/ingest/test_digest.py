import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gridwatch.ingest.digest import Challenge, Signer, read_challenges
from gridwatch.ingest.urls import Credentials


def signer(head: bytes, username: str, password: str, cnonce: str) -> Signer:
    (challenge,) = read_challenges(head)
    return Signer(Credentials(username=username, password=SecretStr(password)), challenge, lambda: cnonce)


def said(authorization: str) -> dict[str, str]:
    return {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^ ,]*))', authorization)}


def test_the_example_of_rfc_7616_is_met() -> None:
    """Section 3.9.1."""
    head = (
        b"HTTP/1.1 401 Unauthorized\r\n"
        b'WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        b"\r\n\r\n"
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    proof = said(signer(head, "Mufasa", "Circle of Life", cnonce).sign("GET", "/dir/index.html"))
    assert proof == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": "SHA-256",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": cnonce,
        "qop": "auth",
        "response": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


PLAIN = st.text(st.characters(codec="ascii", exclude_characters='"\\', exclude_categories=["Cc"]), max_size=20)


@given(
    username=PLAIN.filter(lambda text: ":" not in text), password=st.text(max_size=20), realm=PLAIN,
    algorithm=st.sampled_from(["SHA-256", "SHA-256-sess"]), qop=st.sampled_from(['qop="auth"', 'qop="auth-int, auth"']),
)  # fmt: skip
def test_a_library_of_another_make_says_the_same(
    username: str, password: str, realm: str, algorithm: str, qop: str
) -> None:
    header = f'Digest realm="{realm}", nonce="n/1=", algorithm={algorithm}, {qop}, opaque="o"'
    flow = httpx.DigestAuth(username, password).sync_auth_flow(httpx.Request("DESCRIBE", "http://cam/live?x=1"))
    request = next(flow)
    request = flow.send(httpx.Response(401, headers={"www-authenticate": header}, request=request))
    theirs = said(request.headers["authorization"])
    head = f"x\r\nWWW-Authenticate: {header}\r\n\r\n".encode()
    ours = said(signer(head, username, password, theirs["cnonce"]).sign("DESCRIBE", "/live?x=1"))
    assert ours["response"] == theirs["response"]
    assert (ours["nc"], ours["qop"]) == (theirs["nc"], theirs["qop"])


def test_each_proof_is_counted_and_a_new_nonce_begins_anew() -> None:
    made = iter("ab")
    credentials = Credentials(username="u", password=SecretStr("p"))
    one = Challenge(realm="r", nonce="1", algorithm="SHA-256", qop=("auth",))
    proving = Signer(credentials, one, lambda: next(made))
    proofs = [said(proving.sign("OPTIONS", "*")) for _ in range(2)]
    proving.renew(Challenge(realm="r", nonce="2", algorithm="SHA-256", qop=("auth",)))
    proofs.append(said(proving.sign("OPTIONS", "*")))
    assert [(one["nonce"], one["nc"], one["cnonce"]) for one in proofs] == [
        ("1", "00000001", "a"), ("1", "00000002", "a"), ("2", "00000001", "b"),
    ]  # fmt: skip
    assert len({one["response"] for one in proofs}) == 3


def test_without_qop_there_is_no_count() -> None:
    head = b'x\r\nwww-authenticate:Digest realm="r",nonce="n",algorithm=SHA-256\r\n'
    assert "nc" not in said(signer(head, "u", "p", "c").sign("OPTIONS", "*"))


@pytest.mark.parametrize(
    ("value", "algorithm", "provable"),
    [
        ('realm="r", nonce="n"', "MD5", False),
        ('realm="r", nonce="n", algorithm="SHA-256"', "SHA-256", True),
        ('realm="r", nonce="n", algorithm=sha-256-sess, qop=auth,', "SHA-256-SESS", True),
        ('realm="r", nonce="n", algorithm=SHA-256, qop="auth-int"', "SHA-256", False),
        ('realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"', "SHA-512-256", False),
    ],
)
def test_what_can_be_proved_is_known(value: str, algorithm: str, provable: bool) -> None:
    (challenge,) = read_challenges(f"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest {value}\r\n\r\n".encode())
    assert (challenge.algorithm, challenge.provable) == (algorithm, provable)


@given(st.binary(max_size=80))
def test_garbage_is_no_challenge_and_raises_nothing(garbage: bytes) -> None:
    for one in read_challenges(b"x\r\nWWW-Authenticate: Digest " + garbage + b"\r\n\r\n"):
        assert one.nonce is not None


def test_what_the_camera_says_cannot_add_a_header_and_the_password_is_not_shown() -> None:
    head = b'x\r\nWWW-Authenticate: Digest realm="a\\"b", nonce="n\nX: y", algorithm=SHA-256, qop="auth"\r\n'
    assert all("\n" not in one.realm + one.nonce + (one.opaque or "") for one in read_challenges(head))
    proving = signer(head.replace(b"\nX: y", b""), 'u"', "hush", "c")
    authorization = proving.sign("OPTIONS", "*")
    assert 'username="u\\"", realm="a\\"b"' in authorization
    assert "hush" not in repr(proving) + authorization
