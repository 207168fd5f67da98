"""How each kind of site is rewritten; several rules share one form."""

from __future__ import annotations

from collections.abc import Mapping

from linenify.facts.sites import (
    Bind,
    FieldRead,
    FieldsInText,
    FunctionModuleSite,
    InitializerSite,
    MethodSite,
    ModuleCall,
    ModuleClassSite,
    Renamed,
    Reordered,
    Reshaped,
)
from linenify.rules.base import Rewriter
from linenify.rules.forms.calls import bind, reorder, reshape, split_call
from linenify.rules.forms.classes import function_to_class, module_class, module_method
from linenify.rules.forms.names import read_field, read_fields_in_text, rename
from linenify.rules.forms.signatures import extend_initializer

FORMS: Mapping[type[object], Rewriter] = {
    ModuleCall: split_call,
    Bind: bind,
    Reordered: reorder,
    Reshaped: reshape,
    Renamed: rename,
    FieldRead: read_field,
    FieldsInText: read_fields_in_text,
    ModuleClassSite: module_class,
    MethodSite: module_method,
    FunctionModuleSite: function_to_class,
    InitializerSite: extend_initializer,
}
