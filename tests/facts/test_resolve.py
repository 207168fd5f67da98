"""Which file an import means."""

from __future__ import annotations

import pytest
from facts.support import project_of, source_of

from linenify.project.resolve import Imports


def resolver(*names):
    return Imports(project_of(dict.fromkeys(names, "")))


@pytest.mark.parametrize(
    ("importer", "module", "level", "expected"),
    [
        pytest.param("pkg.a", "other.b", 0, "other.b", id="absolute"),
        pytest.param("pkg.a", "b", 1, "pkg.b", id="sibling"),
        pytest.param("pkg.a", "", 1, "pkg", id="own_package"),
        pytest.param("pkg.sub.a", "b", 2, "pkg.b", id="parent"),
        pytest.param("pkg.sub.a", "", 2, "pkg", id="parent_itself"),
        pytest.param("pkg.sub.a", "x.y", 3, "x.y", id="grandparent"),
        pytest.param("pkg.", "b", 1, "pkg.b", id="from_a_package"),
        pytest.param("pkg.sub.", "b", 2, "pkg.b", id="from_a_package_upwards"),
        pytest.param("script", "b", 1, "b", id="top_level_script"),
    ],
)
def test_relative_names_are_made_absolute(importer, module, level, expected):
    assert resolver().absolute(source_of("", importer), module, level) == expected


@pytest.mark.parametrize(
    ("files", "importer", "name", "expected"),
    [
        pytest.param(["a", "b"], "a", "b", "b", id="side_by_side"),
        pytest.param(["p.a", "p.b"], "p.a", "b", "p.b", id="script_next_to_script"),
        pytest.param(["p.a", "p.b"], "p.a", "p.b", "p.b", id="from_the_top"),
        pytest.param(["p.a", "b", "p.b"], "p.a", "b", "p.b", id="the_nearest_wins"),
        pytest.param(["p.q.a", "p.b"], "p.q.a", "b", "p.b", id="a_folder_up"),
        pytest.param(["p.q.a", "x.b"], "p.q.a", "b", None, id="not_in_another_branch"),
        pytest.param(["p.", "p.b"], "p.", "b", "p.b", id="inside_of_a_package"),
        pytest.param(["models", "train"], "train", "project.models", "models", id="root_cut_off"),
        pytest.param(
            ["nets.models", "train"], "train", "a.b.nets.models", "nets.models", id="two_cut_off"
        ),
        pytest.param(["a"], "a", "numpy", None, id="foreign"),
        pytest.param(["a"], "a", "", None, id="nothing"),
        pytest.param(["p.flax", "p.a"], "p.a", "flax.nn", None, id="no_part_of_a_longer_name"),
        pytest.param(["p.jax"], "p.jax", "jax", None, id="a_file_never_means_itself"),
    ],
)
def test_the_file_that_an_import_means(files, importer, name, expected):
    assert resolver(*files).find(name, source_of("", importer)) == expected
