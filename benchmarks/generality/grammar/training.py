"""Programs that train a model."""

from __future__ import annotations

from dataclasses import dataclass

from generality.grammar.body import joined, pairs
from generality.grammar.classes import CLASSES, SHAPES
from generality.grammar.draw import Draw, indented
from generality.grammar.models import Writer, surrounded
from generality.grammar.optimizers import definition

STEPS = 2


@dataclass
class Plan:
    """How a program trains.

    Attributes:
        where: where the optimizer is kept: variable, struct, trainer or dict.
        step: how the step is compiled: jit, call, plain, partial or pmap.
        gradient: how the gradient is taken.
        rate: what each step gives as learning rate: "" for nothing.
    """

    where: str
    step: str
    gradient: str
    rate: str


def trained(writer: Writer) -> None:
    """Everything from the loss to `run()`."""
    draw = writer.draw
    plan = Plan(
        draw.feature("state", {"variable": 6, "struct": 2, "trainer": 1.2, "dict": 0.5}),
        draw.feature("step", {"plain": 2, "jit": 6, "call": 2, "partial": 1, "pmap": 2}),
        draw.feature(
            "gradient",
            {"value_and_grad": 5, "has_aux": 4, "grad": 1, "compute": 0.5, "optimize": 0.8},
        ),
        draw.feature("rate", {"fixed": 5, "argument": 2, "schedule": 2, "flax schedule": 0.7}),
    )
    if plan.where == "trainer" and plan.step == "pmap":
        plan.step = "jit"
    _loss(writer)
    _optimizer(writer, plan)
    _train_step(writer, plan)
    _predict(writer)
    _run(writer, plan)


def data(draw: Draw, kind: str) -> list[str]:
    """Statements that make `inputs` and `labels`."""
    lines = ["rng = np.random.RandomState(0)"]
    if kind == "tokens":
        lines.append(f"inputs = rng.randint(0, 6, size={SHAPES[kind]})")
    else:
        lines.append(f"inputs = rng.normal(size={SHAPES[kind]}).astype(np.float32)")
    lines.append(f"labels = rng.randint(0, {CLASSES}, size=(4,))")
    if draw.chance(0.3):
        lines += ["inputs = jnp.asarray(inputs)"]
    return lines


def _loss(writer: Writer) -> None:
    draw = writer.draw
    way = draw.feature("loss", {"onehot": 2, "one_hot": 1, "take": 2, "squared": 2, "vmap": 1})
    doc = ['  """The mean over the batch."""'] if draw.chance(0.2) else []
    match way:
        case "onehot":
            writer.imports.add("from flax.training import common_utils")
            body = [
                f"targets = common_utils.onehot(labels, {CLASSES})",
                "return -jnp.mean(jnp.sum(targets * nn.log_softmax(logits), axis=-1))",
            ]
        case "one_hot":
            body = [
                f"targets = jax.nn.one_hot(labels, {CLASSES})",
                "return -jnp.mean(jnp.sum(targets * nn.log_softmax(logits), axis=-1))",
            ]
        case "take":
            body = [
                "logp = nn.log_softmax(logits)",
                "return -jnp.take_along_axis(logp, labels[:, None], axis=1).mean()",
            ]
        case "squared":
            body = ["return jnp.mean((logits[:, 0] - labels) ** 2)"]
        case _:
            writer.blocks.append(
                ["@jax.vmap", "def picked(row, label):", "  return -nn.log_softmax(row)[label]"]
            )
            body = ["return jnp.mean(picked(logits, labels))"]
    writer.blocks.append(["def loss_of(logits, labels):", *doc, *indented(body)])


