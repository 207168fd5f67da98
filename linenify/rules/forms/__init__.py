"""How each kind of site is rewritten; several rules share one form."""

from __future__ import annotations

from collections.abc import Mapping

from linenify.facts.sites import (
    AsTuple,
    AttributeSite,
    Bind,
    ClassVariable,
    ContextSite,
    Curried,
    DictKeys,
    EnumeratedLoop,
    FieldRead,
    FieldsInText,
    FunctionModuleSite,
    MethodSite,
    ModuleCall,
    ModuleClassSite,
    ParameterSite,
    ParamOverride,
    Renamed,
    Reordered,
    Reshaped,
    TextSite,
    Wrapped,
)
from linenify.rules.base import Rewriter
from linenify.rules.forms.calls import bind, reorder, reshape, split_call
from linenify.rules.forms.classes import function_to_class, module_class, module_method
from linenify.rules.forms.contexts import leave_context
from linenify.rules.forms.loops import enumerate_loop
from linenify.rules.forms.names import (
    change_attribute,
    change_text,
    class_variable,
    list_as_tuple,
    read_field,
    read_fields_in_text,
    rename,
    rename_keys,
    wrap,
)
from linenify.rules.forms.signatures import curry, reorder_override, with_parameter

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
    ParameterSite: with_parameter,
    Curried: curry,
    ParamOverride: reorder_override,
    Wrapped: wrap,
    AsTuple: list_as_tuple,
    DictKeys: rename_keys,
    ClassVariable: class_variable,
    AttributeSite: change_attribute,
    TextSite: change_text,
    ContextSite: leave_context,
    EnumeratedLoop: enumerate_loop,
}
