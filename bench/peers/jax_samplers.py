"""The peers of chains.py that run on JAX, which they import when they are made."""

import time
from importlib import metadata

import numpy as np


def potential_of(case, ours):
    """E(x) in JAX, written as a user would; the same function as cuebm's, up to a constant."""
    import jax
    import jax.numpy as jnp
    if case.startswith("gaussian"):
        return lambda x: 0.5 * jnp.sum(x * x)
    if case == "banana":
        return lambda x: 0.5 * (x[0] / 10) ** 2 + 0.5 * (x[1] - 0.03 * (x[0] ** 2 - 100)) ** 2
    if case == "eight-schools":
        effects = jnp.array([28, 8, -3, 7, -1, 1, 18, 12], jnp.float32)
        errors = jnp.array([15, 10, 16, 11, 9, 11, 10, 18], jnp.float32)

        def eight_schools(x):
            off = (x[0] + jnp.exp(x[1]) * x[2:] - effects) / errors
            return 0.5 * ((x[0] / 10) ** 2 + (x[1] - 5) ** 2 + jnp.sum(x[2:] ** 2) + jnp.sum(off * off))
        return eight_schools
    # Of nine ways to write it that were tried, the fastest for a value and its gradient, by up to 5 times (JAX 0.10.2).
    features, outcomes = jnp.array(ours.features.T, jnp.float32), jnp.array(ours.outcomes, jnp.float32)

    def logistic(x):
        eta = x @ features
        terms = jnp.log1p(jnp.exp(-jnp.abs(eta))) + jnp.maximum(eta, 0) - outcomes * eta
        return jnp.sum(terms) + 0.5 * jnp.sum(x * x)
    return logistic


class JaxPeer:
    """A peer has prepare(x) -> state, step(state) for all chains at once, position(state); and chain(sampler, warmup,
    draws) -> function of a key and a start, which returns the draws of a run and the leapfrog steps of each."""

    def __init__(self, case, ours, threads):
        import jax
        self.jax, self.case, self.ours, self.threads = jax, case, ours, threads
        self.potential = potential_of(case, ours)
        self.version = metadata.version(self.package)
        self.make()

    def start(self, devices):
        """Starts as cuebm's; compiles; returns the seconds that compiling took."""
        jax, ours = self.jax, self.ours
        spread = ours.start_spread
        x = jax.random.uniform(jax.random.key(1), (ours.chains, ours.d), minval=-spread, maxval=spread)
        self.state = jax.block_until_ready(self.prepare(x))
        if devices > 1:
            mesh = jax.sharding.Mesh(jax.devices()[:devices], ("chains",))
            split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("chains"))
            whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
            self.state = jax.tree.map(
                lambda a: jax.device_put(a, split if a.ndim > 0 and a.shape[0] == ours.chains else whole), self.state)
        self.advance = jax.jit(lambda state, count: jax.lax.fori_loop(0, count, lambda _, s: self.step(s), state))
        begin = time.perf_counter()
        for _ in range(3):  # what it returns may have other types than what it was given, and it compiles again
            self.run(1)
        return time.perf_counter() - begin

    def run(self, transitions):
        self.state = self.jax.block_until_ready(self.advance(self.state, transitions))

    def positions(self):
        return np.asarray(self.position(self.state))

    def adapted(self, sampler, chains, warmup, draws):
        """See adapted.py. Chains are shared out over the devices, which do not wait for each other."""
        jax, d = self.jax, self.ours.d
        devices = len(jax.devices()) if chains % len(jax.devices()) == 0 else 1
        shape = (devices, chains // devices)
        program = jax.pmap(jax.vmap(self.chain(sampler, warmup, draws)), devices=jax.devices()[:devices])

        def run(seed):
            first, second = jax.random.split(jax.random.key(seed))
            found, steps = program(jax.random.split(first, shape),
                                   jax.random.uniform(second, (*shape, d), minval=-2, maxval=2))
            return np.asarray(found).reshape(chains, draws, d), int(np.asarray(steps).sum())
        run(0)  # compiles
        return run


class BlackJax(JaxPeer):
    name = package = "blackjax"
    samplers = ("hmc", "nuts")

    def make(self):
        import blackjax
        self.blackjax = blackjax
        jax, ours = self.jax, self.ours
        one = blackjax.hmc(self.density, step_size=ours.step_size, inverse_mass_matrix=jax.numpy.ones(ours.d),
                           num_integration_steps=ours.leapfrogs)

        def step(state):
            chains, key = state
            key, use = jax.random.split(key)
            return jax.vmap(one.step)(jax.random.split(use, ours.chains), chains)[0], key
        self.step = step
        self.prepare = lambda x: (jax.vmap(one.init)(x), jax.random.key(2))
        self.position = lambda state: state[0].position

    def density(self, x):
        return -self.potential(x)

    def chain(self, sampler, warmup, draws):
        jax, blackjax, most = self.jax, self.blackjax, 2 * self.ours.leapfrogs - 1
        nuts = sampler == "nuts"
        adaptation = (blackjax.window_adaptation(blackjax.nuts, self.density) if nuts else
                      blackjax.window_adaptation(blackjax.hmc, self.density, num_integration_steps=self.ours.leapfrogs))

        def chain(key, x):
            key, warm = jax.random.split(key)
            (state, parameters), _ = adaptation.run(warm, x, num_steps=warmup)
            parameters.pop("num_integration_steps", None)
            if nuts:
                one = blackjax.nuts(self.density, **parameters)
            else:
                one = blackjax.dynamic_hmc(self.density, **parameters,
                                           integration_steps_fn=lambda key: jax.random.randint(key, (), 1, most + 1))
                state = one.init(state.position, jax.random.key(3))  # lengths are the same for all chains

            def draw(state, key):
                state, about = one.step(key, state)
                return state, (state.position, about.num_integration_steps)
            return jax.lax.scan(draw, state, jax.random.split(key, draws))[1]
        return chain


class NumPyro(JaxPeer):
    name = package = "numpyro"
    samplers = ("nuts",)  # its HMC has no lengths at random

    def make(self):
        from numpyro.infer import HMC
        keys = self.jax.random.split(self.jax.random.key(2), self.ours.chains)

        def prepare(x):  # a kernel can be started once
            self.kernel = HMC(potential_fn=self.potential, step_size=self.ours.step_size,
                              num_steps=self.ours.leapfrogs, trajectory_length=None, adapt_step_size=False,
                              adapt_mass_matrix=False)
            return self.kernel.init(keys, 0, init_params=x, model_args=(), model_kwargs={})
        self.prepare = prepare
        self.step = lambda state: self.kernel.sample(state, (), {})
        self.position = lambda state: state.z

    def chain(self, sampler, warmup, draws):
        from numpyro.infer.hmc import hmc
        jax = self.jax
        init, step = hmc(self.potential, algo="NUTS")

        def draw(state, _):
            state = step(state)
            return state, (state.z, state.num_steps)

        def chain(key, x):
            state = jax.lax.fori_loop(0, warmup, lambda _, state: step(state), init(x, warmup, rng_key=key))
            return jax.lax.scan(draw, state, length=draws)[1]
        return chain
