"""K-means of other libraries beside cuebm: same points, same start, same threads, same iterations, in turn.

    ./dev peers assign [--cases quick] [--repetitions 5]

Every system does the same job: points and a start in; out come the prototypes after so many Lloyd iterations, and the
labels that belong to them. Time is divided by the iterations done, because scikit-learn and cuebm stop where no label
moves.

Then from scratch: the seconds from the points alone, each system's own start included, until the inertia is at most
(1 + 1e-6) times what scikit-learn ends at, 25 iterations after its k-means++; once for each of --seeds, which seeds them
all. cuebm looks at the inertia that it reports and stops; faiss and superkmeans are told how many iterations they need,
as a run beforehand found out; none does more than 100. Starts are random, so some end above the target: the table says
how many reached it. Inertia is computed here, in float64.

Prints tables, and writes a JSON row for each pair to bench/results/: family, case, peer, peer_version, ours, theirs,
unit, ratio (theirs over ours), device, processor, peaks, commit, and what else was seen. A peer that is not installed is
left out.
"""

import argparse
import ctypes
import gzip
import os
import pathlib
import statistics
import time
from importlib import metadata

import numpy as np

from common import Shim, commit, has_gpu, pointer, write

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
CASES = {  # name: (n, d, k, real images?)
    "fashion": (60_000, 784, 256, True),
    "fashion-4096": (60_000, 784, 4096, True),
    "blobs-128": (1_000_000, 128, 1024, False),
    "blobs-64": (1_000_000, 64, 64, False),
    "blobs-32": (2_000_000, 32, 16, False),
    "blobs-2": (4_000_000, 2, 64, False),
    "gpu-64": (1_000_000, 64, 64, False),
    "gpu-8k": (8_192, 128, 1024, False),
    "quick-fashion": (6_000, 784, 64, True),
    "quick-blobs": (50_000, 32, 64, False),
}
GROUPS = {
    "quick": ["quick-fashion", "quick-blobs"],
    "cpu": ["fashion", "blobs-128", "blobs-64", "blobs-32", "blobs-2"],
    "gpu": ["blobs-128", "gpu-64", "gpu-8k"],
}


MOST_ITERATIONS = 100  # from scratch


def load(n, d, k, real):
    """Points [n x d] in float32: the images in [0, 1], else k blobs; and k distinct rows of them, the start."""
    rng = np.random.default_rng(1)
    if real and FASHION.exists():
        points = np.frombuffer(gzip.open(FASHION).read(), np.uint8, offset=16).reshape(-1, 784)[:n] / np.float32(255)
    else:
        if real:
            print(f"{FASHION} is missing (Debian: dataset-fashion-mnist); blobs instead")
        centres = rng.random((k, d), np.float32)
        points = rng.standard_normal((n, d), np.float32)
        points *= np.float32(0.3)
        points += centres[rng.integers(k, size=n)]
    return points, points[rng.choice(n, k, replace=False)].copy()


class Cuebm:
    name, same_start = "cuebm", True

    def __init__(self, library, points, gpu, threads):
        self.shim = Shim(library)
        self.version = self.shim.version
        self.session = ctypes.c_void_p()
        self.shape = points.shape
        self.shim.call("open", pointer(points), ctypes.c_int64(points.shape[0]), ctypes.c_int64(points.shape[1]),
                       ctypes.c_int(gpu), ctypes.c_int(threads), ctypes.byref(self.session))
        self.device = self.shim.text("device", self.session)

    def __del__(self):
        if getattr(self, "session", None):
            self.shim.call("close", self.session)

    def limits(self):
        return self.shim.limits("limits", self.session, 5)

    def fit(self, points, start, iterations, threads):
        prototypes, labels, done = np.empty_like(start), np.empty(len(points), np.int32), ctypes.c_int()
        self.shim.call("fit", self.session, ctypes.c_int64(len(start)), pointer(start), ctypes.c_int(iterations),
                       pointer(prototypes), pointer(labels), ctypes.byref(done))
        return prototypes, labels, done.value

    def reach(self, points, k, seed, target, iterations, threads):
        prototypes, labels = np.empty((k, points.shape[1]), np.float32), np.empty(len(points), np.int32)
        done = ctypes.c_int()
        self.shim.call("reach", self.session, pointer(points), ctypes.c_int64(k), ctypes.c_uint64(seed),
                       ctypes.c_double(target), ctypes.c_int(iterations), pointer(prototypes), pointer(labels),
                       ctypes.byref(done))
        return prototypes, labels, done.value


