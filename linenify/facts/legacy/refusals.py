"""Every reason to leave a site alone, with what to do by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One permanent code; `remedy` is what stands behind the reason in the TODO."""

    code: str
    name: str
    summary: str
    remedy: str


def _table(*entries: tuple[str, str, str, str]) -> dict[str, Refusal]:
    return {code: Refusal(code, name, summary, remedy) for code, name, summary, remedy in entries}


REFUSALS = _table(
    (
        "LN190",
        "no-linen-counterpart",
        "A legacy name has no counterpart in Linen.",
        "rewrite the code that uses it against the current API",
    ),
    (
        "LN191",
        "gone-jax-call-unclear",
        "A call of a function that JAX has dropped is not spelled out.",
        "write it with `x.at[...]`, or drop it",
    ),
    (
        "LN192",
        "gone-name",
        "A name is no longer in JAX, Flax or NumPy, and nothing is called like it today.",
        "write what it did with the current API",
    ),
    (
        "LN193",
        "gone-name-looked-up",
        "`getattr` asks for a name that is gone.",
        "ask for what it is called today",
    ),
    (
        "LN195",
        "gone-function-as-value",
        "A function that JAX has dropped is a value here, and none can take its place.",
        "define a function of your own that means the same, and name that",
    ),
    (
        "LN196",
        "argument-taken-no-longer",
        "A function of JAX or NumPy gets an argument that it does not take today.",
        "call it with what it takes today",
    ),
    (
        "LN197",
        "initializer-says-its-dtype",
        "An initialiser makes params of its own dtype where Linen asks for another.",
        "pass `param_dtype=`, or a function of (key, shape, dtype) that ignores the last",
    ),
    (
        "LN198",
        "gone-at-import",
        "A name that exists no longer is read where the file is imported.",
        "rewrite the code that uses it against the current API, and drop the stand-in",
    ),
    (
        "LN281",
        "list-as-field",
        "A list that is a hyper-parameter is a tuple as a field, and this place can tell.",
        "pass a tuple everywhere and ask for one here, or write `list(self.x)` where it is one",
    ),
    (
        "LN282",
        "dict-as-field",
        "A dict that is a hyper-parameter is a FrozenDict as a field, and this place can tell.",
        "write `dict(self.x)` or `core.unfreeze(self.x)` where a plain dict is needed",
    ),
    (
        "LN290",
        "class-not-migrated",
        "A module class has a form that cannot be moved safely.",
        "migrate the class by hand: fields for hyper-parameters, `@nn.compact def __call__`",
    ),
    (
        "LN291",
        "decorated-apply",
        "`apply` carries a decorator whose effect on fields is unknown.",
        "move the decorator to the class or drop it, then run linenify again",
    ),
    (
        "LN292",
        "conflicting-defaults",
        "Methods of one class give the same hyper-parameter different defaults.",
        "choose one default, or give the hyper-parameters different names",
    ),
    (
        "LN293",
        "open-ended-arguments",
        "`*args` or `**kwargs` of a module method cannot be resolved to fields.",
        "spell out the hyper-parameters in the signature",
    ),
    (
        "LN294",
        "attribute-set-in-apply",
        "A module method sets an attribute on `self`; Linen modules are frozen there.",
        "pass the value as an argument or a local variable",
    ),
    (
        "LN295",
        "base-call-changes-hyperparameter",
        "`super().apply` passes a hyper-parameter that the Linen base reads from a field.",
        "override the field in the subclass, or turn it into a call argument of the base",
    ),
    (
        "LN296",
        "frame-introspection",
        "The method inspects its own names (`locals()`, `vars()`, `eval`).",
        "list the hyper-parameters explicitly",
    ),
    (
        "LN297",
        "method-as-submodule",
        "A module_method called on `self` owned its own parameters (`name_N`) in legacy.",
        "make it a Module class of its own and call that",
    ),
    (
        "LN298",
        "explicit-name-collides",
        "An explicit name is one that Linen gives to an automatically named sibling.",
        "rename the submodule, or name its siblings as well",
    ),
    (
        "LN299",
        "internal-failure",
        "linenify itself failed at this place.",
        "migrate the call by hand, and please report it",
    ),
    (
        "LN381",
        "partial-asked-as-class",
        "A partial is asked for something that only the class of legacy could give.",
        "ask the class itself (`.func` of a partial), or make an instance",
    ),
    (
        "LN382",
        "state-not-seen",
        "A module that keeps no state asks whether there is one.",
        "give it an argument that says so",
    ),
    (
        "LN383",
        "state-asked-too-late",
        "A module asks for a state after BatchNorm, which makes one in runs that have none.",
        "ask before, and keep the answer in a variable",
    ),
    (
        "LN390",
        "unresolved-arguments",
        "The arguments of a module call cannot all be assigned to fields and inputs.",
        "write `Module(fields...)(inputs...)` by hand",
    ),
    (
        "LN391",
        "unknown-callable",
        "It is not known whether the callee is a module class.",
        "if it is one, split the call: `layer(fields...)(inputs...)`",
    ),
    (
        "LN392",
        "mixed-callables",
        "The callee may be a module class or a plain function.",
        "give all of them one calling convention",
    ),
    (
        "LN393",
        "bound-input",
        "`.partial` or `.shared` binds an argument that Linen takes per call.",
        "pass it where the module is called",
    ),
    (
        "LN394",
        "module-under-transform",
        "A module runs inside a JAX transform that would not see its parameters.",
        "use nn.scan, nn.vmap or nn.remat, or call the module once before the transform",
    ),
    (
        "LN395",
        "module-escapes",
        "A module class is handed to code that linenify cannot see into.",
        "check what that code does with it: legacy called it, Linen constructs it first",
    ),
    (
        "LN396",
        "attention-form",
        "This form of attention has no counterpart that is equal for every input.",
        "write the mask and the axes out by hand",
    ),
    (
        "LN397",
        "carry-size-unknown",
        "The hidden size of a recurrent cell came from its carry and is not known here.",
        "pass `features=` to the cell",
    ),
    (
        "LN398",
        "call-of-unmigrated-class",
        "The callee is a module class that was not migrated.",
        "migrate the class first, then split this call",
    ),
    (
        "LN385",
        "linen-call-does-not-fit",
        "A call in Linen form does not fit what its legacy class becomes.",
        "compare it with the migrated class, and give it the fields and inputs that are there",
    ),
    (
        "LN386",
        "legacy-use-of-linen-class",
        "A class that is in Linen already is used, or derived from, in legacy form.",
        "write it in Linen form by hand, or take the legacy file of the class back first",
    ),
    (
        "LN490",
        "cache-handle",
        "The legacy attention cache is used directly.",
        "use the `cache` collection: `mutable=['cache']`, `self.variable('cache', ...)`",
    ),
    (
        "LN491",
        "explicit-collection",
        "A Collection is handled explicitly.",
        "use the variables dict that `apply(..., mutable=...)` returns",
    ),
    (
        "LN590",
        "randomness-outside-modules",
        "A legacy random stream is used outside any module.",
        "pass a key explicitly",
    ),
    (
        "LN690",
        "training-code",
        "Legacy training code: Model, init_by_shape, stateful, stochastic.",
        "use `Module(...).init`, `.apply` with variables, `mutable=` and `rngs=`",
    ),
    (
        "LN691",
        "legacy-optimizer",
        "flax.optim is gone.",
        "use optax inside flax.training.train_state.TrainState",
    ),
    (
        "LN692",
        "optimizer-use-unclear",
        "A legacy optimizer is used in a way that a TrainState does not offer.",
        "rewrite it with `state.tx`, `state.opt_state` and `state.params`",
    ),
    (
        "LN694",
        "numbered-child-by-name",
        "A string names a submodule that Linen numbers differently.",
        "compare with `linenify facts`, which lists both names",
    ),
    (
        "LN693",
        "gradient-not-taken-apart",
        "The result of `compute_gradient` or `optimize` is kept as one tuple.",
        "use `jax.value_and_grad` and `apply_gradients`",
    ),
    (
        "LN695",
        "state-out-of-sight",
        "Code that is not seen is given a TrainState where it had an optimizer.",
        "let it ask for `params` and `step` instead of `target` and `state`",
    ),
    (
        "LN696",
        "state-by-paths",
        "A state is put together, or gone through, by the paths of modules.",
        "nest it by collection and module: `{'batch_stats': {'norm': {...}}}`",
    ),
    (
        "LN699",
        "run-as-value",
        "A method that initialises or runs a module class travels as a value.",
        "hand on `lambda params, x: module.apply({'params': params}, x)`, or call it in place",
    ),
    (
        "LN790",
        "name-not-kept",
        "With `--keep-names`: the numbers of the submodules of a class cannot be proven.",
        "convert old checkpoints with `linenify remap`",
    ),
)

