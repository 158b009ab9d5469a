# Makes metrics.json by scikit-learn 1.9.0, SciPy 1.17.1, seqeval 1.2.2 and transformers 5.12.1.
import json, random, sys, warnings
warnings.filterwarnings("ignore")

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support, matthews_corrcoef, mean_squared_error
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import precision_score as sp, recall_score as sr, f1_score as sf
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2
r = random.Random(11)
out = {"classes": [], "several": [], "numbers": [], "entities": [], "answers": []}
for n, k, good in [(40, 4, .6), (60, 2, .7), (25, 7, .2), (9, 3, 1.0), (5, 2, 0.0), (30, 2, .9)]:
    t = [r.randrange(k) for _ in range(n)]
    p = [y if r.random() < good else r.randrange(k + (k > 2)) for y in t]
    if good == 0: p = [1 - y for y in t]
    c = {"predicted": p, "expected": t, "accuracy": accuracy_score(t, p), "matthews": matthews_corrcoef(t, p)}
    for a in ["macro", "micro", "weighted"] + (["binary"] if k == 2 else []):
        pr, re, f, _ = precision_recall_fscore_support(t, p, average=a, zero_division=0)
        c[a] = [pr, re, f]
    out["classes"].append(c)
c = {"predicted": [1, 1, 1], "expected": [0, 0, 0]}
c["accuracy"] = 0.0; c["matthews"] = matthews_corrcoef(c["expected"], c["predicted"])
for a in ["macro", "micro", "weighted", "binary"]:
    c[a] = list(precision_recall_fscore_support(c["expected"], c["predicted"], average=a, zero_division=0)[:3])
out["classes"].append(c)
for n, k, good in [(20, 5, .7), (12, 3, .4)]:
    t = np.array([[int(r.random() < .3) for _ in range(k)] for _ in range(n)])
    p = np.array([[y if r.random() < good else 1 - y for y in row] for row in t])
    t[:, 0] = 0; p[:, 0] = 0
    c = {"predicted": p.tolist(), "expected": t.tolist(), "accuracy": accuracy_score(t, p)}
    for a in ["macro", "micro", "weighted"]:
        c[a] = list(precision_recall_fscore_support(t, p, average=a, zero_division=0)[:3])
    out["several"].append(c)
for n in [30, 8]:
    t = [round(r.gauss(0, 2), 1) for _ in range(n)]; p = [round(y + r.gauss(0, 1), 1) for y in t]
    out["numbers"].append({"predicted": p, "expected": t, "pearson": pearsonr(p, t)[0], "spearman": spearmanr(p, t)[0], "mse": mean_squared_error(t, p)})
tags = ["O", "O", "O", "B-a", "I-a", "B-b", "I-b", "B-x-y", "I-x-y"]
more = tags + ["E-a", "S-a", "S-b", "E-b"]
for names, n in [(tags, 30), (more, 30), (["O", "B", "I"], 10)]:
    t = [[r.choice(names) for _ in range(r.randrange(1, 9))] for _ in range(n)]
    p = [[y if r.random() < .8 else r.choice(names) for y in row] for row in t]
    c = {"predicted": p, "expected": t, "spans": [[[a, b, e + 1] for a, b, e in get_entities(row)] for row in t],
         "default": [float(sp(t, p)), float(sr(t, p)), float(sf(t, p))]}
    if names is not more:
        kw = dict(mode="strict", scheme=IOB2)
        c["strict"] = [float(sp(t, p, **kw)), float(sr(t, p, **kw)), float(sf(t, p, **kw))]
    out["entities"].append(c)
# an I that begins an entity, by hand
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1
pairs = [("The Eiffel Tower", ["eiffel tower"]), ("in Paris, France", ["Paris", "France"]), ("", [""]), ("x", [""]), ("", ["x"]), ("the", ["a"]), ("An apple a day!", ["apple day", "the apple"]),
         ("1,000 people", ["1000 people"]), ("Straße", ["strasse"]), ("a b b c", ["b c b d"]), ("“quoted”", ["quoted"]), ("theatre", ["the atre"]), ("U.S.", ["us", "United States"])]
for a, g in pairs:
    out["answers"].append({"answer": a, "expected": g, "exact": max(compute_exact(x, a) for x in g), "f1": max(compute_f1(x, a) for x in g)})
def clean(x): return x.item() if hasattr(x, "item") else x
json.dump(out, open("metrics.json", "w"), default=clean, ensure_ascii=False)
print(len(json.dumps(out, default=clean)))
