"""Errors of geoopt in f32 over tests/cases/ball.json, for docs/numerics.md.

pip install torch geoopt; python docs/geoopt_errors.py
"""

import json
import math
import pathlib
from collections import defaultdict

import torch
from geoopt.manifolds.stereographic import math as gm

CASES = pathlib.Path(__file__).parent.parent / "tests/cases/ball.json"
TANGENT = {"expmap0": "v", "dist_expmap0": "u"}


def chain(u, v, k):
    """What a user of geoopt writes for d(exp0 u, exp0 v)."""
    return gm.dist(gm.project(gm.expmap0(u, k=k), k=k), gm.project(gm.expmap0(v, k=k), k=k), k=k)


OPERATIONS = {
    "mobius_add": lambda t, k: gm.mobius_add(t["x"], t["y"], k=k),
    "mobius_scalar_mul": lambda t, k: gm.mobius_scalar_mul(t["r"], t["x"], k=k),
    "expmap0": lambda t, k: gm.expmap0(t["v"], k=k),
    "logmap0": lambda t, k: gm.logmap0(t["y"], k=k),
    "expmap": lambda t, k: gm.expmap(t["x"], t["v"], k=k),
    "logmap": lambda t, k: gm.logmap(t["x"], t["y"], k=k),
    "dist": lambda t, k: gm.dist(t["x"], t["y"], k=k),
    "dist_expmap0": lambda t, k: chain(t["u"], t["v"], k),
    "gyration": lambda t, k: gm.gyration(t["x"], t["y"], t["z"], k=k),
    "ptransp": lambda t, k: gm.parallel_transport(t["x"], t["y"], t["v"], k=k),
}


def inner(case):
    """Whether all points lie within 0.9 of the radius, or tangent vectors within 1.5 of it."""
    names = "uv" if case["op"] in TANGENT else "xy"
    limit = 1.5 if case["op"] in TANGENT else 0.9
    return all(math.sqrt(case["c"]) * math.hypot(*case[n]) <= limit for n in names if n in case)


def error(ours, expected):
    expected = torch.tensor(expected, dtype=torch.float64).flatten()
    gap = (ours.double().flatten() - expected).abs().max()
    size = expected.abs().max().clamp_min(1e-30)
    return math.inf if not torch.isfinite(gap) else float(gap / size) if gap > 0 else 0.0


worst = defaultdict(float)
for case in json.loads(CASES.read_text()):
    inputs = {n: torch.tensor(case[n], dtype=torch.float32) for n in "xyzuvr" if n in case}
    for tensor in inputs.values():
        tensor.requires_grad_(True)
    out = OPERATIONS[case["op"]](inputs, torch.tensor(-case["c"], dtype=torch.float32))
    region = "inner" if inner(case) else "rim"
    key = (case["op"], region)
    worst[key] = max(worst[key], error(out.detach(), case["out"]))
    if out.requires_grad:
        out.sum().backward()
    for name, tensor in inputs.items():
        if f"grad_{name}" in case:
            key = (f"{case['op']}, gradient", region)
            grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            worst[key] = max(worst[key], error(grad, case[f"grad_{name}"]))
for (what, region), value in sorted(worst.items()):
    print(f"{what:28}{region:8}{value:.1e}")