def _optimizer(writer: Writer, plan: Plan) -> None:
    draw, net = writer.draw, writer.net
    made, rate = definition(draw, rated=plan.rate != "fixed")
    if plan.rate == "flax schedule":
        writer.imports.add("from flax.training import lr_schedule")
        way = draw.one("cosine", "constant", "stepped")
        more = {
            "cosine": f"create_cosine_learning_rate_schedule({rate}, 2, 3, warmup_length=1)",
            "constant": f"create_constant_learning_rate_schedule({rate}, 2, warmup_length=1)",
            "stepped": f"create_stepped_learning_rate_schedule({rate}, 2, [[1, 0.1]])",
        }[way]
        writer.blocks.append([f"schedule = lr_schedule.{more}"])
    elif plan.rate == "schedule":
        value = f"{rate} * jnp.minimum(1.0, (step + 1) / 2)"
        if draw.chance(0.4):
            value = f"jnp.where(step < 2, {rate}, 0.5 * {rate})"
        writer.blocks.append(["def schedule(step):", f"  return {value}"])
    writer.step_rate = rate
    ways = {"in place": 4, "variable": 3, "function": 3, "multi": 0.8, "chosen": 0.6}
    way = draw.feature("create", ways)
    if way == "multi" and (net.kind == "tokens" or plan.rate != "fixed"):
        way = "variable"
    lines = []
    match way:
        case "in place":
            lines = [f"return {made}.create(model)"]
        case "variable":
            lines = [f"optimizer_def = {made}", "return optimizer_def.create(model)"]
        case "function":
            writer.blocks.append(["def optimizer_def():", f"  return {made}"])
            lines = ["return optimizer_def().create(model)"]
        case "chosen":
            other = "optim.GradientDescent(learning_rate=0.1)"
            writer.blocks.append(
                [
                    "def get_optimizer(name):",
                    "  if name == 'other':",
                    f"    return {other}",
                    "  if name == 'usual':",
                    f"    return {made}",
                    "  raise ValueError(name)",
                ]
            )
            lines = ["return get_optimizer('usual').create(model)"]
        case _:
            second = "optim.Momentum(learning_rate=0.05, beta=0.9)"
            lines = [
                "kernels = optim.ModelParamTraversal(lambda path, _: 'kernel' in path)",
                "others = optim.ModelParamTraversal(lambda path, _: 'kernel' not in path)",
                f"return optim.MultiOptimizer((kernels, {made}), (others, {second})).create(model)",
            ]
    writer.blocks.append(["def create_optimizer(model):", *indented(lines)])


