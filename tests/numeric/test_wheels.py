"""Where the legacy sources come from."""

import zipfile

import pytest

from linenify.verify import wheels

pytestmark = pytest.mark.numeric


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(wheels.OVERRIDE, raising=False)
    return tmp_path


def test_an_unzipped_wheel_is_used_as_it_is(cache, monkeypatch):
    (cache / "mine" / "flax").mkdir(parents=True)
    (cache / "mine" / "flax" / "__init__.py").touch()
    monkeypatch.setenv(wheels.OVERRIDE, str(cache / "mine"))
    assert wheels.legacy_sources() == cache / "mine"


def test_a_wheel_file_is_unzipped_once(cache, monkeypatch):
    wheel = cache / "flax.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("flax/__init__.py", "")
    monkeypatch.setattr(
        wheels, "HASHES", {"0.3.6": wheels.hashlib.sha256(wheel.read_bytes()).hexdigest()}
    )
    monkeypatch.setenv(wheels.OVERRIDE, str(wheel))
    first = wheels.legacy_sources()
    assert (first / "flax" / "__init__.py").is_file()
    assert wheels.legacy_sources() == first


def test_a_wheel_with_another_hash_is_refused(cache, monkeypatch):
    wheel = cache / "flax.whl"
    wheel.write_bytes(b"something else")
    monkeypatch.setenv(wheels.OVERRIDE, str(wheel))
    with pytest.raises(wheels.WheelUnavailableError, match="is not a wheel linenify knows"):
        wheels.legacy_sources()


@pytest.mark.parametrize("name", ["nothing", "."])
def test_an_override_without_flax_is_refused(cache, monkeypatch, name):
    monkeypatch.setenv(wheels.OVERRIDE, str(cache / name))
    with pytest.raises(wheels.WheelUnavailableError, match=wheels.OVERRIDE):
        wheels.legacy_sources()


def test_an_unknown_version_is_refused(cache):
    with pytest.raises(wheels.WheelUnavailableError, match=r"flax 0\.9 has no pinned hash"):
        wheels.legacy_sources("0.9")


def test_a_client_that_fails_is_quoted(cache, monkeypatch):
    monkeypatch.setattr(wheels, "_clients", lambda: [["false"]])
    with pytest.raises(wheels.WheelUnavailableError, match="Set LINENIFY_LEGACY_WHEEL to"):
        wheels.legacy_sources()
    assert not list((cache / "linenify" / "legacy").glob("*"))


def test_a_fetched_wheel_stays(cache, monkeypatch):
    calls = []

    def install(version, into):
        calls.append(version)
        (into / "flax").mkdir(parents=True)
        (into / "flax" / "__init__.py").touch()

    monkeypatch.setattr(wheels, "_install", install)
    assert wheels.legacy_sources() == wheels.legacy_sources()
    assert calls == ["0.3.6"]
