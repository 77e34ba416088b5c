"""One user's project for all tests that need one."""

import pytest

from tests.typing.users import Project, install


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return install(tmp_path_factory.mktemp("user"))
