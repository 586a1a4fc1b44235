"""Times of geoopt and of the asinh and matmul forms in PyTorch, beside `cargo bench --bench geometry`.

pip install torch geoopt; python docs/geoopt_speed.py [threads]
"""

import math
import statistics
import sys
import time

import geoopt.manifolds.stereographic.math as gm
import torch

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
C = 0.01
K = torch.tensor(-C)


def median(run):
    times = []
    for _ in range(20):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[5:])


def report(name, shape, op, *inputs):
    with torch.no_grad():
        forward = median(lambda: op(*inputs))
    leaves = [x.clone().requires_grad_() for x in inputs]
    both = median(lambda: torch.autograd.grad(op(*leaves).sum(), leaves))
    print(f"{name:24} {shape!s:20} forward {forward:8.2f} ms, both {both:8.2f} ms")


def exp(v):
    return gm.project(gm.expmap0(v, k=K), k=K)


def asinh_form(x, y):
    gaps = (1 - C * (x * x).sum(-1)) * (1 - C * (y * y).sum(-1))
    return 2 / C**0.5 * torch.asinh(C**0.5 * (x - y).norm(dim=-1) / gaps.sqrt())


def matmul_form(x, y):
    xx, yy = (x * x).sum(-1, keepdim=True), (y * y).sum(-1)[None]
    square = (xx + yy - 2 * x @ y.T).clamp_min(0)
    return 2 / C**0.5 * torch.asinh((C * square / ((1 - C * xx) * (1 - C * yy))).sqrt())


def tangent(*shape):
    return torch.randn(*shape) * (0.5 / math.sqrt(C * shape[-1]))


for shape in [(4096, 384), (65536, 64), (3136, 384)]:
    u, v = tangent(*shape), tangent(*shape)
    x, y = exp(u), exp(v)
    report("dist", shape, lambda x, y: gm.dist(x, y, k=K), x, y)
    report("dist, asinh form", shape, asinh_form, x, y)
    report("dist of expmap0", shape, lambda u, v: gm.dist(exp(u), exp(v), k=K), u, v)
    report("expmap0", shape, lambda u: gm.expmap0(u, k=K), u)
    report("expmap0, project", shape, exp, u)
    report("mobius_add", shape, lambda x, y: gm.mobius_add(x, y, k=K), x, y)
    both = lambda x, y: gm.project(gm.mobius_add(x, y, k=K), k=K)
    report("mobius_add, project", shape, both, x, y)
    report("logmap", shape, lambda x, y: gm.logmap(x, y, k=K), x, y)
for n, m, d in [(3136, 1024, 384), (4096, 4096, 64)]:
    report("pairs, matmul form", (n, m, d), matmul_form, exp(tangent(n, d)), exp(tangent(m, d)))
    few = lambda x, y: gm.dist(x[:, None], y[None], k=K)
    report("pairs, 16 rows", (16, m, d), few, exp(tangent(16, d)), exp(tangent(m, d)))
