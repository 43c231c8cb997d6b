"""nutpie's NUTS beside cuebm's, in double, which is all that it has.

Energies are compiled by Numba to C functions, as nutpie compiles PyMC's models, since calls of a Python function would
hold each other up.
"""

from importlib import metadata

import numpy as np


def compiled(case, d):
    """log p(x) and its gradient as C functions have them, written as a user would; and one that copies draws."""
    import numba
    types = numba.types
    pointer = types.CPointer(types.double)
    effects = np.array([28, 8, -3, 7, -1, 1, 18, 12], float)
    precisions = np.array([15, 10, 16, 11, 9, 11, 10, 18], float) ** -2.0

    @numba.njit
    def gaussian(x, gradient):
        gradient[:] = -x
        return -0.5 * np.sum(x * x)

    @numba.njit
    def banana(x, gradient):
        off = x[1] - 0.03 * (x[0] * x[0] - 100)
        gradient[0] = -0.01 * x[0] + 0.06 * x[0] * off
        gradient[1] = -off
        return -0.5 * (0.01 * x[0] * x[0] + off * off)

    @numba.njit
    def eight_schools(x, gradient):
        deviation = np.exp(x[1])
        value = -0.5 * (0.01 * x[0] * x[0] + (x[1] - 5) ** 2)
        gradient[0] = -0.01 * x[0]
        gradient[1] = 5 - x[1]
        for i in range(8):
            scaled = x[2 + i]
            off = x[0] + deviation * scaled - effects[i]
            pull = precisions[i] * off
            value -= 0.5 * (scaled * scaled + pull * off)
            gradient[0] -= pull
            gradient[1] -= pull * deviation * scaled
            gradient[2 + i] = -scaled - pull * deviation
        return value

    log_density = {"gaussian-10": gaussian, "banana": banana, "eight-schools": eight_schools}[case]

    @numba.cfunc(types.int64(types.uint64, pointer, pointer, pointer, types.voidptr))
    def value_and_gradient(_, x, gradient, value, __):
        value[0] = log_density(numba.carray(x, (d,)), numba.carray(gradient, (d,)))
        return 0 if np.isfinite(value[0]) else 4  # as its own do

    @numba.cfunc(types.int64(types.uint64, types.uint64, pointer, pointer, types.voidptr))
    def copy(_, __, x, to, ___):
        for j in range(d):
            to[j] = x[j]
        return 0
    return value_and_gradient, copy


class Nutpie:
    name = package = "nutpie"
    samplers = ("nuts",)

    def __init__(self, case, ours, threads):
        import nutpie
        import pyarrow
        from nutpie.compile_pymc import CompiledPyMCModel
        self.nutpie, self.pyarrow, self.threads, self.d = nutpie, pyarrow, threads, ours.d
        self.version = metadata.version(self.package)
        value_and_gradient, copy = compiled(case, ours.d)
        self.model = CompiledPyMCModel(
            dims={}, _n_dim=ours.d, _coords={}, _shapes={"x": (ours.d,)}, compiled_logp_func=value_and_gradient,
            compiled_expand_func=copy, initial_point_func=lambda seed: np.random.default_rng(seed).uniform(-2, 2, ours.d),
            shared_data={}, user_data=np.zeros(1), n_expanded=ours.d,
            shape_info=(["x"], [slice(0, ours.d)], [(ours.d,)]), logp_func=None, expand_func=None)

    def adapted(self, _, chains, warmup, draws):
        def run(seed):
            trace = self.nutpie.sample(self.model, draws=draws, tune=warmup, chains=chains, cores=self.threads, seed=seed,
                                       progress_bar=False, return_raw_trace=True)
            batches, about = ([self.pyarrow.record_batch(batch) for batch in part] for part in trace.get_arrow_trace())
            found = [batch.column("x").flatten().to_numpy().reshape(-1, self.d)[warmup:] for batch in batches]
            steps = sum(int(batch.column("n_steps").to_numpy()[warmup:].sum()) for batch in about)
            return np.stack(found), steps
        run(0)  # what is done once
        return run