def _train_step(writer: Writer, plan: Plan) -> None:
    """The step, as a function of optimizer, state, batch and key."""
    draw, net = writer.draw, writer.net
    optimizer, state = "optimizer", "state"
    if plan.where == "struct":
        optimizer, state = "train_state.optimizer", "train_state.model_state"
    elif plan.where == "trainer":
        optimizer, state = "optimizer", "state"
    batch = draw.one("dict", "pair")
    inputs, labels = (
        ("batch['image']", "batch['label']") if batch == "dict" else ("inputs", "labels")
    )
    flags = net.flags("True") if net.flag_needed or draw.chance(0.3) else []
    call = [f"logits = model({joined([inputs, *flags])})"]
    new = "new_state"
    loss = surrounded(writer, call, net=net, state=state, new=new, key="rng")
    loss.append(f"loss = loss_of(logits, {labels})")
    if draw.chance(0.2):
        tree = draw.one("jax.tree_leaves", "jax.tree_util.tree_leaves")
        draw.has("loss: weight penalty")
        params = draw.one("model.params", "model")
        loss.append(f"loss = loss + 0.01 * sum(jnp.sum(p ** 2) for p in {tree}({params}))")
    aux = plan.gradient == "has_aux" or net.state
    result = "loss"
    if aux:
        result = f"loss, ({new}, logits)" if net.state else "loss, logits"
    got = f"({new}, logits)" if net.state else "logits"
    loss.append(f"return {result}")
    lines = ["def loss_fn(model):", *indented(loss)]
    words = _rate_lines(plan, lines, optimizer)
    after: list[str] = []
    match plan.gradient:
        case "optimize" if not words:
            target = f"new_optimizer, loss, {got}" if aux else "new_optimizer, loss"
            lines.append(f"{target} = {optimizer}.optimize(loss_fn)")
        case "compute" | "optimize":
            target = f"loss, {got}, grad" if aux else "loss, grad"
            lines.append(f"{target} = {optimizer}.compute_gradient(loss_fn)")
        case "grad" if not aux:
            lines.append(f"grad = jax.grad(loss_fn)({optimizer}.target)")
            lines.append(f"loss = loss_fn({optimizer}.target)")
        case _:
            target = f"(loss, {got}), grad" if aux else "loss, grad"
            has_aux = ", has_aux=True" if aux else ""
            if draw.chance(0.6):
                lines.append(f"grad_fn = jax.value_and_grad(loss_fn{has_aux})")
                lines.append(f"{target} = grad_fn({optimizer}.target)")
            else:
                made = f"jax.value_and_grad(loss_fn{has_aux})"
                lines.append(f"{target} = {made}({optimizer}.target)")
    if plan.gradient != "optimize" or words:
        if plan.step == "pmap":
            mean = draw.one(
                "jax.lax.pmean(grad, 'batch')", "jax.lax.pmean(grad, axis_name='batch')"
            )
            lines.append(f"grad = {mean}")
        lines += _changed_gradient(draw)
        lines.append(f"new_optimizer = {optimizer}.apply_gradient({joined(['grad', *words])})")
    if plan.step == "pmap":
        after.append("loss = jax.lax.pmean(loss, 'batch')")
    parameters = ["optimizer", *(["state"] if net.state else [])]
    if plan.where == "struct":
        after.append(
            "new_train_state = train_state.replace("
            + joined(
                [
                    "step=train_state.step + 1",
                    "optimizer=new_optimizer",
                    *([f"model_state={new}"] if net.state else []),
                ]
            )
            + ")"
        )
        parameters, results = ["train_state"], ["new_train_state"]
    else:
        results = ["new_optimizer", *([new] if net.state else [])]
    metrics = draw.one("loss", "metrics")
    if metrics == "metrics":
        after.append("metrics = {'loss': loss}")
        if aux:
            after.append(f"metrics['accuracy'] = jnp.mean(jnp.argmax(logits, -1) == {labels})")
    parameters += ["batch"] if batch == "dict" else ["inputs", "labels"]
    parameters += ["rng"] if net.random else []
    parameters += ["learning_rate"] if plan.rate == "argument" else []
    results.append(metrics)
    whole = [*lines, *after, f"return {joined(results)}"]
    writer.batch, writer.metrics = batch, metrics
    if plan.where == "struct":
        writer.imports |= {"import flax", "from typing import Any"}
        kind = draw.one("Any", "optim.Optimizer")
        fields = ["step: int", f"optimizer: {kind}"]
        fields += [f"model_state: {draw.one('Any', 'nn.Collection')}"] if net.state else []
        writer.blocks.append(["@flax.struct.dataclass", "class TrainState:", *indented(fields)])
    head = f"def train_step({joined(parameters)}):"
    match plan.step:
        case "jit":
            writer.blocks.append(["@jax.jit", head, *indented(whole)])
        case "partial":
            writer.imports.add("import functools")
            writer.blocks.append(["@functools.partial(jax.jit)", head, *indented(whole)])
        case "pmap":
            if draw.chance(0.4):
                writer.imports.add("import functools")
                at = "@functools.partial(jax.pmap, axis_name='batch')"
                writer.blocks.append([at, head, *indented(whole)])
                plan.step = "pmap decorator"
            else:
                writer.blocks.append([head, *indented(whole)])
        case _:
            writer.blocks.append([head, *indented(whole)])


def _rate_lines(plan: Plan, lines: list[str], optimizer: str) -> list[str]:
    match plan.rate:
        case "argument":
            return ["learning_rate=learning_rate"]
        case "schedule" | "flax schedule":
            if "train_state" in optimizer:
                lines.append("lr = schedule(train_state.step)")
                return ["learning_rate=lr"]
            return [f"learning_rate=schedule({optimizer}.state.step)"]
        case _:
            return []


def _changed_gradient(draw: Draw) -> list[str]:
    way = draw.feature(
        "gradients", {"as they are": 8, "clipped": 1, "by norm": 1, "tree_multimap": 0.3}
    )
    tree = draw.one("jax.tree_map", "jax.tree_util.tree_map")
    match way:
        case "clipped":
            return [f"grad = {tree}(lambda g: jnp.clip(g, -0.1, 0.1), grad)"]
        case "by norm":
            leaves = draw.one("jax.tree_leaves", "jax.tree_util.tree_leaves")
            return [
                f"norm = jnp.sqrt(sum(jnp.sum(g ** 2) for g in {leaves}(grad)))",
                f"grad = {tree}(lambda g: g * jnp.minimum(1.0, 0.5 / (norm + 1e-6)), grad)",
            ]
        case "tree_multimap":
            return ["grad = jax.tree_multimap(lambda a, b: 0.5 * a + 0.5 * b, grad, grad)"]
        case _:
            return []


