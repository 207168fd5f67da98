"""The rules, one file each, and the catalogue of everything that has a code."""

from __future__ import annotations

from collections.abc import Mapping

from linenify.facts.legacy.refusals import ERRORS, NOTICES, OPEN, REFUSALS
from linenify.rules import (
    apply_gradient,
    apply_method,
    attention_call,
    bound_model,
    cache_context,
    cache_counter,
    cache_shape,
    captured_outputs,
    collection,
    compute_gradient,
    default_switch,
    dot_product_attention,
    dropout,
    frozen_field,
    gone_jax_call,
    gone_jax_function,
    gone_jax_name,
    hyperparameter_read,
    initialize_carry,
    initializer_dtype,
    instance_call,
    is_stateful,
    is_stochastic,
    kept_name,
    legacy_import,
    legacy_name,
    local_model,
    make_rng,
    model_call,
    model_params,
    module_call,
    module_function,
    module_init,
    module_method,
    module_partial,
    module_shared,
    moved_jax_argument,
    optimizer_attribute,
    optimizer_create,
    optimizer_definition,
    params_key,
    partial_member,
    random_context,
    recurrent_cell,
    renamed_variable,
    replicated_optimizer,
    scan_over_module,
    self_attribute,
    self_param,
    self_state,
    state_context,
    super_apply,
    two_argument_initializer,
)
from linenify.rules.base import Rule
from linenify.rules.by_hand import BY_HAND

RULES: tuple[Rule, ...] = (
    legacy_import.RULE,
    legacy_name.RULE,
    gone_jax_name.RULE,
    gone_jax_call.RULE,
    default_switch.RULE,
    gone_jax_function.RULE,
    moved_jax_argument.RULE,
    apply_method.RULE,
    hyperparameter_read.RULE,
    self_param.RULE,
    module_method.RULE,
    module_function.RULE,
    super_apply.RULE,
    two_argument_initializer.RULE,
    initializer_dtype.RULE,
    self_attribute.RULE,
    frozen_field.RULE,
    module_call.RULE,
    module_partial.RULE,
    module_shared.RULE,
    instance_call.RULE,
    attention_call.RULE,
    recurrent_cell.RULE,
    initialize_carry.RULE,
    scan_over_module.RULE,
    dot_product_attention.RULE,
    module_init.RULE,
    local_model.RULE,
    partial_member.RULE,
    self_state.RULE,
    is_stateful.RULE,
    dropout.RULE,
    make_rng.RULE,
    is_stochastic.RULE,
    collection.RULE,
    cache_context.RULE,
    cache_shape.RULE,
    cache_counter.RULE,
    state_context.RULE,
    captured_outputs.RULE,
    random_context.RULE,
    optimizer_definition.RULE,
    optimizer_create.RULE,
    optimizer_attribute.RULE,
    apply_gradient.RULE,
    replicated_optimizer.RULE,
    compute_gradient.RULE,
    model_params.RULE,
    model_call.RULE,
    renamed_variable.RULE,
    bound_model.RULE,
    params_key.RULE,
    kept_name.RULE,
)


def _entries() -> dict[str, Rule]:
    entries = {rule.code: rule for rule in RULES}
    for kind, table in (
        ("refusal", REFUSALS | OPEN),
        ("notice", NOTICES),
        ("error", ERRORS),
    ):
        for code, entry in table.items():
            shown = BY_HAND.get(code)  # a test sees to it that each has one
            doc = f"{entry.summary}\n\n{shown.why}" if shown else entry.summary
            entries[code] = Rule(
                code, entry.name, doc, kind=kind, remedy=entry.remedy, by_hand=shown
            )
    return dict(sorted(entries.items()))


CATALOGUE: Mapping[str, Rule] = _entries()
