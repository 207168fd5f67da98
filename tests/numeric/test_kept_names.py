"""With `--keep-names`, the migrated module has exactly the keypaths of the legacy one."""

import shutil

import pytest
from stories import ROOT, migrated

from linenify.verify.case import read_case
from linenify.verify.loading import UserFiles
from linenify.verify.overlay import Overlay
from linenify.verify.pairing import relayout
from linenify.verify.sides import module_side
from linenify.verify.wheels import legacy_sources
from linenify.verify.worlds import World, inside

pytestmark = pytest.mark.numeric

KEPT = [
    "arguments_passed_through_a_dictionary",
    "axial_attention_over_images",
    "batch_norm_chosen_at_the_call",
    "blocks_built_by_helpers",
    "branches_in_comprehensions_and_closures",
    "chained_partials",
    "comments_everywhere",
    "conv_lstm_over_frames",
    "encode_decode_methods",
    "function_modules",
    "group_and_layer_norm",
    "inherited_template_methods",
    "kept_names_in_loops",
    "kept_names_in_two_files",
    "kept_names_of_nested_calls",
    "kept_names_of_shared_modules",
    "layers_in_free_functions",
    "lstm_unrolled_in_a_loop",
    "mixin_with_helper_layers",
    "module_class_as_argument",
    "presets_on_a_base_without_apply",
    "pyramid_as_a_mapping",
    "receiver_not_called_self",
    "resnet_with_partials",
    "stages_with_computed_names",
    "tied_embedding_attends_to_its_table",
    "transformer_in_three_files",
    "unet_with_skip_connections",
]
# The classes that are flagged, and the scopes in which names are Linen's therefore.
FLAGGED = {
    "module_class_from_table": ({"Net"}, {()}),
    "names_that_cannot_be_kept": ({"Stack", "Mapped"}, {("Stack_1",)}),
    "nested_calls": ({"Tree"}, {()}),
    "sequential_of_partials": ({"Sequential"}, {("layers",)}),
    "subclass_runs_before_its_base": (
        {"Block", "Bottleneck", "small"},
        {("Block_0",), ("Bottleneck_0",)},
    ),
}


@pytest.fixture(scope="module")
def overlay():
    return Overlay(legacy_sources("0.3.6"))


@pytest.fixture
def both(request, overlay, tmp_path):
    """A fixture, migrated with the names of legacy: its runs in both worlds, and what was said."""
    folder = ROOT / "fixtures" / request.param
    [legacy] = folder.glob("legacy*")
    migration, texts = migrated(legacy, {"keep-names": True})
    target = tmp_path / legacy.name
    (shutil.copy if legacy.is_file() else shutil.copytree)(legacy, target)
    for name, text in texts.items():
        (target if legacy.is_file() else target / name).write_text(text)
    worlds = World(UserFiles(legacy), overlay), World(UserFiles(target), None)
    runs = [
        tuple(
            shapes(run, world) for run, world in zip((pair.legacy, pair.linen), worlds, strict=True)
        )
        for pair in read_case(folder / "case.toml").runs
        if pair.legacy.module
    ]
    lines = legacy.read_text().splitlines() if legacy.is_file() else []
    flagged = {
        lines[each.span.line - 1].split()[1].partition("(")[0].rstrip(":")
        for each in migration.diagnostics
        if each.code == "LN790"
    }
    return runs, flagged, {each.code for each in migration.diagnostics}


def shapes(run, world):
    """The shape of every parameter, by its keypath; likewise of the collections."""
    with inside(world, "init"):
        params, state = module_side(run, world).initial()
    skip = 0 if world.overlay is not None else 1  # legacy state does not know collections
    return (
        {place.keypath: place.shape for place in params.places},
        {place.keypath[skip:] for place in state.places},
    )


@pytest.mark.parametrize("both", KEPT, indirect=True, ids=KEPT)
def test_params_have_the_keypaths_of_legacy(both):
    runs, flagged, codes = both
    assert not flagged
    assert runs
    for (old, old_state), (new, new_state) in runs:
        assert old.keys() == new.keys()
        assert old_state == new_state
        assert all(relayout(old[path], new[path]) is not None for path in old)
        turned = {path[-2].partition("_")[0] for path in old if old[path] != new[path]}
        assert turned <= {"GroupNorm", "DenseGeneral"}
        assert not turned or "LN810" in codes


@pytest.mark.parametrize("both", FLAGGED, indirect=True, ids=FLAGGED)
def test_only_children_of_flagged_classes_have_other_names(both, request):
    runs, flagged, _ = both
    classes, scopes = FLAGGED[request.node.callspec.id]
    assert flagged == classes
    assert {scope for (old, _), (new, _) in runs for scope in parted(old, new)} == scopes


def parted(old, new):
    """The scopes of which a child is called differently."""
    known = {path[:depth] for path in new for depth in range(len(path) + 1)}
    for path in old:
        if path not in new:
            yield max(
                (path[:depth] for depth in range(len(path)) if path[:depth] in known), key=len
            )