def _predict(writer: Writer) -> None:
    """`predict(model, state, inputs)`."""
    draw, net = writer.draw, writer.net
    writer.predicts = draw.feature("predict", {"function": 4, "in place": 3, "jit": 3})
    if writer.predicts == "in place":
        return
    key = "jax.random.PRNGKey(3)" if _draws_at_rest(writer) else ""
    flags = net.flags("False")
    lines = [f"return model({joined(['inputs', *flags])})"]
    lines = surrounded(writer, lines, net=net, state="state", key=key, mutable=False)
    parameters = ["model", *(["state"] if net.state else []), "inputs"]
    at = ["@jax.jit"] if writer.predicts == "jit" else []
    writer.blocks.append([*at, f"def predict({joined(parameters)}):", *indented(lines)])


def _draws_at_rest(writer: Writer) -> bool:
    return writer.net.random


def _run(writer: Writer, plan: Plan) -> None:
    """`run()`: data, model, steps, and what they give."""
    draw, net = writer.draw, writer.net
    w = writer
    pmap = plan.step.startswith("pmap")
    lines = data(draw, net.kind)
    key = draw.one("jax.random.PRNGKey(0)", "random.PRNGKey(0)")
    if key.startswith("random"):
        writer.imports.add("from jax import random")
    made = f"create_model({key})"
    lines.append(f"model, state = {made}" if net.state else f"model = {made}")
    lines.append("optimizer = create_optimizer(model)")
    compiled = "train_step"
    if plan.step == "call":
        compiled = draw.name("step_fn", "jitted")
        lines.append(f"{compiled} = jax.jit(train_step)")
    elif plan.step == "pmap":
        compiled = draw.name("p_train_step", "step_fn")
        lines.append(f"{compiled} = jax.pmap(train_step, axis_name='batch')")
    batch = "{'image': inputs, 'label': labels}" if w.batch == "dict" else ""
    if batch:
        lines.append(f"batch = {batch}")
    given = ["batch"] if batch else ["inputs", "labels"]
    if pmap:
        writer.imports |= {"from flax import jax_utils", "from flax.training import common_utils"}
        given = [f"common_utils.shard({each})" for each in given]
    keys = "jax.random.PRNGKey(i)"
    if draw.chance(0.4):
        keys = "jax.random.fold_in(jax.random.PRNGKey(1), i)"
    if pmap:
        keys = f"jax.random.split({keys}, jax.device_count())"
    rate = w.step_rate
    rates = f"{rate} / (i + 1)" if not pmap else f"jax_utils.replicate({rate} / (i + 1))"
    late = [*([keys] if net.random else []), *([rates] if plan.rate == "argument" else [])]
    value = f"{w.metrics}['loss']" if w.metrics == "metrics" else "loss"
    if plan.where == "struct":
        model_state = ", model_state=state" if net.state else ""
        lines.append(f"train_state = TrainState(step=0, optimizer=optimizer{model_state})")
        if pmap:
            lines.append("train_state = jax_utils.replicate(train_state)")
        carried = ["train_state"]
    else:
        carried = ["optimizer", *(["state"] if net.state else [])]
        if pmap:
            lines.append(
                draw.one(
                    "optimizer = jax_utils.replicate(optimizer)",
                    "optimizer = optimizer.replicate()",
                )
            )
            if net.state:
                lines.append("state = jax_utils.replicate(state)")
    if plan.where == "trainer":
        _trainer(writer, plan, compiled, given, late, value, lines)
        optimizer, state = "trainer.optimizer", "trainer.state"
    elif plan.where == "dict":
        box = draw.name("held", "everything")
        lines.append(f"{box} = {{{pairs({n: n for n in carried}, ':')}}}")
        carried = [f"{box}['{n}']" for n in carried]
        optimizer, state = carried[0], carried[-1]
    elif plan.where == "struct":
        optimizer, state = "train_state.optimizer", "train_state.model_state"
    else:
        optimizer, state = "optimizer", "state"
    if plan.where != "trainer":
        lines += ["losses = []", f"for i in range({STEPS}):"]
        lines.append(
            f"  {joined([*carried, w.metrics])} = {compiled}({joined([*carried, *given, *late])})"
        )
        lines.append(f"  losses.append({value})")
        if pmap:
            for each in carried:
                unreplicated = f"jax_utils.unreplicate({each})"
                if each == "optimizer" and draw.chance(0.3):
                    unreplicated = "optimizer.unreplicate()"
                lines.append(f"{each} = {unreplicated}")
    lines += _afterwards(writer, optimizer)
    flags = net.flags("False")
    at_rest = "jax.random.PRNGKey(3)" if net.random else ""
    if w.predicts == "in place":
        call = [f"outputs = {optimizer}.target({joined(['inputs', *flags])})"]
        lines += surrounded(writer, call, net=net, state=state, key=at_rest, mutable=False)
    else:
        words = [f"{optimizer}.target", *([state] if net.state else []), "inputs"]
        lines.append(f"outputs = predict({joined(words)})")
    results = ["'losses': losses", "'outputs': outputs"]
    if draw.chance(0.5):
        results.append(
            f"'optimizer': {optimizer}"
            if draw.chance(0.5)
            else f"'params': {optimizer}.target.params"
        )
    if draw.chance(0.3):
        results.append(f"'step': {optimizer}.state.step")
    if net.methods and draw.chance(0.7):
        results.append(f"'code': {optimizer}.target.{net.methods[0]}(inputs)")
    lines.append(f"return {{{joined(results)}}}")
    writer.blocks.append(["def run():", *indented(lines)])