NOTICES = _table(
    (
        "LN812",
        "tracers-are-arrays",
        "A tracer was no `DeviceArray`; it is a `jax.Array`, so that `isinstance` says yes.",
        "nothing to do where no traced function asks",
    ),
    (
        "LN813",
        "columns-shuffled-apart",
        "`jax.random.shuffle` moved the entries of each column on their own; rows stay whole now.",
        "nothing to do for vectors, or where whole rows were meant",
    ),
    (
        "LN801",
        "embed-out-of-range",
        "Ids out of range were clamped by legacy Embed; Linen gives NaN.",
        "clip the ids if the program relies on it",
    ),
    (
        "LN802",
        "attention-rank-unknown",
        "Attention over inputs of unknown rank: legacy joined all inner axes, Linen uses the last.",
        "nothing to do for (batch, length, features)",
    ),
    (
        "LN803",
        "fully-masked-rows",
        "Gradients through fully masked attention rows differ; outputs do not.",
        "nothing to do when the loss ignores masked positions",
    ),
    (
        "LN822",
        "files-not-given",
        "A file works with files that were not given, and would change together with it.",
        "give them as well, or the program is in two worlds until they follow",
    ),
    (
        "LN804",
        "unknown-callable-left",
        "A callable argument of unknown origin is called with one array and left as it is.",
        "if it is a module class, write `layer()(x)`",
    ),
    (
        "LN808",
        "behaviour-changed",
        "A function of flax.training is still there, and behaves differently.",
        "see whether the program relies on the old behaviour",
    ),
    (
        "LN809",
        "params-of-narrow-dtype",
        "Params of half precision or integers took the dtype of wider gradients; optax casts back.",
        "keep such params in float32, or cast the gradients to their dtype",
    ),
    (
        "LN807",
        "model-stays-an-object",
        "A Model is used as one value where no module can be named; it becomes a `BoundModel`.",
        "pass the module along where you prefer params",
    ),
    (
        "LN819",
        "unknown-call-may-be-a-model",
        "Models get out of sight, and a call of something unknown may be of one of them.",
        "nothing to do if it is called with inputs only: a `BoundModel` is called as a Model was",
    ),
    (
        "LN806",
        "batch-dims-initialised-alike",
        "Legacy DenseGeneral initialises every slice of batch_dims alike; Linen draws them anew.",
        "nothing to do unless equal initial values of the slices are wanted",
    ),
    (
        "LN815",
        "grown-default",
        "A list or dict that a method changes in place was shared by all its calls.",
        "nothing to do unless one call relied on what another one had left there",
    ),
    (
        "LN805",
        "bias-on-inner-axis",
        "Legacy DenseGeneral adds the bias along the wrong axis when inner axes are contracted.",
        "nothing to do unless the program relied on the wrong axis",
    ),
    (
        "LN817",
        "initialised-without-state",
        "`is_stateful` says yes in every initialisation of Linen; legacy said no without a state.",
        "nothing to do where both branches make the same params",
    ),
    (
        "LN818",
        "statistics-of-a-second-run",
        "Legacy updated running statistics when a shared module ran again while initialising.",
        "nothing to do where the statistics are trained before they are used",
    ),
    (
        "LN810",
        "leaf-of-another-shape",
        "With `--keep-names`: a parameter keeps its name, and has another shape or axis order.",
        "convert old checkpoints with `linenify remap`, which reshapes it",
    ),
    (
        "LN821",
        "waits-for-another-file",
        "The file works with one that linenify could not migrate, and was left as it was.",
        "report the other file; both are migrated together",
    ),
    (
        "LN823",
        "name-in-text",
        "A string or docstring names something of legacy Flax.",
        "change it by hand where it matters",
    ),
    (
        "LN824",
        "no-python",
        "A notebook or configuration names something that is migrated.",
        "linenify changes Python only; change it by hand",
    ),
)

OPEN = _table(
    (
        "LN826",
        "open-mark",
        "A mark `TODO(linenify)` without a code still stands in a file.",
        "migrate the code below it, then delete the mark",
    ),
)

ERRORS = _table(
    (
        "LN000",
        "file-withheld",
        "linenify failed on a file, or broke a promise about it: the file stays as it was.",
        "please report the file; migrate it by hand, or leave it out with `exclude`",
    ),
    (
        "LN825",
        "file-unreadable",
        "A file cannot be read as Python: the file stays as it was.",
        "make it valid Python 3 in UTF-8, or leave it out with `exclude`",
    ),
)