class ScikitLearn:
    name, package, same_start, gpu = "scikit-learn lloyd", "scikit-learn", True, False

    def __init__(self, points):
        import sklearn.cluster
        import threadpoolctl
        self.cluster, self.limit = sklearn.cluster, threadpoolctl.threadpool_limits

    def fit(self, points, start, iterations, threads):
        return self.run(points, len(start), start, None, iterations, threads)

    def scratch(self, points, k, seed, iterations, threads):
        return self.run(points, k, "k-means++", seed, iterations, threads)

    def run(self, points, k, start, seed, iterations, threads):
        import warnings
        with self.limit(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model = self.cluster.KMeans(k, init=start, n_init=1, max_iter=iterations, tol=0, random_state=seed,
                                        algorithm="lloyd").fit(points)
        return model.cluster_centers_, model.labels_, model.n_iter_


class Faiss:
    name, package, same_start, gpu = "faiss-cpu", "faiss-cpu", True, False

    def __init__(self, points):
        import faiss
        self.faiss = faiss

    def fit(self, points, start, iterations, threads):
        return self.run(points, len(start), start, 0, iterations, threads)

    def scratch(self, points, k, seed, iterations, threads):
        return self.run(points, k, None, seed, iterations, threads)

    def run(self, points, k, start, seed, iterations, threads):
        self.faiss.omp_set_num_threads(threads)
        model = self.faiss.Kmeans(points.shape[1], k, niter=iterations, seed=seed, min_points_per_centroid=1,
                                  max_points_per_centroid=len(points))
        model.train(points, init_centroids=start)
        self.inertias = model.obj  # before each update
        return model.centroids, model.index.search(points, 1)[1][:, 0], iterations


class SuperKMeans:
    """Takes no start: it draws its own. Its labels of the points it was trained on reuse what training knew."""
    name, package, same_start, gpu = "superkmeans flat", "superkmeans", False, False

    def __init__(self, points):
        import superkmeans
        self.superkmeans = superkmeans

    def fit(self, points, start, iterations, threads):
        return self.scratch(points, len(start), 42, iterations, threads)

    def scratch(self, points, k, seed, iterations, threads):
        model = self.superkmeans.SuperKMeans(k, points.shape[1], hierarchical=False, iters=iterations, seed=seed,
                                             sampling_fraction=1.0, max_points_per_cluster=len(points),
                                             n_threads=threads, early_termination=False)
        centroids = model.train(points)
        self.inertias = [done.objective for done in model.iteration_stats]  # before each update
        return centroids, model.assign_training_points(points, centroids), iterations


class Torch:
    """The plain way in PyTorch: a product, an argmin, index_add_."""
    name, package, same_start, gpu = "PyTorch", "torch", True, True

    def __init__(self, points):
        import torch
        if not torch.cuda.is_available():
            raise ImportError("no GPU")
        self.torch, self.points = torch, torch.from_numpy(points).cuda()

    def labels(self, w):
        chunk = max(1, (1 << 28) // len(w))
        norms = (w * w).sum(1)
        return self.torch.cat([(norms - 2 * y @ w.T).argmin(1) for y in self.points.split(chunk)])

    def fit(self, points, start, iterations, threads):
        torch, w = self.torch, self.torch.from_numpy(start).cuda()
        for _ in range(iterations):
            labels = self.labels(w)
            sums = torch.zeros_like(w).index_add_(0, labels, self.points)
            counts = torch.bincount(labels, minlength=len(w))[:, None]
            w = torch.where(counts > 0, sums / counts.clamp(min=1), w)
        return w.cpu().numpy(), self.labels(w).cpu().numpy(), iterations


class FlashKMeans(Torch):
    """Its labels are those before the last update, so one iteration without use gives the right ones."""
    name, package = "flash-kmeans", "flash-kmeans"

    def __init__(self, points):
        super().__init__(points)
        import flash_kmeans
        self.kmeans = flash_kmeans.batch_kmeans_Euclid

    def fit(self, points, start, iterations, threads):
        x, w = self.points[None], self.torch.from_numpy(start).cuda()[None]
        _, w, done = self.kmeans(x, len(start), max_iters=iterations, tol=0.0, init_centroids=w)
        labels, _, _ = self.kmeans(x, len(start), max_iters=1, tol=0.0, init_centroids=w.clone())
        return w[0].cpu().numpy(), labels[0].cpu().numpy(), done


class CuML:
    """Not yet run on a GPU."""
    name, package, same_start, gpu = "cuML", "cuml-cu13", True, True

    def __init__(self, points):
        import cuml.cluster
        import cupy
        self.cluster, self.points = cuml.cluster, cupy.asarray(points)

    def fit(self, points, start, iterations, threads):
        model = self.cluster.KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0, output_type="numpy")
        model.fit(self.points)
        return model.cluster_centers_, model.labels_, int(model.n_iter_)


def right_labels(points, prototypes, labels, sample=2000):
    """The share of a sample whose label has the least energy, in float64."""
    rows = np.random.default_rng(2).choice(len(points), min(sample, len(points)), replace=False)
    w = prototypes.astype(np.float64)
    right = 0
    for row in rows:
        energies = ((points[row] - w) ** 2).sum(1)
        right += energies[labels[row]] == energies.min()
    return right / len(rows)


def inertia(points, prototypes, labels):
    return sum(float(((y.astype(np.float64) - prototypes[l]) ** 2).sum())
               for y, l in ((points[i:i + 10_000], labels[i:i + 10_000]) for i in range(0, len(points), 10_000)))


def compare(case, iterations, ours, peers, points, start, options):
    """Medians of ms an iteration, the systems in turn; a first round apart warms up."""
    systems, times, last = [ours, *peers], {}, {}
    for repetition in range(options.repetitions + 1):
        for system in list(systems):
            try:
                begin = time.perf_counter()
                last[system] = system.fit(points, start, iterations, options.threads)
                seconds = time.perf_counter() - begin
            except Exception as error:
                if system is ours:
                    raise
                print(f"  {system.name}: failed and left out: {error}")
                systems.remove(system)
                continue
            if repetition > 0:
                times.setdefault(system, []).append(1000 * seconds / last[system][2])
    median = {system: statistics.median(times[system]) for system in systems}
    rows = []
    for system in systems:
        prototypes, labels, done = last[system]
        right, energy = right_labels(points, prototypes, labels), inertia(points, prototypes, labels)
        note = "" if system.same_start else "  (its own start)"
        print(f"  {system.name:20} {system.version:9} {median[system]:10.2f} {median[system] / median[ours]:7.2f}"
              f" {done:6d} {100 * right:8.2f} {energy:14.6g}{note}", flush=True)
        rows.append({"family": "assign", "case": f"{case}, {iterations} iterations", "peer": system.name,
                     "peer_version": system.version, "ours": median[ours], "theirs": median[system],
                     "unit": "ms an iteration", "ratio": median[system] / median[ours], "iterations_done": done,
                     "right_labels": right, "inertia": energy, "same_start": system.same_start,
                     "all_theirs": times[system], "n": len(points), "d": points.shape[1], "k": len(start)})
    return [row | {"right_labels_ours": rows[0]["right_labels"], "inertia_ours": rows[0]["inertia"],
                   "all_ours": rows[0]["all_theirs"]} for row in rows[1:]]


def needed(peer, points, k, seed, target, options):
    """How many iterations bring this peer to the target, or None if 100 do not."""
    last = peer.scratch(points, k, seed, MOST_ITERATIONS, options.threads)
    if inertia(points, *last[:2]) > target:
        return None
    return max(1, next((i for i, reported in enumerate(peer.inertias) if reported <= target), MOST_ITERATIONS))


def reach(system, ours, points, k, seed, target, options):
    """Seconds, iterations and inertia of one system from scratch to the target; None if it does not get there."""
    iterations = MOST_ITERATIONS if system is ours else needed(system, points, k, seed, target, options)
    while iterations is not None and iterations <= MOST_ITERATIONS:
        begin = time.perf_counter()
        if system is ours:
            prototypes, labels, done = ours.reach(points, k, seed, target, iterations, options.threads)
        else:
            prototypes, labels, done = system.scratch(points, k, seed, iterations, options.threads)
        seconds = time.perf_counter() - begin
        energy = inertia(points, prototypes, labels)
        if energy <= target:
            return seconds, done, energy
        iterations += 1  # what it reports is rounded
    return None


def from_scratch(case, ours, peers, points, k, options):
    learn = next((peer for peer in peers if isinstance(peer, ScikitLearn)), None)
    if learn is None:
        print("  from scratch: left out, without scikit-learn there is no target")
        return []
    others = [peer for peer in peers if peer is not learn and hasattr(peer, "scratch")]
    runs = {system: [] for system in (ours, learn, *others)}
    for seed in options.seeds:
        begin = time.perf_counter()
        prototypes, labels, done = learn.scratch(points, k, seed, 25, options.threads)
        seconds = time.perf_counter() - begin
        final = inertia(points, prototypes, labels)
        runs[learn].append((seconds, done, final))
        for system in (ours, *others):
            try:
                runs[system].append(reach(system, ours, points, k, seed, final * (1 + 1e-6), options))
            except Exception as error:
                if system is ours:
                    raise
                print(f"  {system.name}: failed: {error}")
                runs[system].append(None)

    def median(system):
        seconds = [run[0] for run in runs[system] if run]
        return statistics.median(seconds) if seconds else None

    rows = []
    print(f"{case}: from scratch to scikit-learn's inertia, seeds {options.seeds}\n"
          f"  {'system':20} {'version':9} {'s':>10} {'ratio':>7} {'reached':>8} iterations")
    for system, found in runs.items():
        seconds, own = median(system), median(ours)
        ratio = seconds / own if seconds and own else None
        reached = [run for run in found if run]
        print(f"  {system.name:20} {system.version:9} {f'{seconds:10.3f}' if seconds else ' ' * 10}"
              f" {f'{ratio:7.2f}' if ratio else ' ' * 7} {f'{len(reached)} of {len(found)}':>8}"
              f" {[run[1] for run in reached]}", flush=True)
        rows.append({"family": "assign", "case": f"{case}, from scratch to scikit-learn's inertia", "peer": system.name,
                     "peer_version": system.version, "ours": own, "theirs": seconds, "unit": "s", "ratio": ratio,
                     "seeds": options.seeds, "reached": [bool(run) for run in found],
                     "reached_ours": [bool(run) for run in runs[ours]], "all_theirs": found, "all_ours": runs[ours],
                     "n": len(points), "d": points.shape[1], "k": k})
    return rows[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", dest="shim", help="libcuebm_peers.so; default: of the preset cpu, or cuda with --gpu")
    parser.add_argument("--cases", help=f"names with commas, of {', '.join([*GROUPS, *CASES])}")
    parser.add_argument("--iterations", type=int, nargs="+", default=[1, 25])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="from scratch; none: leave that out")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--gpu", action=argparse.BooleanOptionalAction, default=has_gpu(),
                        help="cuebm and the peers on a GPU, or on the CPU; default: where there is one")
    parser.add_argument("--results", default="bench/results")
    options = parser.parse_args()
    library = options.shim or f"build/{'cuda' if options.gpu else 'cpu'}/lib/libcuebm_peers.so"
    cases = options.cases or ("gpu" if options.gpu else "cpu")
    names = [case for name in cases.split(",") for case in GROUPS.get(name, [name])]
    for name in names:
        if name not in CASES:
            parser.error(f"no case {name}; there are {', '.join([*GROUPS, *CASES])}")
    if not os.path.exists(library):
        parser.error(f"{library} is not there; build the target cuebm_peers (CUEBM_BENCH=ON), or give --library")

    results = []
    for name in names:
        n, d, k, real = CASES[name]
        points, start = load(n, d, k, real)
        ours = Cuebm(library, points, options.gpu, options.threads)
        processor, peaks = ours.limits()
        if name == names[0]:
            print(f"{processor}; {ours.device}; {options.threads} threads; peaks {peaks}")
        peers = []
        for peer in (ScikitLearn, Faiss, SuperKMeans, Torch, FlashKMeans, CuML):
            if peer.gpu != options.gpu:
                continue
            try:
                peers.append(peer(points))
                peers[-1].version = metadata.version(peer.package)
            except (ImportError, metadata.PackageNotFoundError) as error:
                print(f"  {peer.name}: left out ({error}); pip install {peer.package}")
        about = {"device": ours.device, "processor": processor, "peaks": peaks, "threads": options.threads,
                 "cuebm": ours.version, "commit": commit()}
        for iterations in options.iterations:
            print(f"{name}: {n} x {d}, k {k}, at most {iterations} iterations, {options.repetitions} repetitions\n"
                  f"  {'system':20} {'version':9} {'ms/iter':>10} {'ratio':>7} {'done':>6} {'right %':>8} {'inertia':>14}")
            for row in compare(name, iterations, ours, peers, points, start, options):
                results.append(row | about)
        if options.seeds:
            results += [row | about for row in from_scratch(name, ours, peers, points, len(start), options)]
    write(results, "assign", options.results)


if __name__ == "__main__":
    main()