def _trainer(
    writer: Writer,
    plan: Plan,
    compiled: str,
    given: list[str],
    late: list[str],
    value: str,
    lines: list[str],
) -> None:
    net, w = writer.net, writer
    state = ", state" if net.state else ""
    carried = ["self.optimizer", *(["self.state"] if net.state else [])]
    words = ["batch"] if given == ["batch"] else ["inputs", "labels"]
    step = "jax.jit(train_step)" if plan.step == "call" else "train_step"
    del compiled
    if plan.step == "call":
        lines[:] = [line for line in lines if "jax.jit(train_step)" not in line]
    body = [
        f"def __init__(self, optimizer{state}):",
        "  self.optimizer = optimizer",
        *(["  self.state = state"] if net.state else []),
        f"  self.step_fn = {step}",
        "  self.losses = []",
        "",
        f"def train(self, {joined(words)}, steps):",
        "  for i in range(steps):",
        f"    {joined([*carried, w.metrics])} = self.step_fn({joined([*carried, *words, *late])})",
        f"    self.losses.append({value})",
    ]
    writer.blocks.append(["class Trainer:", "", *indented(body)])
    lines.append(f"trainer = Trainer(optimizer{state})")
    lines.append(f"trainer.train({joined(words)}, {STEPS})")
    lines.append("losses = trainer.losses")


def _afterwards(writer: Writer, optimizer: str) -> list[str]:
    """What happens between training and prediction."""
    draw = writer.draw
    way = draw.feature(
        "afterwards",
        {
            "nothing": 7,
            "bytes": 1,
            "checkpoint": 1.2,
            "state dict": 0.5,
            "average": 1,
            "surgery": 0.5,
        },
    )
    if optimizer not in ("optimizer", "trainer.optimizer") and way in (
        "bytes",
        "checkpoint",
        "state dict",
        "average",
        "surgery",
    ):
        return []
    match way:
        case "bytes":
            writer.imports.add("from flax import serialization")
            return [
                f"message = serialization.to_bytes({optimizer})",
                f"{optimizer} = serialization.from_bytes({optimizer}, message)",
            ]
        case "state dict":
            writer.imports.add("from flax import serialization")
            return [
                f"saved = serialization.to_state_dict({optimizer})",
                f"{optimizer} = serialization.from_state_dict({optimizer}, saved)",
            ]
        case "checkpoint":
            writer.imports |= {"from flax.training import checkpoints", "import tempfile"}
            return [
                "folder = tempfile.mkdtemp()",
                f"checkpoints.save_checkpoint(folder, {optimizer}, {STEPS}, keep=1)",
                f"{optimizer} = checkpoints.restore_checkpoint(folder, {optimizer})",
            ]
        case "average":
            tree = draw.one(
                "jax.tree_multimap", "jax.tree_util.tree_map", "jax.tree_util.tree_multimap"
            )
            return [
                "before = model.params",
                f"after = {optimizer}.target.params",
                f"averaged = {tree}(lambda a, b: 0.9 * a + 0.1 * b, before, after)",
                f"target = {optimizer}.target.replace(params=averaged)",
                f"{optimizer} = {optimizer}.replace(target=target)",
            ]
        case "surgery":
            return [
                f"params = jax.tree_map(lambda p: 0.5 * p, {optimizer}.target.params)",
                f"target = {optimizer}.target.replace(params=params)",
                f"{optimizer} = {optimizer}.replace(target=target)",
            ]
        case _:
            return []
